"""How fast a line is: bytes from memory to memory, as many under way as a copy would have."""

from __future__ import annotations

import asyncio
import contextlib
from functools import lru_cache

from gimmal.base.errors import RemoteError
from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX
from gimmal.protocol.messages import Answer, Done, Failed, MeasureUp, StreamEnd
from gimmal.remote.remote_files import BLOCKS_MAX, RemoteFiles
from gimmal.share.measure_serving import random_block
from gimmal.transport.exchange import AnswerSink
from gimmal.transport.link import Link
from gimmal.transport.ranges import read_measured

FIRST_BYTES = 64 * 1024
"""Of the first question; on a slow line more would take longer than there is time."""

QUESTION_SECONDS = 0.1
"""What one question should take of the line."""

BYTES_MAX = 512 << 20
"""After which a fast line is known well enough."""

RAMP = 0.35
"""Part of the time at the beginning that does not count: lines take it to become fast."""

GRACE_SECONDS = 3.0
"""For the last answers, beyond the time given."""

_LOOK_SECONDS = 0.05


async def measure_line(files: RemoteFiles, seconds: float, *, up: bool) -> float | None:
    """Bytes a second that the line carries one way.

    Args:
        files: of the session that the line belongs to.
        seconds: to take, about.
        up: to the other side; otherwise from it.

    Returns:
        None where nothing came through in the time.

    Raises:
        RemoteError: the other side measures no more for now.
        UnreachableError: it cannot be asked.
    """
    measuring = _Measuring(files, seconds, up=up)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + GRACE_SECONDS):
            await measuring.run()
    return rate_of(measuring.done, measuring.began)


def rate_of(done: list[tuple[float, int]], began: float) -> float | None:
    """Bytes a second by what was done when; the beginning counts only where there is nothing else.

    Args:
        done: when each question was answered, in order, and its bytes.
        began: when the first was asked.
    """
    if not done:
        return None
    end = done[-1][0]
    start, counted = began, 0
    ramp = began + RAMP * (end - began)
    for at, count in done:
        if at <= ramp:
            start, counted = at, 0
        else:
            counted += count
    if end <= start or sum(at > ramp for at, _count in done) < 3:
        start, counted = began, sum(count for _at, count in done)
    return counted / (end - start) if end > start else None


class _Measuring:
    def __init__(self, files: RemoteFiles, seconds: float, *, up: bool) -> None:
        self._files = files
        self._up = up
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()
        self._end = self.began + seconds
        self.done: list[tuple[float, int]] = []
        self._asked = 0

    async def run(self) -> None:
        await self._ask(FIRST_BYTES)
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(BLOCKS_MAX):
                    group.create_task(self._worker(number))
        except BaseExceptionGroup as exc:
            error = exc.exceptions[0]
            # What was learned before a limit was met is worth as much.
            if not (isinstance(error, RemoteError) and error.code == "limit"):
                raise error from None

    async def _worker(self, number: int) -> None:
        while self._loop.time() < self._end and self._asked < BYTES_MAX:
            if number >= self._files.blocks_at_once:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                await self._ask(self._length())

    def _length(self) -> int:
        """Bytes of the next question: a power of two, by what was answered of late."""
        now = self._loop.time()
        late = [count for at, count in self.done[-64:] if at > now - 1.0]
        rate = sum(late) / min(1.0, max(now - self.began, 1e-3))
        length = FIRST_BYTES
        while length < BLOCK_SIZE and 2 * length <= rate * QUESTION_SECONDS:
            length *= 2
        return length

    async def _ask(self, length: int) -> None:
        self._asked += length
        answer = await (self._send(length) if self._up else self._receive(length))
        if answer is not None:
            self._files.expect(answer, Done, "")
        self.done.append((self._loop.time(), length))

    async def _receive(self, length: int) -> Answer | None:
        session = self._files.session
        read = await read_measured(session, length)
        for piece in read.pieces:
            if piece.owner is not None:
                session.pool.give(piece.owner)
        return read.answer if isinstance(read.answer, Failed) else None

    async def _send(self, length: int) -> Answer | None:
        session = self._files.session
        random, _digest = random_block()

        async def send(link: Link, number: int) -> None:
            for at in range(0, length, BODY_MAX):
                size = min(BODY_MAX, length - at)
                buffer = session.pool.take()
                buffer.body[:size] = random[at : at + size]
                await link.send_buffer(RecordKind.DATA, number, at, buffer, size)
            link.post(RecordKind.END, number, length, encode(StreamEnd(_digest_of(length))))

        return (await session.exchange(MeasureUp(length), AnswerSink, send_more=send, bulk=True)).answer


@lru_cache(maxsize=16)
def _digest_of(length: int) -> bytes:
    return blake3_digest(random_block()[0][:length])
