"""The queue as it lies on this computer: a sealed journal that is noise without the half (docs/decisions/0058).

Each record says the newest of one thing: a piece of an order, how a transfer stands, how far it has come, what failed,
that it is forgotten. What is read back is the last of each. A crash takes at most the record it cut. When more than
half of the journal is old, all that counts is written anew beside it and takes its place by rename.

One program at a time, by a lock of the kernel. All of it may block on the disk, and may be called from any thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from gimmal.agent.queue.advance import Advance, Failures
from gimmal.agent.queue.machine import Standing
from gimmal.agent.queue.messages import ORDER_BYTES_MAX
from gimmal.agent.queue.order import Order, decode_order, encode_order
from gimmal.base.errors import LocalError, ProtocolViolation
from gimmal.base.persistence import fsync_directory, local_errors
from gimmal.base.primitives import hmac_sha256
from gimmal.base.sealed_journal import SealedJournal

logger = logging.getLogger("gimmal.agent")

LIVE_BYTES_MAX = 32 * 1024 * 1024
"""Bytes of all that counts; beyond, nothing more is queued."""

REWRITE_BYTES = 1024 * 1024
"""A journal of fewer bytes is not written anew, however old its records are."""

_PIECE = 48 * 1024
"""Bytes of an order in one record."""

_IDENTITY = b"transfer queue"


class OrderPiece(Struct, frozen=True, tag="order"):
    """Some bytes of an order, in pieces of one record each."""

    number: int
    index: int
    count: Annotated[int, Meta(ge=1, le=ORDER_BYTES_MAX // _PIECE + 1)]
    data: bytes


class Forgotten(Struct, frozen=True, tag="forgotten"):
    """A transfer is no more."""

    number: int


class NextNumber(Struct, frozen=True, tag="next"):
    """No transfer gets a lower number any more."""

    number: int


Record = OrderPiece | Standing | Advance | Failures | Forgotten | NextNumber

RecordT = TypeVar("RecordT", OrderPiece, Standing, Advance, Failures)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


@dataclass
class Kept:
    """One transfer as it was read back."""

    order: Order
    standing: Standing
    advance: Advance
    failures: Failures


@dataclass
class _Live:
    """The newest records of one transfer, by kind, as they are written."""

    pieces: dict[int, bytes] = field(default_factory=dict)
    newest: dict[type, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces.values())) + sum(map(len, self.newest.values()))


class QueueStore:
    """Keeps the queue of one half on this computer.

    Args:
        directory: where the sealed things of the lineage lie.
        key: 32 bytes from the half; all that is here is noise without it.
    """

    def __init__(self, directory: Path, key: bytes) -> None:
        # Keyed, so that the two halves of a pair have queues of their own on one computer.
        name = hmac_sha256(hmac_sha256(key, b"gimmal transfer queue v1 name"), b"queue")[:16].hex()
        self._seal_key = hmac_sha256(key, b"gimmal transfer queue v1 seal")
        self._folder = directory / "queue"
        self._path = self._folder / name
        self._lock = -1
        # A caller that is cancelled leaves its thread behind, still writing.
        self._one = threading.Lock()
        self._journal: SealedJournal | None = None
        self._live: dict[int, _Live] = {}
        self._next = 1
        self._bytes = 0

    def open(self) -> tuple[dict[int, Kept], int]:
        """Take the lock and read what is there: transfers by number, and the next number.

        Raises:
            LocalError: another program has the queue open, or the disk refuses.
        """
        with self._one, local_errors("open the transfer queue in", self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._lock = os.open(self._path.with_suffix(".lock"), flags, 0o600)
            try:
                self._take_lock()
                return self._read(), self._next
            except BaseException:
                self._close()
                raise

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(
                "another program uses the transfer queue of this half", "stop that `gimmal up` first"
            ) from None
        except OSError as error:
            # On a disk without locks there is the half's own lock, which holds for all but odd cases.
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
                raise

    def close(self) -> None:
        """Let go of it; what was appended stays."""
        with self._one:
            self._close()

    def _close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def append(self, records: Iterable[Record], *, durable: bool) -> None:
        """Keep what is new.

        Args:
            records: of which the last of each thing counts.
            durable: return only when they would survive a power cut.

        Raises:
            LocalError: the disk refuses; records before the one it refused may be kept.
        """
        encoded = [(record, _encoder.encode(record)) for record in records]
        with self._one:
            if self._journal is None:
                raise LocalError("the transfer queue is closed", "start `gimmal up` again")
            if self._journal.failed:
                self._rewrite()
            self._append(self._journal, encoded, durable=durable)
            if self._bytes > max(REWRITE_BYTES, 2 * self._live_bytes()):
                # Old records are no harm: it is tried again at the next one.
                with contextlib.suppress(LocalError):
                    self._rewrite()

    def _append(self, journal: SealedJournal, encoded: list[tuple[Record, bytes]], *, durable: bool) -> None:
        try:
            with local_errors("write to the transfer queue in", self._folder):
                for index, (record, data) in enumerate(encoded):
                    journal.append(data, durable=durable and index == len(encoded) - 1)
                    self._bytes += len(data)
                    self._note(record, data)
        except LocalError:
            self._drop_unfinished()
            raise

    def has_room(self, order: Order) -> bool:
        """Whether an order may be kept besides all there is."""
        return self._live_bytes() + len(encode_order(order)) <= LIVE_BYTES_MAX

    # Reading ---------------------------------------------------------------------------------------------------------

    def _read(self) -> dict[int, Kept]:
        new = not self._path.exists()
        self._journal = SealedJournal.open(self._path, self._seal_key, _IDENTITY)
        if new:
            fsync_directory(self._folder)
        unknown = 0
        count = 0
        for data in self._journal.records():
            count += 1
            self._bytes += len(data)
            try:
                record = _decoder.decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                unknown += 1
            else:
                self._note(record, data)
        if unknown:
            logger.warning("%d records of the transfer queue are of another version and were left out", unknown)
        if self._journal.torn():
            self._say_torn(count)
        return self._fold()

    def _say_torn(self, count: int) -> None:
        if count:
            logger.warning("the transfer queue ends in a record that was cut; what was before it goes on")
            return
        # Whatever it is, it is not ours to destroy.
        aside = self._path.with_suffix(".unreadable")
        assert self._journal is not None
        self._journal.close()
        os.replace(self._path, aside)
        self._journal = SealedJournal.open(self._path, self._seal_key, _IDENTITY)
        fsync_directory(self._folder)
        logger.warning("the transfer queue cannot be read and begins anew; what was there is kept as %s", aside.name)

    def _fold(self) -> dict[int, Kept]:
        kept: dict[int, Kept] = {}
        for number, live in list(self._live.items()):
            data = live.newest.get(Standing)
            order = self._order_of(live) if data is not None else None
            if data is None or order is None:
                # Its last record was never written: nobody was told of a number.
                del self._live[number]
                continue
            standing = _decode(data, Standing)
            advance = _decode(live.newest[Advance], Advance) if Advance in live.newest else Advance(number)
            failures = _decode(live.newest[Failures], Failures) if Failures in live.newest else Failures(number)
            kept[number] = Kept(order, standing, advance, failures)
        return kept

    def _order_of(self, live: _Live) -> Order | None:
        pieces = [_decode(live.pieces[index], OrderPiece) for index in sorted(live.pieces)]
        if not pieces or [piece.index for piece in pieces] != list(range(pieces[0].count)):
            return None
        try:
            return decode_order(b"".join(piece.data for piece in pieces))
        except ProtocolViolation:
            logger.warning("a transfer of the queue is of another version of gimmal and was left out")
            return None

    # Writing ---------------------------------------------------------------------------------------------------------

    def _note(self, record: Record, data: bytes) -> None:
        if isinstance(record, NextNumber):
            self._next = max(self._next, record.number)
            return
        self._next = max(self._next, record.number + 1)
        if isinstance(record, Forgotten):
            self._live.pop(record.number, None)
        elif isinstance(record, OrderPiece):
            if not record.index:
                # Pieces of the same number are of an order that could not be kept whole.
                self._live[record.number] = _Live()
            self._live.setdefault(record.number, _Live()).pieces[record.index] = data
        elif record.number in self._live:
            self._live[record.number].newest[type(record)] = data

    def _drop_unfinished(self) -> None:
        """Orders that were not kept whole count no longer; the next one of that number takes their place."""
        for number in [number for number, live in self._live.items() if Standing not in live.newest]:
            del self._live[number]

    def _live_bytes(self) -> int:
        return sum(live.size for live in self._live.values())

    def _rewrite(self) -> None:
        with local_errors("write the transfer queue in", self._folder):
            beside = self._path.with_suffix(".new")
            beside.unlink(missing_ok=True)
            journal = SealedJournal.open(beside, self._seal_key, _IDENTITY)
            try:
                for live in self._live.values():
                    for data in (*live.pieces.values(), *live.newest.values()):
                        journal.append(data)
                journal.append(_encoder.encode(NextNumber(self._next)), durable=True)
                os.replace(beside, self._path)
            except BaseException:
                journal.remove()
                raise
        assert self._journal is not None
        self._journal.close()
        self._journal = journal
        self._bytes = self._live_bytes()
        fsync_directory(self._folder)


def order_records(number: int, order: Order) -> list[Record]:
    """The records of an order.

    Raises:
        UsageError: it is too long.
    """
    data = encode_order(order)
    pieces = [data[start : start + _PIECE] for start in range(0, len(data), _PIECE)]
    return [OrderPiece(number, index, len(pieces), piece) for index, piece in enumerate(pieces)]


def _decode(data: bytes, kind: type[RecordT]) -> RecordT:
    """A record that was decoded, or encoded, here before."""
    record = _decoder.decode(data)
    assert isinstance(record, kind)
    return record
