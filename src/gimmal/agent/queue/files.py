"""Both ends of a queued transfer as the engine shall see them: within the memory of all, and with parts remembered.

Memory: of the BLOCKS_MAX blocks that one copy may have under way each transfer has its share. None waits for what
another holds, which may move at a snail's pace: where one began alone and others came, theirs is on top, 22 blocks in
all for three transfers at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gimmal.agent.open_parts import OpenParts
from gimmal.agent.queue.advance import UNFINISHED_PARTS_MAX, UnfinishedPart
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import (
    Answer,
    BundleFile,
    Commit,
    Discard,
    Failed,
    OpenPart,
    PartOpened,
    Replace,
    Request,
    Reused,
    WriteBundle,
)
from gimmal.remote.files import Block, Files
from gimmal.remote.files_around import FilesAround
from gimmal.remote.remote_files import BLOCKS_MAX

PART_TRIES, PART_SECONDS = 40, 0.25
"""How often, and how many seconds apart, a part file is asked for that somebody else has open."""


class Room:
    """What bounds the memory of all queued transfers: a fair share of blocks for each."""

    def __init__(self) -> None:
        self.transfers = 0
        """How many share it just now."""

    @property
    def share(self) -> int:
        """Blocks that one transfer may have under way."""
        return max(1, BLOCKS_MAX // max(1, self.transfers))


class Flow:
    """What one transfer has under way, so that a pause can let it end."""

    def __init__(self) -> None:
        self._under_way = 0
        self._open = asyncio.Event()
        self._open.set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def begin(self) -> None:
        """Something is to be written; waits where the transfer is being paused."""
        await self._open.wait()
        self._under_way += 1
        self._idle.clear()

    def end(self) -> None:
        """It has been, or not."""
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Let nothing more begin, and wait for what is under way, but no longer than ``seconds``."""
        self._open.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            pass


class Parts:
    """The part files of one transfer that are not under their final names yet, on both sides."""

    def __init__(self, known: Sequence[UnfinishedPart] = ()) -> None:
        self._unfinished = {(part.far, part.path): part for part in known}
        self._asked: set[tuple[bool, str]] = set()
        """Those that may be there, for all that is known so far."""
        self._open: dict[tuple[bool, int], str] = {}

    @property
    def unfinished(self) -> tuple[UnfinishedPart, ...]:
        """All of them, or the newest."""
        return tuple(self._unfinished.values())

    def began(self, request: OpenPart, *, far: bool) -> None:
        """A part is asked for; it may be there from now on, whether or not the answer comes."""
        key = (far, request.path)
        if self._unfinished.pop(key, None) is None:
            self._asked.add(key)
        self._unfinished[key] = UnfinishedPart(request.path, far, request.replace is Replace.NEVER)
        opened = {(side, path) for (side, _number), path in self._open.items()}
        while len(self._unfinished) > UNFINISHED_PARTS_MAX:
            oldest = next((each for each in self._unfinished if each not in opened), key)
            del self._unfinished[oldest]
            self._asked.discard(oldest)

    def answered(self, request: Request, answer: Answer, *, far: bool) -> None:
        """A question about a part was answered."""
        if isinstance(request, OpenPart):
            key = (far, request.path)
            if isinstance(answer, PartOpened):
                self._open[far, answer.part] = request.path
            elif key in self._asked:
                self._unfinished.pop(key, None)
            self._asked.discard(key)
        elif isinstance(request, Commit | Discard) and not isinstance(answer, Failed):
            path = self._open.pop((far, request.part), None)
            if path is not None and (isinstance(request, Commit) or request.remove):
                self._unfinished.pop((far, path), None)

    def session_over(self) -> None:
        """The numbers of open parts mean nothing any more."""
        self._open.clear()


class QueuedFiles(FilesAround):
    """See Files.

    Args:
        inner: the tree itself.
        room: of all queued transfers.
        flow, parts: of this one.
        opened: who lets go of parts that are left open; None for this computer's files.
    """

    def __init__(self, inner: Files, room: Room, flow: Flow, parts: Parts, opened: OpenParts | None) -> None:
        super().__init__(inner)
        self._room = room
        self._flow = flow
        self._parts = parts
        self._opened = opened

    @property
    def blocks_at_once(self) -> int:
        """See Files."""
        return min(self.inner.blocks_at_once, self._room.share)

    async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
        """See Files."""
        far = self._opened is not None
        if isinstance(request, OpenPart):
            self._parts.began(request, far=far)
            answer = await self._ask_for_part(request)
        else:
            answer = await self.inner.ask(request, deadline)
        if self._opened is not None and isinstance(request, Commit | Discard):
            self._opened.settled(request.part)
        self._parts.answered(request, answer, far=far)
        return answer

    async def _ask_for_part(self, request: OpenPart) -> Answer:
        tries = 0
        while True:
            if self._opened is None:
                answer = await self.inner.ask(request, None)
            else:
                answer = await self._opened.open(request)
            tries += 1
            # What a run that was stopped had in a thread's hands is soon let go of.
            if tries >= PART_TRIES or not (isinstance(answer, Failed) and answer.code == Code.LIMIT):
                return answer
            await asyncio.sleep(PART_SECONDS)

    async def write_block(
        self,
        part: int,
        offset: int,
        length: int,
        load: Callable[[], Awaitable[Block]],
        *,
        sparse: bool = False,
        reused: Reused = (),
    ) -> bytes:
        """See Files."""
        await self._flow.begin()
        try:
            return await self.inner.write_block(part, offset, length, load, sparse=sparse, reused=reused)
        finally:
            self._flow.end()

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        """See Files."""
        await self._flow.begin()
        try:
            return await self.inner.write_bundle(request, files, contents)
        finally:
            self._flow.end()
