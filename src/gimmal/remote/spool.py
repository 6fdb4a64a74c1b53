"""Bytes that are to become a file of the other side: gathered from the first to the last, then read."""

from __future__ import annotations

import os
import tempfile
from typing import BinaryIO, cast

from gimmal.base.errors import LocalError
from gimmal.base.primitives import TAG_SIZE, Aead, random_bytes
from gimmal.protocol.limits import BLOCK_SIZE

BLOCKS_IN_MEMORY = 4
"""Blocks of one file that are held in memory; what is more goes, sealed, to a file without a name."""

_SEALED = BLOCK_SIZE + TAG_SIZE


class Spool:
    """Whole bytes of one file before they travel. Not for two threads at once; every method may block on the disk.

    What does not fit in memory lies in the system's folder for temporary files, in a file that has no name there and
    that nobody can read: it is sealed with a key that is in memory only.

    ``close`` forgets everything.
    """

    def __init__(self) -> None:
        self.size = 0
        """Bytes gathered so far."""
        self._tail = bytearray()
        self._memory: list[bytes] = []
        self._file: BinaryIO | None = None
        self._sealed = 0
        self._cipher = Aead(random_bytes(32))

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes.

        Raises:
            LocalError: the disk of this computer does not take them.
        """
        self.size += len(data)
        self._tail += data
        while len(self._tail) >= BLOCK_SIZE:
            block = bytes(memoryview(self._tail)[:BLOCK_SIZE])
            if len(self._memory) < BLOCKS_IN_MEMORY:
                self._memory.append(block)
            else:
                self._seal(block)
            del self._tail[:BLOCK_SIZE]

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of it, fewer only where it ends.

        Raises:
            LocalError: the disk of this computer does not give them back.
        """
        pieces = []
        end = min(offset + length, self.size)
        while offset < end:
            index, at = divmod(offset, BLOCK_SIZE)
            pieces.append(memoryview(self._block(index))[at : at + end - offset])
            offset += len(pieces[-1])
        return b"".join(pieces)

    def _block(self, index: int) -> bytes | bytearray:
        if index < len(self._memory):
            return self._memory[index]
        sealed = index - len(self._memory)
        if sealed < self._sealed:
            assert self._file is not None
            try:
                data = os.pread(self._file.fileno(), _SEALED, sealed * _SEALED)
            except OSError as exc:
                raise _refused(exc) from exc
            return self._cipher.open(_nonce(sealed), data, b"")
        return self._tail

    def close(self) -> None:
        """Forget the bytes."""
        self._tail = bytearray()
        self._memory = []
        if self._file is not None:
            self._file.close()
            self._file = None

    def _seal(self, block: bytes) -> None:
        try:
            if self._file is None:
                self._file = cast(BinaryIO, tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - close() does
            sealed = self._cipher.seal(_nonce(self._sealed), block, b"")
            written = 0
            while written < len(sealed):
                at = self._sealed * _SEALED + written
                written += os.pwrite(self._file.fileno(), memoryview(sealed)[written:], at)
        except OSError as exc:
            raise _refused(exc) from exc
        self._sealed += 1


def _nonce(number: int) -> bytes:
    # Each block is sealed once, under a key of this spool alone.
    return number.to_bytes(12, "big")


def _refused(error: OSError) -> LocalError:
    return LocalError(
        f"what is to be written cannot be kept on this computer: {error.strerror}",
        "make room where temporary files go, or name another place in TMPDIR",
    )
