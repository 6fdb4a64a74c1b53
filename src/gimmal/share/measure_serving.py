"""Reading again and measuring for the other side: what takes a thread for long, and what never touches a disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import cache

from gimmal.base.primitives import blake3_digest, random_bytes
from gimmal.base.workers import Workers
from gimmal.protocol.codec import encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX
from gimmal.protocol.messages import (
    Answer,
    DigestBlocks,
    DigestFiles,
    Done,
    Failed,
    Measure,
    Measured,
    MeasureUp,
    Request,
    StreamEnd,
)
from gimmal.share.measuring import BUDGET, MeasureBudget
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.exchange import Incoming

MEASURES = (DigestBlocks, DigestFiles, Measure, MeasureUp)
"""Requests that are answered here."""


class MeasureServing:
    """Answers MEASURES for one session.

    Args:
        read_long: does one that keeps a disk or a processor busy, a few at a time.
        reading: bounds the bytes that are in memory.
        pool: record buffers.
        workers: threads.
        budget: what may be measured.
    """

    def __init__(
        self,
        read_long: Callable[[Request], Awaitable[Answer]],
        reading: Callable[[int], AbstractAsyncContextManager[None]],
        pool: BufferPool,
        workers: Workers,
        budget: MeasureBudget = BUDGET,
    ) -> None:
        self._read_long = read_long
        self._reading = reading
        self._pool = pool
        self._workers = workers
        self._budget = budget

    async def handle(self, incoming: Incoming) -> Answer | None:
        """See transport.answering.Handler."""
        request = incoming.request
        if isinstance(request, MeasureUp):
            return await self._take_bytes(incoming, request)
        if isinstance(request, Measure) and request.what is Measured.LINE:
            if request.length > BLOCK_SIZE:
                return Failed(Code.INVALID)
            async with self._reading(request.length):
                return await self._give_bytes(incoming, request.length)
        return await self._read_long(request)

    async def _give_bytes(self, incoming: Incoming, length: int) -> Answer | None:
        if not self._budget.take(length):
            return Failed(Code.LIMIT)
        buffers, digest = await self._workers.bulk(self._random_buffers, length)
        link, number = incoming.link, incoming.number
        at = 0
        try:
            while buffers:
                buffer, size = buffers.pop(0)
                await link.send_buffer(RecordKind.DATA, number, at, buffer, size)
                at += size
        finally:
            for buffer, _size in buffers:
                self._pool.give(buffer)
        link.post(RecordKind.END, number, length, encode(StreamEnd(digest)))
        return None

    def _random_buffers(self, length: int) -> tuple[list[tuple[RecordBuffer, int]], bytes]:
        random, digest = random_block()
        buffers = []
        for at in range(0, length, BODY_MAX):
            size = min(BODY_MAX, length - at)
            buffer = self._pool.take()
            buffer.body[:size] = random[at : at + size]
            buffers.append((buffer, size))
        return buffers, digest if length == BLOCK_SIZE else blake3_digest(random[:length])

    async def _take_bytes(self, incoming: Incoming, request: MeasureUp) -> Answer:
        if not self._budget.take(request.length):
            return Failed(Code.LIMIT)
        while True:
            for kind, _offset, piece in await incoming.records():
                incoming.give(piece)
                if kind is RecordKind.END:
                    return Done()


@cache
def random_block() -> tuple[memoryview, bytes]:
    """A block that cannot be compressed, the same as long as this process lives, and its digest."""
    block = memoryview(random_bytes(BLOCK_SIZE))
    return block, blake3_digest(block)
