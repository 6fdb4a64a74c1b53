"""Linux calls that Python does not offer, each with the way round where the system has none.

Raises OSError as the calls of `os` do. But for `confinement.py` nothing else in gimmal calls Linux through ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
import sys

RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2

_FALLOC_KEEP_SIZE = 0x01
_FALLOC_PUNCH_HOLE = 0x02

_FICLONE = 0x40049409

_FUSE = 0x65735546
_STATFS_BYTES = 512  # more than any architecture's; the type comes first

_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_NO_SYMLINKS = 0x04
_RESOLVE_BENEATH = 0x08
_RESOLVE = _RESOLVE_BENEATH | _RESOLVE_NO_SYMLINKS | _RESOLVE_NO_MAGICLINKS
_OPENAT2 = 437  # the same number on every architecture but alpha
_OPEN_HOW = struct.Struct("=QQQ")

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _failure(name: bytes) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), os.fsdecode(name))


def rename_without_replacing(source: bytes, target: bytes, source_directory: int, target_directory: int) -> None:
    """Rename, or fail with EEXIST if anything has the target's name, links included.

    Where the file system has no such rename, a hard link does the same; where it has no hard links either, the
    target is looked for first, and a program of this computer that creates it in that instant loses.

    Args:
        source: one component below ``source_directory``.
        target: one component below ``target_directory``.
        source_directory: descriptor of the folder.
        target_directory: descriptor of the folder.
    """
    if _libc is not None and hasattr(_libc, "renameat2"):
        if not _libc.renameat2(source_directory, source, target_directory, target, RENAME_NOREPLACE):
            return
        error = _failure(target)
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise error
    try:
        os.link(
            source,
            target,
            src_dir_fd=source_directory,
            dst_dir_fd=target_directory,
            follow_symlinks=False,
        )
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
    else:
        os.unlink(source, dir_fd=source_directory)
        return
    try:
        os.stat(target, dir_fd=target_directory, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_directory, dst_dir_fd=target_directory)
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), os.fsdecode(target))


def exchange_names(one: bytes, other: bytes, directory: int) -> bool:
    """Let two entries of a folder change their names, in one step; False where the file system has no such call.

    Args:
        one, other: components below ``directory``.
        directory: descriptor of the folder.
    """
    if _libc is None or not hasattr(_libc, "renameat2"):
        return False
    if not _libc.renameat2(directory, one, directory, other, _RENAME_EXCHANGE):
        return True
    error = _failure(other)
    if error.errno in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
        return False
    raise error


def sync_file_system(descriptor: int) -> bool:
    """Make everything written to the file system of ``descriptor`` durable; False where there is no such call.

    A file system in a program of its own (FUSE) is not told of it, and then nothing would have become durable: False.
    """
    if _libc is None or not hasattr(_libc, "syncfs") or file_system_type(descriptor) == _FUSE:
        return False
    if _libc.syncfs(descriptor):
        raise _failure(b"")
    return True


def file_system_type(descriptor: int) -> int:
    """The number by which Linux knows the kind of file system; 0 elsewhere."""
    if _libc is None:
        return 0
    about = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.fstatfs(descriptor, about):
        raise _failure(b"")
    return ctypes.c_long.from_buffer(about).value & 0xFFFFFFFF


def punch_hole(descriptor: int, offset: int, length: int) -> bool:
    """Make a stretch of a file a hole, its size unchanged; False where the file system has no holes."""
    if _libc is None or not hasattr(_libc, "fallocate64"):
        return False
    how = ctypes.c_int(_FALLOC_KEEP_SIZE | _FALLOC_PUNCH_HOLE)
    if not _libc.fallocate64(descriptor, how, ctypes.c_int64(offset), ctypes.c_int64(length)):
        return True
    error = _failure(b"")
    if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
        return False
    raise error


def open_beneath(directory: int, path: bytes, flags: int) -> int:
    """Open a relative path without leaving ``directory`` and without following any link (openat2).

    Raises:
        OSError: ENOSYS where the kernel has no such call, EXDEV or ELOOP where the path leads out or to a link.
    """
    if _libc is None or platform.machine() == "alpha":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, 0, _RESOLVE)
    descriptor: int = _libc.syscall(
        ctypes.c_long(_OPENAT2),
        ctypes.c_int(directory),
        ctypes.c_char_p(path),
        ctypes.c_char_p(how),
        ctypes.c_size_t(_OPEN_HOW.size),
    )
    if descriptor < 0:
        raise _failure(path)
    return descriptor


def open_inotify() -> int:
    """A descriptor from which changes of files can be read without waiting.

    Raises:
        OSError: ENOSYS where there is no such call, EMFILE where this user has too many.
    """
    if _libc is None or not hasattr(_libc, "inotify_init1"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    descriptor: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise _failure(b"")
    return descriptor


def add_inotify_watch(inotify: int, descriptor: int, mask: int) -> int:
    """Watch the file that a descriptor stands for; returns the number that its events bear.

    Raises:
        OSError: ENOSPC where this user has no more watches.
    """
    assert _libc is not None
    watch: int = _libc.inotify_add_watch(inotify, b"/proc/self/fd/%d" % descriptor, ctypes.c_uint32(mask))
    if watch < 0:
        raise _failure(b"")
    return watch


def remove_inotify_watch(inotify: int, watch: int) -> None:
    """Watch no more; one that is gone already is none."""
    assert _libc is not None
    _libc.inotify_rm_watch(inotify, watch)


def clone_file(source: int, target: int) -> bool:
    """Let a file share all bytes of another; False where the file system cannot, or they lie on different ones.

    Args:
        source: descriptor opened for reading.
        target: descriptor opened for writing; what the file held is gone.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
        # Each file system has its own way to say that it has no such call.
        return False
    return True
