"""Whether a half is still there (design section 10): the same file, on a device that still answers."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import stat
from pathlib import Path

from gimmal.base.errors import HalfGone
from gimmal.half.places import HALF_FILE, MARK_FILE

_BLOCK = 4096


class Presence:
    """Remembers which folder and file a half is, and tells whether they are still there.

    Keeps nothing on the stick open, so that it can be ejected. The check makes a few system calls and reads one
    block past the page cache where the file system allows; a failing device may hold it for seconds, so call it
    from a worker thread.
    """

    def __init__(self, location: Path) -> None:
        """Remember the half in the folder ``GIMMAL``.

        Raises:
            HalfGone: it is not there already.
        """
        self._folder = os.fspath(location)
        self._file = os.fspath(location / HALF_FILE)
        self._mark = os.fspath(location / MARK_FILE)
        self._direct = getattr(os, "O_DIRECT", 0)
        # Anonymous memory is aligned as reading past the cache demands.
        self._aligned = mmap.mmap(-1, _BLOCK)
        try:
            self._folder_identity = self._identity(self._folder)
            self._file_identity = self._identity(self._file)
            self._block = self._read_block()
        except OSError as error:
            raise HalfGone("the half was pulled out", "plug it in again") from error

    def present(self) -> bool:
        """Whether path, device and content are those remembered. Never raises."""
        try:
            return (
                self._identity(self._folder) == self._folder_identity
                and self._identity(self._file) == self._file_identity
                and not self._is_marked()
                and self._read_block() == self._block
            )
        except OSError:
            return False

    def _is_marked(self) -> bool:
        try:
            os.lstat(self._mark)
        except FileNotFoundError:
            return False
        return True

    @staticmethod
    def _identity(path: str) -> tuple[int, int]:
        status = os.lstat(path)
        return status.st_dev, status.st_ino

    def _read_block(self) -> bytes:
        if self._direct:
            try:
                return self._read_direct()
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOTSUP):
                    raise
                self._direct = 0
        descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            with contextlib.suppress(OSError, AttributeError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            return os.pread(descriptor, _BLOCK, 0)
        finally:
            os.close(descriptor)

    def _read_direct(self) -> bytes:
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | self._direct
        descriptor = os.open(self._file, flags)
        try:
            return self._aligned[: os.preadv(descriptor, [self._aligned], 0)]
        finally:
            os.close(descriptor)
