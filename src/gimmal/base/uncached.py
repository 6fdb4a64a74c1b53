"""Reading a file from its disk and not from memory, as far as the file system allows it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import time

CHUNK = 1 << 20
"""Most bytes of one read."""

_ALIGNED = 4096
"""What offsets and lengths must be multiples of to get past the page cache, on any disk."""

_REFUSED = frozenset((errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP))


class UncachedFile:
    """A file that is read from its disk. For one thread at a time.

    It is read past the page cache (O_DIRECT); what the cache holds that is not on the disk yet is written there first.
    Where the file system has no such way, the system is asked to write and then to forget what it holds of the
    file, which it does for all that no program has mapped.

    Args:
        descriptor: the file, opened for reading; it stays the caller's, and stays uncached.

    Raises:
        OSError: the disk failed to write what was waiting.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Anonymous memory is aligned as reading past the cache demands.
        self._buffer = memoryview(mmap.mmap(-1, CHUNK))
        self.nanoseconds = 0
        """What reading has taken so far."""
        self.direct = self._set_direct(wanted=True)
        """Whether it is read past the page cache."""
        if not self.direct:
            self._forget()

    def read(self, offset: int, length: int) -> memoryview:
        """Bytes of the file, good until the next call: at most CHUNK, fewer where the file ends.

        Args:
            offset: a multiple of 4,096.
            length: bytes wanted.

        Raises:
            OSError: the disk failed.
        """
        length = min(length, CHUNK)
        began = time.perf_counter_ns()
        try:
            got = self._read(offset, length)
        finally:
            self.nanoseconds += time.perf_counter_ns() - began
        return self._buffer[: min(got, length)]

    def _read(self, offset: int, length: int) -> int:
        got = 0
        while got < length:
            if self.direct and got % _ALIGNED:
                break  # only the end of a file makes a read past the cache short
            want = -(-length // _ALIGNED) * _ALIGNED if self.direct else length
            try:
                count = os.preadv(self._descriptor, [self._buffer[got:want]], offset + got)
            except OSError as error:
                if not self.direct or error.errno not in _REFUSED:
                    raise
                self.direct = self._set_direct(wanted=False)
                self._forget()
                continue
            if not count:
                break
            got += count
        return got

    def _set_direct(self, *, wanted: bool) -> bool:
        flag = getattr(os, "O_DIRECT", 0)
        try:
            flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL)
            fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags | flag if wanted else flags & ~flag)
        except OSError:
            return False
        return wanted and bool(flag)

    def _forget(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            if error.errno not in (*_REFUSED, errno.EROFS):  # nothing waits for a disk that is not written to
                raise
        with contextlib.suppress(OSError, AttributeError):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
