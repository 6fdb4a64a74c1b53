"""The one module that writes files which must not be lost.

Every function returns only when what it did is durable (the data synced, and the folder entry with it),
or raises LocalError. What a cut leaves behind is said at each function. All calls go through
`gimmal.base.disk`.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from gimmal.base.disk import disk
from gimmal.base.display import displayable
from gimmal.base.errors import LocalError

_OVERWRITE_CHUNK = 64 * 1024
_OVERWRITE_LIMIT = 16 * 1024 * 1024
_counter = itertools.count()

_HINTS = {
    errno.ENOSPC: "free some space on that disk and run the command again",
    errno.EDQUOT: "free some space on that disk and run the command again",
    errno.EROFS: "the disk is read-only: unlock it or mount it for writing",
    errno.EACCES: "check who owns the folder and its permissions",
    errno.EPERM: "check who owns the folder and its permissions",
    errno.EIO: "the disk reported a fault: plug it in again, or use another one",
    errno.ENODEV: "plug the disk in again",
}


class FileMissingError(LocalError):
    """There is nothing under that name."""


class FileUnsuitableError(LocalError):
    """What is there is no regular file, or larger than allowed."""


@contextlib.contextmanager
def local_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError inside the block into a LocalError that says what was being done.

    Args:
        doing: what was tried, for instance ``write``; it follows the words "cannot".
        path: the file or folder concerned.
    """
    try:
        yield
    except OSError as error:
        kind = FileMissingError if error.errno in (errno.ENOENT, errno.ENOTDIR) else LocalError
        reason = (error.strerror or type(error).__name__).lower()
        raise kind(
            f"cannot {doing} {displayable(os.fspath(path))}: {reason}",
            _HINTS.get(error.errno or 0, "check the disk and the folder, then run the command again"),
        ) from error


def exists(path: Path) -> bool:
    """Whether an entry of that name is there (a link counts as itself); LocalError if it cannot be told."""
    try:
        with local_errors("look at", path):
            disk().lstat(os.fspath(path))
    except FileMissingError:
        return False
    return True


def is_directory(path: Path) -> bool:
    """Whether a real folder (no link) is there."""
    try:
        with local_errors("look at", path):
            return stat.S_ISDIR(disk().lstat(os.fspath(path)).st_mode)
    except FileMissingError:
        return False


def read_limited(path: Path, limit: int) -> bytes:
    """Read a whole regular file of at most ``limit`` bytes.

    Never follows a link, never waits on a FIFO or device, and never holds more than ``limit`` + 1 bytes.

    Raises:
        FileMissingError: nothing is there.
        FileUnsuitableError: a link, no regular file, or larger than ``limit``.
        LocalError: it cannot be read.
    """
    system = disk()
    with local_errors("read", path):
        try:
            descriptor = system.open(os.fspath(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise FileUnsuitableError(
                    f"{displayable(os.fspath(path))} is not a regular file", "look at what was put there"
                ) from error
            raise
        try:
            status = system.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FileUnsuitableError(
                    f"{displayable(os.fspath(path))} is not a regular file", "look at what was put there"
                )
            return _read_up_to(path, descriptor, status.st_size, limit)
        finally:
            system.close(descriptor)


def _read_up_to(path: Path, descriptor: int, size: int, limit: int) -> bytes:
    if size <= limit:
        parts = bytearray()
        while len(parts) <= limit:
            part = disk().pread(descriptor, min(_OVERWRITE_CHUNK, limit + 1 - len(parts)), len(parts))
            if not part:
                return bytes(parts)
            parts += part
    raise FileUnsuitableError(
        f"{displayable(os.fspath(path))} is larger than the {limit} bytes allowed",
        "it was not written by gimmal",
    )


def fsync_directory(path: Path) -> None:
    """Make the entries of a folder durable (created, renamed and removed names)."""
    system = disk()
    with local_errors("sync", path):
        descriptor = system.open(os.fspath(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            system.fsync(descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
                raise
            # Some file systems cannot sync a folder by itself; then everything is synced.
            system.sync()
        finally:
            system.close(descriptor)


def make_directory(path: Path, mode: int = 0o700) -> None:
    """Make a folder (its parent must exist); no error if a real folder is there already."""
    with local_errors("make the folder", path):
        try:
            disk().mkdir(os.fspath(path), mode)
        except FileExistsError:
            if not stat.S_ISDIR(disk().lstat(os.fspath(path)).st_mode):
                raise
    # Also when it was there: whoever made it may have been killed before this.
    fsync_directory(path.parent)


def sync_file(path: Path) -> None:
    """Make durable what another program wrote to a regular file; no error if it is not there."""
    system = disk()
    with local_errors("sync", path):
        try:
            descriptor = system.open(os.fspath(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return
        try:
            system.fsync(descriptor)
        finally:
            system.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    offset = 0
    while offset < len(view):
        written = disk().pwrite(descriptor, view[offset:], offset)
        if written <= 0:
            raise OSError(errno.EIO, "nothing was written")
        offset += written


def write_new_durably(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file that must not exist yet.

    A cut leaves no file, or one with any part of the data; only after the return is it whole. A failure
    removes what was begun.

    Raises:
        LocalError: it exists, or cannot be written.
    """
    system = disk()
    with local_errors("write", path):
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = system.open(os.fspath(path), flags, mode)
        try:
            try:
                _write_all(descriptor, data)
                system.fsync(descriptor)
            finally:
                system.close(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                system.unlink(os.fspath(path))
            raise
    fsync_directory(path.parent)


def write_atomic(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace or create a file so that a cut leaves the old content or the new one, never a mix.

    For the computer's own disk: it relies on rename over an existing name, which FAT does not promise. A
    half uses `overwrite_in_place` under a mark instead (docs/spec/half.md, section 8). Of concurrent writers
    one wins whole.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{next(_counter)}.new")
    with contextlib.suppress(OSError):
        # Left by a process of the same number that was killed here.
        disk().unlink(os.fspath(temporary))
    write_new_durably(temporary, data, mode)
    with local_errors("write", path):
        try:
            disk().rename(os.fspath(temporary), os.fspath(path))
        except OSError:
            with contextlib.suppress(OSError):
                disk().unlink(os.fspath(temporary))
            raise
    fsync_directory(path.parent)


def overwrite_in_place(path: Path, data: bytes) -> None:
    """Write ``data`` over the same blocks of an existing regular file and cut it to that length.

    Needs no free space for what fits the old length, and no rename. A cut leaves any mix of old and new: the
    caller holds a durable mark that says so, or another whole copy.
    """
    system = disk()
    with local_errors("write", path):
        descriptor = system.open(os.fspath(path), os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(system.fstat(descriptor).st_mode):
                raise FileUnsuitableError(
                    f"{displayable(os.fspath(path))} is not a regular file", "look at what was put there"
                )
            _write_all(descriptor, data)
            system.truncate(descriptor, len(data))
            system.fsync(descriptor)
        finally:
            system.close(descriptor)
    fsync_directory(path.parent)


def remove_durably(path: Path) -> None:
    """Remove a file; no error if it is not there.

    A cut leaves it or not; after the return it stays away, also when another program removed it unsynced.
    """
    with local_errors("remove", path), contextlib.suppress(FileNotFoundError):
        disk().unlink(os.fspath(path))
    fsync_directory(path.parent)


def overwrite_and_remove(path: Path) -> bool:
    """Overwrite a file with zeros, sync, and remove it: best effort, flash memory may keep old cells.

    Returns:
        True when nothing of that name is left; False when it could not be removed. Never raises for the disk.
    """
    with contextlib.suppress(LocalError):
        overwrite_with_zeros(path)
    try:
        remove_durably(path)
    except LocalError:
        # A read-only disk refuses to remove what is not there, too.
        with contextlib.suppress(LocalError):
            return not exists(path)
        return False
    return True


def overwrite_with_zeros(path: Path) -> None:
    """Overwrite a regular file's bytes with zeros, keeping its length, and sync."""
    system = disk()
    with local_errors("overwrite", path):
        descriptor = system.open(os.fspath(path), os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            status = system.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return
            _write_all(descriptor, bytes(min(status.st_size, _OVERWRITE_LIMIT)))
            system.fsync(descriptor)
        finally:
            system.close(descriptor)


def restrict_directory(path: Path) -> None:
    """Best effort: let only the owner into the folder, where the file system has permissions."""
    system = disk()
    with contextlib.suppress(OSError):
        descriptor = system.open(os.fspath(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if system.fstat(descriptor).st_mode & 0o077:
                system.fchmod(descriptor, 0o700)
        finally:
            system.close(descriptor)
