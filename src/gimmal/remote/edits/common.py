"""What all open files of one process share: the ways to the other side, what is cached of it, clocks and limits."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from gimmal.base.errors import DeadlinePassed, GimmalError, RemoteError, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import Version
from gimmal.remote.edits.line import Line
from gimmal.remote.file_cache import FileCache
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView
from gimmal.transport.frames import again

ResultT = TypeVar("ResultT")

CALL_SECONDS = 10.0
"""What a call may take in all, unless bytes move; one step of a save half of it, then the line counts as down."""

LOOK_PART = 0.8
"""Of the time of a call, what a look may take: it is part of one, in which what is known here can be told then."""

SLOWEST_LINE = 65_536
"""Bytes a second that a line is expected to carry at least; what takes longer than a call waits in the journal."""

DOWN_LOOK_SECONDS = 1.0
"""What a look may take that nobody here can answer, while the line is down."""

PIECE_MIN, PIECE_MAX = 256 << 10, 4 << 20
"""Bytes that are sent ahead at once: about as many as the line carries in a second."""

SEEN_MAX = 4096
"""Files of which it is remembered which version a program of this process saw last."""


@dataclass
class Common:
    """See above.

    Attributes:
        open_files: a way to the other side, the one at hand where it still lives; raises GimmalError.
        clock: nanoseconds since 1970.
        computer: what this one is called, for names of conflicts.
        call_seconds: what a call may take.
        piece: bytes that are sent ahead at once.
        seen: the version of a file that was opened or saved last: the one that an editor believes it replaces.
    """

    open_files: Callable[[], Awaitable[RemoteFiles]]
    view: TreeView
    cache: FileCache
    clock: Callable[[], int]
    computer: str
    call_seconds: float = CALL_SECONDS
    tasks: Tasks = field(default_factory=Tasks)
    line: Line = field(default_factory=Line)
    seen: OrderedDict[str, Version] = field(default_factory=OrderedDict)
    piece: int = PIECE_MIN
    _opening: asyncio.Task[RemoteFiles | GimmalError] | None = None

    async def files(self) -> RemoteFiles:
        """A way to the other side, by which the view goes too."""
        files = await self._within(self._opened(), self.call_seconds / 2)
        self.view.follow(files)
        return files

    async def _opened(self) -> RemoteFiles:
        """Whoever waits for a session no longer does not end the looking for it: the next one may have it."""
        if self._opening is None or self._opening.done():
            self._opening = self.start(self._open(), "a session for edits")
        found = await asyncio.shield(self._opening)
        if isinstance(found, GimmalError):
            raise again(found)
        return found

    async def _open(self) -> RemoteFiles | GimmalError:
        try:
            return await self.open_files()
        except GimmalError as exc:
            return exc

    async def look(self, work: Awaitable[ResultT], seconds: float | None = None) -> ResultT:
        """A look that may be answered by what is known here: where the line is down it does not wait long.

        Raises:
            DeadlinePassed: no answer within ``seconds``; unless told, most of those of a call.
            GimmalError: what the other side says, or why it cannot be asked.
        """
        most = self.call_seconds * LOOK_PART if seconds is None else seconds
        return await self._within(work, min(most, DOWN_LOOK_SECONDS) if self.is_down() else most)

    async def call(self, work: Awaitable[ResultT]) -> ResultT:
        """As ``step``, for what is a call by itself: it may take all the time of one."""
        return await self.step(work, seconds=self.call_seconds)

    async def step(self, work: Awaitable[ResultT], length: int = 0, *, seconds: float | None = None) -> ResultT:
        """One question to the other side; what becomes of it is noted.

        Args:
            work: the question.
            length: bytes that move with it: they have more time, but not more than a call.
            seconds: what it may take; None for half of a call.

        Raises:
            DeadlinePassed: no answer in time.
            GimmalError: what the other side says, or why it cannot be asked.
        """
        half = self.call_seconds / 2
        seconds = half + min(half, length / SLOWEST_LINE) if seconds is None else seconds
        try:
            result = await self._within(work, seconds)
        except RemoteError:
            self._worked()
            raise
        self._worked()
        return result

    def _worked(self) -> None:
        if self.is_down():
            self.view.note_answer()
        self.line.worked()

    async def _within(self, work: Awaitable[ResultT], seconds: float) -> ResultT:
        try:
            async with asyncio.timeout(seconds) as timeout:
                return await work
        except TimeoutError:
            if not timeout.expired():
                raise
            self._failed()
            raise DeadlinePassed(
                "the other side did not answer in time", "`gimmal status` shows the connection"
            ) from None
        except UnreachableError:
            self._failed()
            raise

    def _failed(self) -> None:
        self.line.failed(asyncio.get_running_loop().time())
        self.view.note_silence()

    def sent(self, length: int, seconds: float) -> None:
        """So many bytes were sent ahead and took so long: the next piece follows the line's speed."""
        self.piece = int(min(PIECE_MAX, max(PIECE_MIN, length / max(seconds, 0.001))))

    def is_down(self) -> bool:
        """Whether the other side was just asked in vain."""
        return self.line.is_down(asyncio.get_running_loop().time())

    def note_seen(self, path: str, version: Version) -> None:
        """A program has seen this version."""
        self.seen[path] = version
        self.seen.move_to_end(path)
        if len(self.seen) > SEEN_MAX:
            self.seen.popitem(last=False)

    def start(self, work: Coroutine[Any, Any, ResultT], name: str) -> asyncio.Task[ResultT]:
        """Run something that lasts longer than who began it; it returns its failures."""
        return self.tasks.start(work, name)
