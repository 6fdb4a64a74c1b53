"""The one table from our errors to the numbers that programs know: for front ends that answer system calls."""

from __future__ import annotations

import errno

from gimmal.base.errors import (
    BadName,
    DeadlinePassed,
    GimmalError,
    HalfError,
    LocalError,
    RemoteError,
    UnreachableError,
    UsageError,
)
from gimmal.protocol.codes import Code

_OF_CODE = {
    Code.FAILED: errno.EIO,
    Code.UNSUPPORTED: errno.EOPNOTSUPP,
    Code.NOT_FOUND: errno.ENOENT,
    Code.EXISTS: errno.EEXIST,
    Code.NOT_A_DIRECTORY: errno.ENOTDIR,
    Code.IS_A_DIRECTORY: errno.EISDIR,
    Code.NOT_EMPTY: errno.ENOTEMPTY,
    Code.NOT_GRANTED: errno.EACCES,
    Code.DENIED: errno.EACCES,
    Code.BAD_NAME: errno.EINVAL,
    Code.LINK_REFUSED: errno.ELOOP,
    Code.SPECIAL_FILE: errno.ENXIO,
    Code.NO_SPACE: errno.ENOSPC,
    Code.TOO_LARGE: errno.EFBIG,
    Code.CHANGED: errno.ESTALE,
    Code.CORRUPT: errno.EIO,
    Code.LIMIT: errno.EBUSY,
    Code.UNKNOWN_CURSOR: errno.EIO,
    Code.UNKNOWN_PART: errno.EIO,
    Code.INPUT_OUTPUT: errno.EIO,
    Code.READ_ONLY: errno.EROFS,
    Code.COLLISION: errno.EEXIST,
    Code.CROSS_DEVICE: errno.EXDEV,
    Code.INVALID: errno.EINVAL,
    Code.NAME_TOO_LONG: errno.ENAMETOOLONG,
    Code.NOT_STORED: errno.EOPNOTSUPP,
}

_OF_NAME = {code.name.lower(): number for code, number in _OF_CODE.items()}

_OF_CLASS: tuple[tuple[type[GimmalError], int], ...] = (
    (DeadlinePassed, errno.ETIMEDOUT),
    (UnreachableError, errno.EHOSTUNREACH),
    (HalfError, errno.ENODEV),
    (BadName, errno.EINVAL),
    (UsageError, errno.EINVAL),
)


def errno_of(error: GimmalError) -> int:
    """The number for an error; EIO for what no number says better.

    Args:
        error: of a call of ``EditedTree``, ``OpenFile``, ``TreeView`` or ``FileCache``.
    """
    if isinstance(error, RemoteError):
        return _OF_NAME.get(error.code, errno.EIO)
    if isinstance(error, LocalError) and isinstance(error.__cause__, OSError):
        return error.__cause__.errno or errno.EIO
    return next((number for kind, number in _OF_CLASS if isinstance(error, kind)), errno.EIO)
