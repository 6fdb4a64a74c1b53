"""The way to the other side for as long as a mount lasts: opened again after it was lost, in one place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from gimmal.agent.reach import Reach, Reached
from gimmal.base.errors import GimmalError, HalfError
from gimmal.remote.remote_files import RemoteFiles

logger = logging.getLogger("gimmal.fuse")

RETRY_SECONDS = 1.0
"""Between two tries to reach the other side."""

LINK_SECONDS = 2.0
"""How long a link that is being dialled again is waited for before what is known is told."""


class Line:
    """One session at a time, and the next one where it is over.

    Args:
        reach: opens sessions.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._reached: Reached | None = None
        self._opening = asyncio.Lock()
        self.on_files: Callable[[RemoteFiles], None] | None = None
        """Is told of the files of each session after the first."""

    async def files(self) -> RemoteFiles:
        """The other side's files over the session at hand, or over a new one.

        Raises:
            HalfGone: the half was pulled out.
            GimmalError: why the other side is not reached.
        """
        async with self._opening:
            before = self._reached
            reached = await self._reach.open()
            self._reached = reached
            if before is not None and before is not reached and self.on_files is not None:
                self.on_files(reached.files)
            return reached.files

    async def leads_there(self) -> bool:
        """Whether what is asked now comes to the other side, as far as is known."""
        reached = self._reached
        if reached is None or reached.session.over:
            return False
        if reached.through_agent:
            return await self._reach.leads_there()
        return bool(reached.session.links) or await reached.session.linked(LINK_SECONDS)

    async def keep(self) -> GimmalError:
        """Open a session again whenever one is over; returns why that is not to be tried any more.

        Only what happens to the half ends it, pulled out, unplugged or disabled: the other side may come back at any
        time.
        """
        while True:
            if self._reached is not None and not self._reached.session.over:
                await asyncio.shield(self._reached.session.ended)
            try:
                await self.files()
            except HalfError as over:
                return over
            except GimmalError as error:
                logger.debug("the other side is not reached: %s", error)
                try:
                    await self._reach.rest(RETRY_SECONDS)
                except HalfError as over:
                    return over
