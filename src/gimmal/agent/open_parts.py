"""Part files that one who asks through the agent has open on the other side, let go of when they leave.

The agent's session with the other side outlives a command and a queued transfer, and open part files belong to the
session: without this, each that was cut short would hold one for good.
"""

from __future__ import annotations

import asyncio
import logging

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import Answer, Discard, OpenPart, PartOpened
from gimmal.share.using import Using
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")


class OpenParts:
    """The open part files of one who asks.

    Args:
        session: with the other side.
        tasks: of the agent, for what has to be told to the other side after they have left.
    """

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self._session = session
        self._tasks = tasks
        self._parts: set[int] = set()
        self._left = False
        self.using: Using | None = None
        """Is told of each part file that was opened, where somebody keeps a log of what is done."""

    async def open(self, request: OpenPart) -> Answer:
        """Ask for a part file.

        Raises:
            GimmalError: why there is no answer.
        """
        # Goes on where the asker is gone meanwhile: the other side opens the part all the same.
        opened = await asyncio.shield(self._tasks.start(self._open(request), "open part"))
        if isinstance(opened, GimmalError):
            raise opened
        return opened

    def settled(self, part: int) -> None:
        """A part was placed or given up."""
        self._parts.discard(part)

    def leave(self) -> None:
        """The asker has left: let go of what is open still; part files stay for another time."""
        self._left = True
        if self._parts and not self._session.over:
            self._tasks.start(self._let_go(), "discard parts")

    async def _open(self, request: OpenPart) -> Answer | GimmalError:
        """Maybe nobody is left to hear of a failure, so it is returned."""
        try:
            answer = await self._session.call(request, deadline=None)
        except GimmalError as exc:
            return exc
        if self.using is not None:
            self.using.answered(request, answer)
        if isinstance(answer, PartOpened):
            self._parts.add(answer.part)
            if self._left:
                await self._let_go()
        return answer

    async def _let_go(self) -> None:
        while self._parts and not self._session.over:
            try:
                await self._session.call(Discard(self._parts.pop(), remove=False))
            except GimmalError as exc:
                logger.debug("a part stays open: %s", exc)
