"""An append-only file of sealed records: noise to whoever lacks the key, cut short by a crash at worst.

::

    record = length (4, masked) | nonce (12) | ciphertext | tag (16)

The associated data binds each record to a label, the journal's identity, the first record's nonce and its own
place, so that records cannot be moved, repeated, or carried over from an older file of that name. Whatever
follows the first record that is torn or altered is ignored, and cut off before the next is appended.

One owner at a time: the caller sees to that. Failures of the disk are OSError.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TypeAlias

from gimmal.base.errors import AuthenticationFailed
from gimmal.base.primitives import (
    NONCE_SIZE,
    TAG_SIZE,
    hmac_sha256,
    open_at_rest,
    random_bytes,
    seal_at_rest,
)

RECORD_BYTES_MAX = 64 * 1024
"""Bytes of one record."""

JOURNAL_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of one journal file; what lies beyond is not read, and nothing is appended there."""

_LABEL = b"gimmal journal v1"
_LENGTH_SIZE = 4
_OVERHEAD = NONCE_SIZE + TAG_SIZE


Mark: TypeAlias = tuple[int, int, bytes]
"""An end of a journal: bytes, records, the first one's nonce."""


class JournalFullError(OSError):
    """A journal reached JOURNAL_BYTES_MAX."""


class SealedJournal:
    """An open journal; make one with `open`.

    Safe for one thread at a time. Close it, or remove it, when done.
    """

    def __init__(self, path: Path, descriptor: int, key: bytes, identity: bytes) -> None:
        self._path = path
        self._descriptor = descriptor
        self._key = key
        self._prefix = b"|".join((_LABEL, len(identity).to_bytes(4, "big"), identity))
        self._first_nonce = b""
        self._end = 0
        self._count = 0
        self._measured = False
        self._trimmed = False
        self._failed = False

    def __repr__(self) -> str:
        return f"SealedJournal({self._count} records)"

    @classmethod
    def open_to_read(cls, path: Path, key: bytes, identity: bytes) -> Self:
        """Open a journal that is there, also one that another program appends to; nothing may be appended.

        Args:
            path, key, identity: as in `open`.

        Raises:
            OSError: the disk refuses, nothing is there, or a link or something other than a file has that name.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return cls(path, _open_regular(path, flags), key, identity)

    @classmethod
    def open(cls, path: Path, key: bytes, identity: bytes) -> Self:
        """Open a journal, or begin one.

        Args:
            path: the file; its name tells nothing only if the caller chose it so. Its folder is made with mode
                0700 where it is missing, the file with 0600.
            key: 32 bytes that seal this kind of journal.
            identity: what the journal is about; one opened under another identity reads as empty.

        Raises:
            OSError: the disk refuses, or a link or something other than a file has that name.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return cls(path, _open_regular(path, flags), key, identity)

    def records(self) -> Iterator[bytes]:
        """Every whole record from the first, in order; reads on while it is consumed."""
        place = 0
        sequence = 0
        first_nonce = b""
        while True:
            found = self._read(place, sequence, first_nonce)
            if found is None:
                break
            data, first_nonce, place = found
            sequence += 1
            yield data
        if not self._measured:
            self._end, self._count, self._first_nonce, self._measured = place, sequence, first_nonce, True

    @property
    def size(self) -> int:
        """Bytes of its whole records, once they were read or one was appended."""
        return self._end

    def torn(self) -> bool:
        """Whether something follows the last whole record; it goes when the next is appended.

        Raises:
            OSError: the disk refuses.
        """
        for _ in () if self._measured else self.records():
            pass
        return os.fstat(self._descriptor).st_size != self._end

    def damaged(self) -> bool:
        """Whether what follows the last whole record is more than one that a crash cut short.

        Raises:
            OSError: the disk refuses.
        """
        if not self.torn():
            return False
        tail = _pread(self._descriptor, 2 * (_LENGTH_SIZE + _OVERHEAD + RECORD_BYTES_MAX), self._end)
        if len(tail) < _LENGTH_SIZE:
            return False
        size = int.from_bytes(self._masked(tail[:_LENGTH_SIZE], self._count), "big")
        if not _OVERHEAD <= size <= _OVERHEAD + RECORD_BYTES_MAX or size <= len(tail) - _LENGTH_SIZE:
            return True
        # It ends before its end. Or its length was altered: then it is sound to the last byte, or another follows.
        first_nonce = self._first_nonce or tail[_LENGTH_SIZE : _LENGTH_SIZE + NONCE_SIZE]
        if self._opened(tail[_LENGTH_SIZE:], self._count, first_nonce) is not None:
            return True
        mask = int.from_bytes(self._masked(bytes(_LENGTH_SIZE), self._count + 1), "big")
        for begin in range(2 * _LENGTH_SIZE + _OVERHEAD, len(tail) - _OVERHEAD + 1):
            size = int.from_bytes(tail[begin - _LENGTH_SIZE : begin], "big") ^ mask
            if not _OVERHEAD <= size <= len(tail) - begin:
                continue
            if self._opened(tail[begin : begin + size], self._count + 1, first_nonce) is not None:
                return True
        return False

    def trim(self) -> None:
        """Cut off what follows the last whole record, as the next append would; OSError."""
        self._trim()

    def append(self, data: bytes, *, durable: bool = False) -> None:
        """Add a record.

        Args:
            data: at most RECORD_BYTES_MAX bytes.
            durable: return only when it would survive a power cut.

        Raises:
            OSError: the disk refuses; the journal then still ends with the record before. Where it could not write out
                what it had taken, it may have lost any of that and say so only once: nothing is appended any more.
            JournalFullError: the journal is as large as it may be.
        """
        self._require_sound()
        if len(data) > RECORD_BYTES_MAX:
            raise ValueError("a record is longer than a journal takes")
        self._trim()
        record_size = _LENGTH_SIZE + _OVERHEAD + len(data)
        if self._end + record_size > JOURNAL_BYTES_MAX:
            raise JournalFullError("a journal is full")
        nonce = random_bytes(NONCE_SIZE)
        first_nonce = self._first_nonce or nonce
        sealed = seal_at_rest(self._key, data, self._associated(self._count, first_nonce), nonce)
        record = self._masked(len(sealed).to_bytes(_LENGTH_SIZE, "big"), self._count) + sealed
        try:
            self._write(record)
            if durable:
                self.sync()
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise
        self._end += record_size
        self._count += 1
        self._first_nonce = first_nonce

    def mark(self) -> Mark:
        """Where it ends now; OSError."""
        self._trim()
        return self._end, self._count, self._first_nonce

    def cut_back(self, mark: Mark) -> None:
        """Take back what was appended since; OSError."""
        self._end, self._count, self._first_nonce = mark
        os.ftruncate(self._descriptor, self._end)

    def sync(self) -> None:
        """Return only when all that was appended would survive a power cut; OSError as for `append`."""
        self._require_sound()
        try:
            os.fdatasync(self._descriptor)
        except OSError:
            self._failed = True
            raise

    @property
    def failed(self) -> bool:
        """Whether nothing is appended any more, because the disk could not write out what it had taken."""
        return self._failed

    def _require_sound(self) -> None:
        if self._failed:
            raise OSError(errno.EIO, "the disk has lost what was written before")

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Remove the file and let go of it; nothing happens where it is gone already."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _trim(self) -> None:
        if self._trimmed:
            return
        for _ in self.records():
            pass
        # A bad tail goes before anything is added: sound records behind a bad one must not come back to life.
        if os.fstat(self._descriptor).st_size != self._end:
            os.ftruncate(self._descriptor, self._end)
        self._trimmed = True

    def _read(self, place: int, sequence: int, first_nonce: bytes) -> tuple[bytes, bytes, int] | None:
        masked = os.pread(self._descriptor, _LENGTH_SIZE, place)
        if len(masked) < _LENGTH_SIZE:
            return None
        size = int.from_bytes(self._masked(masked, sequence), "big")
        end = place + _LENGTH_SIZE + size
        if not _OVERHEAD <= size <= _OVERHEAD + RECORD_BYTES_MAX or end > JOURNAL_BYTES_MAX:
            return None
        sealed = os.pread(self._descriptor, size, place + _LENGTH_SIZE)
        if len(sealed) < size:
            return None
        first_nonce = first_nonce or sealed[:NONCE_SIZE]
        data = self._opened(sealed, sequence, first_nonce)
        return None if data is None else (data, first_nonce, end)

    def _opened(self, sealed: bytes, sequence: int, first_nonce: bytes) -> bytes | None:
        if len(sealed) < _OVERHEAD:
            return None
        try:
            return open_at_rest(self._key, sealed, self._associated(sequence, first_nonce))
        except AuthenticationFailed:
            return None

    def _write(self, record: bytes) -> None:
        view = memoryview(record)
        place = self._end
        while view:
            written = os.pwrite(self._descriptor, view, place)
            place += written
            view = view[written:]

    def _associated(self, sequence: int, first_nonce: bytes) -> bytes:
        return self._prefix + first_nonce + sequence.to_bytes(8, "big")

    def _masked(self, length: bytes, sequence: int) -> bytes:
        # Hides the sizes of the records; that they are true is for the tag to say.
        mask = hmac_sha256(self._key, self._prefix, b"|length|", sequence.to_bytes(8, "big"))
        return bytes(left ^ right for left, right in zip(length, mask, strict=False))


def _pread(descriptor: int, length: int, place: int) -> bytes:
    found = b""
    while len(found) < length and (more := os.pread(descriptor, length - len(found), place + len(found))):
        found += more
    return found


def _open_regular(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("a journal must be a regular file")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
