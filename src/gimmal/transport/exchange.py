"""The two ends of one request inside a session: what waits for an answer, and what is being answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gimmal.base.errors import GimmalError, Interrupted, ProtocolViolation
from gimmal.protocol.codec import decode_answer, decode_struct
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX, HOLE_MIN
from gimmal.protocol.messages import (
    STREAMED,
    Answer,
    MeasureUp,
    Packing,
    Request,
    StreamEnd,
    Write,
    WriteBundle,
)
from gimmal.protocol.packed import packed_size
from gimmal.protocol.reused import Gap, gaps_of
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.frames import again

if TYPE_CHECKING:
    from gimmal.transport.link import Link

DATA_RECORD_MIN = 64 * 1024
"""Every DATA record of a stream but its last carries at least this many bytes."""

KEPT_MIN = 512 * 1024
"""Bytes of a record below which they are copied: a buffer kept for few would cost many times their memory."""

PIECE_OVERHEAD = 512
"""Bytes that a record which was copied takes beside its own."""


class LinkLost(Interrupted):
    """The link a request travelled on is over; the session may repeat the request on another."""


@dataclass(slots=True)
class Piece:
    """Bytes of a stream where they arrived; ``owner`` is the buffer they lie in, to be given back, if any."""

    body: memoryview
    owner: RecordBuffer | None
    at: int = 0
    """Place of its first byte in the stream; between two pieces of a sparse one lie zeros."""
    packed_from: int = 0
    """For how many bytes a packed body stands; 0 where it is the bytes themselves."""
    memory: int = 0
    """Bytes of memory that it takes, where they are counted until it is given back."""

    @property
    def size(self) -> int:
        """Bytes of the stream that it brings."""
        return self.packed_from or len(self.body)

    @property
    def saved(self) -> int:
        """How many bytes fewer it is."""
        return self.size - len(self.body)


class Sink(Protocol):
    """What becomes of the records that answer one request; ``done`` completes when all are there."""

    done: asyncio.Future[None]

    def on_record(self, kind: RecordKind, offset: int, body: memoryview, owner: RecordBuffer | None) -> bool:
        """One record; True if ``owner`` is kept. Raises ProtocolViolation for one that may not come."""

    def reset(self) -> None:
        """The request will be repeated from its start: give back what came."""


class AnswerSink:
    """Waits for one ANSWER record."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        self.done = done
        self.answer: Answer | None = None

    def on_record(self, kind: RecordKind, offset: int, body: memoryview, owner: RecordBuffer | None) -> bool:
        """See Sink."""
        if kind is not RecordKind.ANSWER:
            raise ProtocolViolation(f"the other side answered with {kind.name} where ANSWER was due")
        self.answer = decode_answer(body)
        _finish(self.done)
        return False

    def reset(self) -> None:
        """See Sink."""


class RangeSink:
    """Collects the DATA records of one range, up to END; or a Failed answer.

    ``received`` counts the bytes of the stream, those that a sparse one leaves out too. What came packed stays so.
    """

    def __init__(
        self,
        done: asyncio.Future[None],
        pool: BufferPool,
        start: int,
        length: int,
        *,
        sparse: bool = False,
        packed: bool = False,
    ) -> None:
        self._sparse = sparse
        self._packed = packed
        self.done = done
        self._pool = pool
        self._start = start
        self._length = length
        self._short = False
        self.pieces: list[Piece] = []
        self.received = 0
        self.digest = b""
        self.answer: Answer | None = None

    def on_record(self, kind: RecordKind, offset: int, body: memoryview, owner: RecordBuffer | None) -> bool:
        """See Sink."""
        if kind is RecordKind.DATA:
            return self._on_data(offset, body, owner, 0)
        if kind is RecordKind.PACKED and self._packed:
            return self._on_data(offset, body, owner, packed_size(body))
        if kind is RecordKind.END:
            if not (self._sparse and self.received <= offset <= self._length) and offset != self.received:
                raise ProtocolViolation("the other side ended a stream at another length than it sent")
            self.received = offset
            self.digest = decode_struct(StreamEnd, body).digest
        elif kind is RecordKind.ANSWER:
            self.answer = decode_answer(body)
        else:
            raise ProtocolViolation(f"the other side answered with {kind.name} where DATA was due")
        _finish(self.done)
        return False

    def _on_data(self, offset: int, body: memoryview, owner: RecordBuffer | None, packed_from: int) -> bool:
        at = offset - self._start
        size = packed_from or len(body)
        if self.done.done() or not may_follow(self.received, at, short=self._short, sparse=self._sparse):
            raise ProtocolViolation("the other side sent bytes of a stream out of order")
        if not body or size > self._length - at:
            raise ProtocolViolation("the other side sent more bytes of a stream than were asked for")
        self._short = size < DATA_RECORD_MIN
        self.received = at + size
        if owner is None or len(body) < KEPT_MIN:
            self.pieces.append(Piece(memoryview(bytes(body)), None, at, packed_from))
            return False
        self.pieces.append(Piece(body, owner, at, packed_from))
        return True

    def reset(self) -> None:
        """See Sink."""
        self.give_back()
        self.received = 0
        self._short = False

    def give_back(self) -> None:
        """Return the buffers of all pieces to the pool."""
        for piece in self.pieces:
            if piece.owner is not None:
                self._pool.give(piece.owner)
        self.pieces = []


class BundleSink:
    """Waits for one BUNDLE record, or PACKED_BUNDLE where it may come, or a Failed answer."""

    def __init__(self, done: asyncio.Future[None], *, packed: bool = False) -> None:
        self.done = done
        self._packed = packed
        self.piece: Piece | None = None
        self.header_length = 0
        self.answer: Answer | None = None

    def on_record(self, kind: RecordKind, offset: int, body: memoryview, owner: RecordBuffer | None) -> bool:
        """See Sink."""
        kept = False
        if kind is RecordKind.BUNDLE or (kind is RecordKind.PACKED_BUNDLE and self._packed):
            packed_from = packed_size(body) if kind is RecordKind.PACKED_BUNDLE else 0
            self.header_length = offset
            self.piece = Piece(body if owner is not None else memoryview(bytes(body)), owner, 0, packed_from)
            kept = owner is not None
        elif kind is RecordKind.ANSWER:
            self.answer = decode_answer(body)
        else:
            raise ProtocolViolation(f"the other side answered with {kind.name} where BUNDLE was due")
        _finish(self.done)
        return kept

    def reset(self) -> None:
        """See Sink."""


def may_follow(received: int, at: int, *, short: bool, sparse: bool) -> bool:
    """Whether DATA may stand at place ``at`` of a stream of which ``received`` bytes have come.

    Args:
        short: the record before had fewer than DATA_RECORD_MIN bytes.
        sparse: the stream may leave out zeros, HOLE_MIN of them at least.
    """
    if at == received:
        return not short
    return sparse and at >= received + HOLE_MIN


def _finish(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


_PLAIN = {RecordKind.PACKED: RecordKind.DATA, RecordKind.PACKED_BUNDLE: RecordKind.BUNDLE}


class _StreamOrder:
    """What may follow a streamed request: DATA in order and END, or one BUNDLE; packed ones where it says so."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._start = request.offset if isinstance(request, Write) else 0
        self._sparse = isinstance(request, Write) and request.sparse
        self._received = 0
        self._short = False
        self._ended = not isinstance(request, STREAMED)
        self._gaps: deque[Gap] | None = None
        if isinstance(request, Write) and request.reused:
            gaps = gaps_of(request.length, request.reused)
            if gaps is None or request.sparse:
                raise ProtocolViolation("the other side asked for a block to be put together of what is none")
            self._gaps = deque(gaps)

    def check(self, kind: RecordKind, offset: int, size: int) -> None:
        """The next record, of so many bytes unpacked; raises ProtocolViolation where it may not come."""
        if self._ended:
            raise ProtocolViolation(f"the other side sent {kind.name} behind the end of a request")
        request = self._request
        packed = isinstance(request, Write | WriteBundle) and request.packing is not Packing.NEVER
        plain = _PLAIN.get(kind, kind) if packed else kind
        if not isinstance(request, Write | MeasureUp):
            self._ended = True
            if plain is not RecordKind.BUNDLE:
                raise ProtocolViolation(f"the other side sent {kind.name} where one BUNDLE was due")
        elif kind is RecordKind.END:
            self._ended = True
            if self._gaps:
                raise ProtocolViolation("the other side left out bytes of a write that it has to send")
            if self._gaps is not None:
                self._received = request.length
            if offset != request.length or (offset != self._received and not self._sparse):
                raise ProtocolViolation("the other side ended a write at a wrong length")
        elif plain is not RecordKind.DATA:
            raise ProtocolViolation(f"the other side sent {kind.name} inside a write")
        elif self._gaps is not None:
            self._check_gap(self._gaps, offset - self._start, size)
        else:
            at = offset - self._start
            if not size or not may_follow(self._received, at, short=self._short, sparse=self._sparse):
                raise ProtocolViolation("the other side sent bytes of a write out of place")
            if size > request.length - at:
                raise ProtocolViolation("the other side sent more bytes of a write than it announced")
            self._received = at + size
            self._short = size < DATA_RECORD_MIN

    def _check_gap(self, gaps: deque[Gap], at: int, size: int) -> None:
        """The next bytes between what is taken from an old version: each gap is filled in order and to its end."""
        if not gaps or not size or at != max(self._received, gaps[0][0]) or at + size > gaps[0][1]:
            raise ProtocolViolation("the other side sent bytes of a write out of place")
        self._received = at + size
        if self._received == gaps[0][1]:
            gaps.popleft()
        elif size < DATA_RECORD_MIN:
            raise ProtocolViolation("the other side sent bytes of a write in pieces that are too small")


class Incoming:
    """A request of the other side while it is being answered.

    Attributes:
        number: its request number.
        request: the message.
        link: the link it came on last; answers go there.
        tries: how often it was sent before, by what the other side says.
        held_bytes: memory that its records take until they are given back.

    Args:
        given: told of each buffer that is done with, and of how many bytes of memory are.
    """

    def __init__(
        self,
        number: int,
        request: Request,
        link: Link,
        given: Callable[[RecordBuffer | None, int], None],
        tries: int = 0,
    ) -> None:
        self.number = number
        self.tries = tries
        self.request = request
        self.link = link
        self.task: asyncio.Task[None] | None = None
        self.body_bytes = 0
        """Of the request, counted while it is worked on."""
        self.held_bytes = 0
        self._given = given
        self._order = _StreamOrder(request)
        self._records: deque[tuple[RecordKind, int, Piece]] = deque()
        self._arrived: asyncio.Event = asyncio.Event()
        self._lost: GimmalError | None = None

    def feed(self, kind: RecordKind, offset: int, body: memoryview, owner: RecordBuffer | None) -> bool:
        """A record of a streamed request came in; True if ``owner`` is kept.

        Raises:
            ProtocolViolation: this record may not come now, or the request takes none.
        """
        packed_from = packed_size(body) if kind in _PLAIN else 0
        self._order.check(kind, offset, packed_from or len(body))
        kept = owner is not None and len(body) >= KEPT_MIN
        if kept:
            piece = Piece(body, owner, 0, packed_from, BODY_MAX)
        else:
            piece = Piece(memoryview(bytes(body)), None, 0, packed_from, len(body) + PIECE_OVERHEAD)
        self.held_bytes += piece.memory
        self._records.append((kind, offset, piece))
        self._arrived.set()
        return kept

    def lose(self, cause: GimmalError) -> None:
        """No more records will come: ``records`` raises from now on."""
        self._lost = cause
        self._arrived.set()

    async def records(self) -> list[tuple[RecordKind, int, Piece]]:
        """The records that came since the last call; waits for at least one.

        Raises:
            GimmalError: the link was lost before the stream ended.
        """
        while not self._records:
            if self._lost is not None:
                raise again(self._lost)
            self._arrived.clear()
            await self._arrived.wait()
        records = list(self._records)
        self._records.clear()
        return records

    def give(self, piece: Piece) -> None:
        """Return a piece that is done with, and its buffer."""
        owner, size = piece.owner, piece.memory
        piece.owner, piece.memory = None, 0
        if size:
            self.held_bytes -= size
            self._given(owner, size)

    def drop_records(self) -> None:
        """Give back what nobody will read."""
        while self._records:
            self.give(self._records.popleft()[2])
