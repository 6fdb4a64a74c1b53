"""One range of a file, asked for in pieces over several links at once (docs/decisions/0053-growing-links.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from gimmal.base.errors import ProtocolViolation
from gimmal.base.primitives import blake3_digest, equal, new_blake3
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Answer, Failed, Measure, Measured, Packing, Read
from gimmal.protocol.packed import unpack
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import Piece, RangeSink
from gimmal.transport.packing import unpack_pieces
from gimmal.transport.session import Session

ResultT = TypeVar("ResultT")

SMALL_READ = 128 * 1024
"""Bytes up to which a range may travel beside questions: a film that is sought in should wait for no copy."""

PIECE_FIRST, PIECE_MIN = 1 << 20, 256 * 1024
"""Bytes of a piece while no rate is known, and at least."""

PIECE_SECONDS = 0.25
"""What a link should need for a piece at most, so that no slow one holds up a block for long."""


@dataclass
class RangeRead:
    """What a Read brought: bytes and their digest, or an answer that says why not.

    ``saved`` says how many bytes fewer came than the pieces stand for.
    """

    pieces: list[Piece]
    received: int
    digest: bytes
    answer: Answer | None
    saved: int = 0


async def read_range(session: Session, request: Read, *, unpacked: bool = True) -> RangeRead:
    """Read a range, in pieces where several links for bulk share it.

    A sparse one is asked for whole: where its pieces meet, what is left out could be less than a stream may leave out.

    Args:
        session: that carries it.
        request: the range.
        unpacked: unpack what came packed; else it stays so, to be passed on.

    Returns:
        the pieces in order, to be given back to the session's pool. The digest is that of the other side, or where
        there were pieces one made here after each piece was compared with its own.

    Raises:
        ProtocolViolation: what came packed cannot be unpacked; the session is over.
    """
    size = piece_size(session.bulk.count, session.bulk.rate)
    if size is None or request.length <= size or request.sparse:
        return await _taken(session, await _read(session, request), unpacked=unpacked)
    sinks = await _read_pieces(session, request, size)
    saved = sum(piece.saved for sink in sinks for piece in sink.pieces)
    failed = next((sink.answer for sink in sinks if sink.answer is not None), None)
    if failed is None:
        pieces = [piece for sink in sinks for piece in sink.pieces]
        join = partial(_join, sinks, size, session.pool, unpacked=unpacked)
        digest = await _in_thread(session, pieces, join)
        if digest is not None:
            for number, sink in enumerate(sinks):
                for piece in sink.pieces:
                    piece.at += number * size
            return RangeRead(pieces, sum(sink.received for sink in sinks), digest, None, saved)
        failed = Failed(Code.CORRUPT)
    for sink in sinks:
        sink.give_back()
    return RangeRead([], 0, b"", failed)


async def read_measured(session: Session, length: int) -> RangeRead:
    """As many random bytes from the other side's memory, at most a block, to learn how fast the line is."""

    def make_sink(done: asyncio.Future[None]) -> RangeSink:
        return RangeSink(done, session.pool, 0, length)

    sink = await session.exchange(Measure(Measured.LINE, length), make_sink, bulk=True)
    return await _taken(session, sink, unpacked=False)


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
                piece = Read(request.path, at, min(size, end - at), request.version, packing=request.packing)
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
        packed = request.packing is not Packing.NEVER
        return RangeSink(done, session.pool, request.offset, request.length, sparse=request.sparse, packed=packed)

    if request.length > SMALL_READ:
        return await session.exchange(request, make_sink, bulk=True)
    with session.bulk.aside() as aside:
        return await session.exchange(request, make_sink, bulk=not aside)


async def _taken(session: Session, sink: RangeSink, *, unpacked: bool) -> RangeRead:
    if sink.answer is not None:
        sink.give_back()
    saved = sum(piece.saved for piece in sink.pieces)
    if saved and unpacked:
        await unpack_answer(session, sink.pieces)
    return RangeRead(sink.pieces, sink.received, sink.digest, sink.answer, saved)


async def unpack_answer(session: Session, pieces: list[Piece]) -> None:
    """Unpack what came for one request.

    Raises:
        ProtocolViolation: it cannot be unpacked; the session is over.
    """
    await _in_thread(session, pieces, partial(unpack_pieces, pieces, session.pool))


async def _in_thread(session: Session, pieces: list[Piece], work: Callable[[], ResultT]) -> ResultT:
    """Do something with what came; where it breaks a rule the session is over."""
    try:
        return await asyncio.to_thread(work)
    except ProtocolViolation as exc:
        for piece in pieces:
            if piece.owner is not None:
                session.pool.give(piece.owner)
        session.fail(exc)
        raise


def _join(sinks: list[RangeSink], size: int, pool: BufferPool, *, unpacked: bool) -> bytes | None:
    """The digest of all, or None where a piece is not what was read, or a gap follows a short one."""
    whole = new_blake3()
    short = False
    for sink in sinks:
        if short and sink.received:
            return None
        short = sink.received < size
        if unpacked:
            unpack_pieces(sink.pieces, pool)
        views = [memoryview(unpack(piece.body)) if piece.packed_from else piece.body for piece in sink.pieces]
        if not equal(blake3_digest(*views), sink.digest):
            return None
        for view in views:
            whole.update(view)
    return whole.digest()
