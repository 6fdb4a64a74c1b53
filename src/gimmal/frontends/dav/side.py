"""The other side as a network drive needs it: its tree, its files, and whether it can be asked now."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from gimmal.base.errors import DeadlinePassed, GimmalError, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.files import Files

logger = logging.getLogger("gimmal")

ResultT = TypeVar("ResultT")

ASKED_SECONDS = CALL_SECONDS + 2.0
"""What a client waits at most for one question: for no answer, and then for what was known before."""

KNOWN_SECONDS = 1.0
"""What a look may take while the line is down: what is known is told at once, nothing else comes."""

AGAIN_SECONDS = 1.0
"""Between two tries whether the line is back."""


class Side:
    """One other side. Close it.

    Where it did not answer, the line is down until it does: one client has waited then, the others do not.

    Args:
        tree: what is shown, with what was written while the line was down.
        leads_there: whether what is asked now comes to the other side, as far as is known.
    """

    def __init__(self, tree: EditedTree, leads_there: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self.tree = tree
        self._leads_there = leads_there
        self._tasks = Tasks()
        self._trying: asyncio.Task[None] | None = None

    @property
    def is_down(self) -> bool:
        """It was asked in vain, and has not answered since."""
        return self._trying is not None

    @property
    def asked_seconds(self) -> float:
        """What a client waits at most for one question."""
        return 2 * KNOWN_SECONDS if self.is_down else ASKED_SECONDS

    async def files(self) -> Files:
        """For what is done over there as a whole; raises GimmalError."""
        return await self.tree.cache.files()

    async def sends_now(self) -> bool:
        """Whether what is written now goes home at once: the line leads there, and nothing else waits for it."""
        return not self.is_down and not self.tree.waiting and await self._leads_there()

    async def look(self, ask: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """What a look at the tree brings; where the other side does not answer, what was known before.

        Args:
            ask: looks at the tree.

        Raises:
            UnreachableError: it does not answer, and nothing was known.
            GimmalError: what it says.
        """
        if not self.is_down:
            try:
                return await _within(ask(), CALL_SECONDS)
            except UnreachableError:
                self.failed()
        self.tree.view.note_silence()
        return await _within(ask(), KNOWN_SECONDS)

    def failed(self) -> None:
        """It was asked in vain."""
        if self._trying is None:
            with contextlib.suppress(RuntimeError):  # it is closed
                self._trying = self._tasks.start(self._until_back(), "whether the line of a network drive is back")

    async def _until_back(self) -> None:
        while True:
            try:
                async for _entries in (await self.files()).entries(""):
                    break
            except UnreachableError as error:
                logger.debug("the line is down still: %s", error)
            except GimmalError as error:
                logger.debug("the line is back: %s", error)
                break
            else:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        self._trying = None

    async def close(self) -> None:
        """Try no more."""
        await self._tasks.close()


async def _within(work: Awaitable[ResultT], seconds: float) -> ResultT:
    try:
        async with asyncio.timeout(seconds) as timeout:
            return await work
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlinePassed("the other side did not answer in time", "`gimmal status` shows the connection") from None
