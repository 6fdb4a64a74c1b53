"""One range of a file, asked for in pieces over several links at once (docs/decisions/0053-growing-links.md)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gimmal.base.primitives import blake3_digest, equal, new_blake3
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Answer, Failed, Measure, Measured, Read
from gimmal.transport.exchange import Piece, RangeSink
from gimmal.transport.session import Session

PIECE_FIRST, PIECE_MIN = 1 << 20, 256 * 1024
"""Bytes of a piece while no rate is known, and at least."""

PIECE_SECONDS = 0.25
"""What a link should need for a piece at most, so that no slow one holds up a block for long."""


@dataclass
class RangeRead:
    """What a Read brought: bytes and their digest, or an answer that says why not."""

    pieces: list[Piece]
    received: int
    digest: bytes
    answer: Answer | None


async def read_range(session: Session, request: Read) -> RangeRead:
    """Read a range, in pieces where several links for bulk share it.

    A sparse one is asked for whole: where its pieces meet, what is left out could be less than a stream may leave out.

    Returns:
        the pieces in order, to be given back to the session's pool. The digest is that of the other side, or where
        there were pieces one made here after each piece was compared with its own.
    """
    size = piece_size(session.bulk.count, session.bulk.rate)
    if size is None or request.length <= size or request.sparse:
        return _taken(await _read(session, request))
    sinks = await _read_pieces(session, request, size)
    failed = next((sink.answer for sink in sinks if sink.answer is not None), None)
    if failed is None:
        digest = await asyncio.to_thread(_join, sinks, size)
        if digest is not None:
            pieces: list[Piece] = []
            for number, sink in enumerate(sinks):
                for piece in sink.pieces:
                    piece.at += number * size
                    pieces.append(piece)
            return RangeRead(pieces, sum(sink.received for sink in sinks), digest, None)
        failed = Failed(Code.CORRUPT)
    for sink in sinks:
        sink.give_back()
    return RangeRead([], 0, b"", failed)


async def read_measured(session: Session, length: int) -> RangeRead:
    """As many random bytes from the other side's memory, at most a block, to learn how fast the line is."""

    def make_sink(done: asyncio.Future[None]) -> RangeSink:
        return RangeSink(done, session.pool, 0, length)

    return _taken(await session.exchange(Measure(Measured.LINE, length), make_sink, bulk=True))


def piece_size(links: int, rate: float | None) -> int | None:
    """Bytes of a piece; None where a range is better asked for whole.

    Args:
        links: that share the bulk.
        rate: bytes a second of all of them, None where not known.
    """
    if links < 2:
        return None
    if rate is None:
        return PIECE_FIRST
    size = BLOCK_SIZE
    while size > max(PIECE_MIN, PIECE_SECONDS * rate / links):
        size //= 2
    return size


async def _read_pieces(session: Session, request: Read, size: int) -> list[RangeSink]:
    end = request.offset + request.length
    tasks: list[asyncio.Task[RangeSink]] = []
    complete = False
    try:
        async with asyncio.TaskGroup() as group:
            for at in range(request.offset, end, size):
                piece = Read(request.path, at, min(size, end - at), request.version)
                tasks.append(group.create_task(_read(session, piece)))
        complete = True
    except BaseExceptionGroup as exc:
        raise exc.exceptions[0] from None
    finally:
        for task in tasks:
            if not complete and task.done() and not task.cancelled() and task.exception() is None:
                task.result().give_back()
    return [task.result() for task in tasks]


async def _read(session: Session, request: Read) -> RangeSink:
    def make_sink(done: asyncio.Future[None]) -> RangeSink:
        return RangeSink(done, session.pool, request.offset, request.length, sparse=request.sparse)

    return await session.exchange(request, make_sink, bulk=True)


def _taken(sink: RangeSink) -> RangeRead:
    if sink.answer is not None:
        sink.give_back()
    return RangeRead(sink.pieces, sink.received, sink.digest, sink.answer)


def _join(sinks: list[RangeSink], size: int) -> bytes | None:
    """The digest of all, or None where a piece is not what was read, or a gap follows a short one."""
    whole = new_blake3()
    short = False
    for sink in sinks:
        if short and sink.received:
            return None
        short = sink.received < size
        if not equal(blake3_digest(*(piece.body for piece in sink.pieces)), sink.digest):
            return None
        for piece in sink.pieces:
            whole.update(piece.body)
    return whole.digest()
