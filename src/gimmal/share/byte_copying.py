"""Bytes copied from one file to another on this side, by the system where it can."""

from __future__ import annotations

import errno
import os

from gimmal.protocol.codes import Code
from gimmal.share.refused import RefusedError

_AT_ONCE = 64 << 20
_BUFFER = 1 << 20
_NO_SUCH_CALL = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF)


def copy_bytes(reading: int, writing: int, start: int, size: int) -> None:
    """Copy the bytes of a file from ``start`` up to ``size`` to the same place of another.

    Args:
        reading, writing: descriptors.
        start: place of the first byte.
        size: place behind the last.

    Raises:
        RefusedError: CHANGED, the file is shorter.
        OSError: the disk failed.
    """
    done = start
    in_kernel = True
    while done < size:
        if in_kernel:
            try:
                count = os.copy_file_range(reading, writing, min(_AT_ONCE, size - done), done, done)
            except OSError as error:
                if error.errno not in _NO_SUCH_CALL:
                    raise
                in_kernel = False
                continue
            if not count:
                in_kernel = False  # some file systems copy nothing this way and say so by zero
                continue
        else:
            block = os.pread(reading, min(_BUFFER, size - done), done)
            if not block:
                raise RefusedError(Code.CHANGED)
            count = os.pwrite(writing, block, done)
        done += count
