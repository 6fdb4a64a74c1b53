"""A far file behind a line that exists only in numbers: a clock that jumps, a delay, a rate, and what was asked."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from blake3 import blake3

from gimmal.base.errors import Interrupted
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.files import Block
from gimmal.transport.exchange import Piece

ResultT = TypeVar("ResultT")


class _JumpingSelector(selectors.SelectSelector):
    """Where a loop would wait for its next timer, its clock jumps there."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everything waits, and nothing will ever come")
        if not ready and timeout:
            self.skipped += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop on which time passes only by waiting, and takes none."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return 1000.0 + self._jumping.skipped

    def call_soon_threadsafe(self, *arguments: Any, **named: Any) -> Any:
        raise AssertionError("a thread takes real time")


def simulated(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run something on such a loop."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)


def content_of(size: int, seed: int = 1) -> bytes:
    """Bytes in which every place differs from its neighbours."""
    return blake3(bytes([seed])).digest(length=size)


class SimulatedFiles:
    """One file of the other side; what ``remote.file_cache`` uses of ``Files``.

    Args:
        content: of the file.
        round_trip: seconds.
        rate: bytes a second of the line, which carries one thing after another.
    """

    def __init__(self, content: bytes, round_trip: float = 0.05, rate: float = 25e6) -> None:
        self.content = content
        self.identity = 7
        self.round_trip = round_trip
        self.rate = rate
        self.asked: list[tuple[int, int]] = []
        self.came: list[tuple[int, int]] = []
        self.given_up: list[tuple[int, int]] = []
        self.stats = 0
        self.cut_until = 0.0
        self.corrupt = False
        self.breaks = False
        """A bug in what fetches."""
        self._free_at = 0.0
        self.busy = 0.0

    async def open(self) -> Any:
        return self

    @property
    def version(self) -> Version:
        return Version(self.identity, len(self.content), 5)

    async def stat(self, path: str) -> Attributes:
        self.stats += 1
        await asyncio.sleep(self.round_trip)
        self._check_line()
        if path == "docs/folder":
            return Attributes(Kind.DIRECTORY, 0, 0, 0o755, 1)
        return Attributes(Kind.FILE, len(self.content), 5, 0o644, self.identity)

    async def read_block(self, path: str, offset: int, length: int, version: Version | None) -> Block:
        self.asked.append((offset, length))
        if self.breaks:
            raise KeyError(offset)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.sleep(self.round_trip / 2)
            self._check_line()
            if version != self.version:
                await asyncio.sleep(self.round_trip / 2)
                raise error_of_code(Code.CHANGED, path)
            content = self.content[offset : offset + length]
            takes = len(content) / self.rate
            self.busy += takes
            self._free_at = max(self._free_at, loop.time()) + takes
            await asyncio.sleep(self._free_at + self.round_trip / 2 - loop.time())
        except asyncio.CancelledError:
            self.given_up.append((offset, length))
            raise
        self.came.append((offset, length))
        digest = blake3(content).digest()
        if self.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        return Block([Piece(memoryview(content), None)], len(content), digest)

    def _check_line(self) -> None:
        if asyncio.get_running_loop().time() < self.cut_until:
            raise Interrupted("the connection was cut")

    def release(self, block: Block) -> None:
        block.pieces = []

    @property
    def bytes_asked(self) -> int:
        return sum(length for _offset, length in self.asked)


async def timed(work: Awaitable[ResultT]) -> tuple[ResultT, float]:
    """A result, and the seconds of the loop's clock that it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    result = await work
    return result, loop.time() - began


Work = Callable[[], Awaitable[None]]
