"""Contents of files of the other side, sealed on a disk: noise to whoever lacks the half. Synchronous, for a thread.

A kept file is called by a keyed hash of path and version: another version is another file. It is a row of chunks::

    nonce (12) | ciphertext of 64 KiB, the last one's shorter | tag (16)

whose associated data are a label, the file's name, the length of its content, and the place of the chunk. It gets its
name when it is whole and durable.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import Callable
from pathlib import Path

from gimmal.base.errors import AuthenticationFailed, LocalError
from gimmal.base.persistence import fsync_directory, local_errors
from gimmal.base.primitives import (
    NONCE_SIZE,
    TAG_SIZE,
    hmac_sha256,
    open_at_rest,
    random_bytes,
    seal_at_rest,
)
from gimmal.protocol.messages import Version

CHUNK = 64 * 1024
_OVERHEAD = NONCE_SIZE + TAG_SIZE
_LABEL = b"gimmal pinned file v1"
_NAME = re.compile("[0-9a-f]{40}")
_UNFINISHED = ".part"


class KeptFiles:
    """Those in one folder.

    Args:
        folder: made when something is first kept.
        key: 32 bytes of the half.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self._name_key = hmac_sha256(key, b"name")
        self._key = hmac_sha256(key, b"content")
        self._last: tuple[str, int, bytes] = ("", 0, b"")
        """The chunk that was opened last: who reads here and there often reads on."""

    def name(self, path: str, version: Version) -> str:
        """What the kept file of a version is called."""
        numbers = b"%d %d %d " % (version.identity, version.size, version.mtime_ns)
        return hmac_sha256(self._name_key, numbers, path.encode())[:20].hex()

    def holds(self, path: str, version: Version) -> bool:
        """Whether this version is kept whole, as far as its length tells."""
        try:
            state = os.lstat(self.folder / self.name(path, version))
        except OSError:
            return False
        return stat.S_ISREG(state.st_mode) and state.st_size == sealed_size(version.size)

    def read(self, path: str, version: Version, offset: int, length: int) -> bytes | None:
        """Bytes of a version, as many as asked for; None where it is not kept, or was damaged: then it goes.

        Args:
            path, version: of the file.
            offset, length: bytes, within its size.
        """
        if not self.holds(path, version):
            return None
        name, pieces = self.name(path, version), []
        try:
            with open(self.folder / name, "rb", buffering=0, opener=_open_no_link) as file:
                for place in range(offset // CHUNK, (offset + length - 1) // CHUNK + 1):
                    pieces.append(self._chunk(file.fileno(), name, place, version.size))
        except (OSError, AuthenticationFailed):
            with contextlib.suppress(OSError):
                os.unlink(self.folder / name)
            return None
        start = offset % CHUNK
        return b"".join(pieces)[start : start + length]

    def _chunk(self, file: int, name: str, place: int, size: int) -> bytes:
        last_name, last_place, content = self._last
        if (last_name, last_place) == (name, place):
            return content
        length = min(CHUNK, size - place * CHUNK) + _OVERHEAD
        sealed = os.pread(file, length, place * (CHUNK + _OVERHEAD))
        content = open_at_rest(self._key, sealed, associated(name, size, place))
        self._last = (name, place, content)
        return content

    def begin(self, path: str, version: Version) -> KeptWriter:
        """Begin to keep a version.

        Raises:
            LocalError: the disk refuses.
        """
        with local_errors("make", self.folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
        name = self.name(path, version)

        def seal(place: int, content: bytes) -> bytes:
            return seal_at_rest(self._key, content, associated(name, version.size, place), random_bytes(NONCE_SIZE))

        return KeptWriter(self.folder / name, version.size, seal)

    def used(self) -> int:
        """Bytes of all that is kept."""
        return sum(size for _name, size in self._all())

    def free(self) -> int:
        """Bytes that the disk has left.

        Raises:
            LocalError: it does not say.
        """
        with local_errors("look at the room in", self.folder):
            state = os.statvfs(self.folder if self.folder.is_dir() else self.folder.parent)
        return state.f_bavail * (state.f_frsize or state.f_bsize)

    def keep_only(self, names: set[str]) -> None:
        """Remove all others, and what was not finished.

        Raises:
            LocalError: the disk refuses.
        """
        for name, _size in self._all():
            if name not in names:
                with local_errors("remove", self.folder / name), contextlib.suppress(FileNotFoundError):
                    os.unlink(self.folder / name)

    def _all(self) -> list[tuple[str, int]]:
        try:
            with os.scandir(self.folder) as scan:
                return [
                    (entry.name, entry.stat(follow_symlinks=False).st_size)
                    for entry in scan
                    if _NAME.fullmatch(entry.name.removesuffix(_UNFINISHED))
                ]
        except OSError:
            return []


class KeptWriter:
    """A file on its way to be kept: put its bytes in order, and finish it, or abandon it.

    Args:
        path: its name when it is whole.
        size: bytes of its content.
        seal: a chunk, given its place.
    """

    def __init__(self, path: Path, size: int, seal: Callable[[int, bytes], bytes]) -> None:
        self._path = path
        self._unfinished = path.with_name(path.name + _UNFINISHED)
        self._size = size
        self._seal = seal
        self._place = 0
        self._left = bytearray()
        self._came = 0
        # Who gives up does so while a thread may still write: to a number that would be another file's by then.
        self._turn = threading.Lock()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with local_errors("write", self._unfinished):
            self._file = os.open(self._unfinished, flags, 0o600)

    def put(self, content: bytes) -> None:
        """The next bytes.

        Raises:
            LocalError: the disk refuses.
        """
        with self._turn:
            self._left += content
            self._came += len(content)
            while len(self._left) >= CHUNK:
                self._write(bytes(self._left[:CHUNK]))
                del self._left[:CHUNK]

    def _write(self, content: bytes) -> None:
        sealed = memoryview(self._seal(self._place, content))
        self._place += 1
        with local_errors("write", self._unfinished):
            while sealed:
                sealed = sealed[os.write(self._file, sealed) :]

    def finish(self) -> None:
        """All bytes were put: it is kept from now on.

        Raises:
            LocalError: the disk refuses, or it is not whole.
        """
        with self._turn:
            if self._came != self._size:
                raise LocalError(f"{self._came} of {self._size} bytes came", "run the command again")
            if self._left:
                self._write(bytes(self._left))
                self._left.clear()
            with local_errors("write", self._unfinished):
                os.fsync(self._file)
                self._close()
                os.rename(self._unfinished, self._path)
        fsync_directory(self._path.parent)

    def abandon(self) -> None:
        """It is not kept."""
        with self._turn, contextlib.suppress(OSError):
            self._close()
            os.unlink(self._unfinished)

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


def sealed_size(size: int) -> int:
    """Bytes on the disk of a content of so many."""
    return size + -(-size // CHUNK) * _OVERHEAD


def associated(name: str, size: int, place: int) -> bytes:
    """What a chunk is bound to."""
    return b"|".join((_LABEL, name.encode("ascii"), size.to_bytes(8, "big"), place.to_bytes(8, "big")))


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
