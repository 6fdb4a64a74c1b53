"""Everything below one folder, and nothing else (docs/spec/names.md, section 6).

A `Root` holds a descriptor of a folder. Every path below it is a sequence of local names, walked one by one
from that descriptor with O_NOFOLLOW: no link is ever followed, no text is ever compared or joined, so no
renaming by another program leads outside. Only folders below are opened on the way; the last name is used
relative to its folder's descriptor. No descriptor below the root is kept between calls: a folder moved out of
the root would stay reachable through it.

Errors are OSError as the system gives them (ELOOP where a link stands in the way), and BadName for a name that
is no single entry.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self

from gimmal.base.display import displayable
from gimmal.base.errors import BadName
from gimmal.base.system_calls import open_beneath, rename_without_replacing

Names = Sequence[bytes]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSING = _FOLDER | getattr(os, "O_PATH", 0)
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CREATING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Root:
    """A folder, opened once, and the operations below it. Safe for use by several threads.

    Args:
        path: the folder; links on the way to it are followed, this is the one path the keeper chose.
        kernel_walk: leave the walk to openat2, where there is one, instead of going name by name.

    Raises:
        OSError: it is not there, is no folder, or may not be opened.
    """

    def __init__(self, path: str | os.PathLike[str], *, kernel_walk: bool = False) -> None:
        self._descriptor = os.open(
            os.fspath(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", 0)
        )
        self._kernel_walk = kernel_walk and _kernel_walks(self._descriptor)

    def renew(self, path: str | os.PathLike[str]) -> None:
        """Where the folder has been removed, take the one that was made under its path since; no link leads there.

        Whatever is under way goes on in the new folder: the old one held nothing, and never will.

        Args:
            path: where the folder was: absolute, every link in it resolved when it was chosen.
        """
        with contextlib.suppress(OSError):  # by a file system that forgot it
            if os.fstat(self._descriptor).st_nlink:
                return
        names = [name for name in os.fsencode(path).split(b"/") if name]
        with contextlib.suppress(OSError), Root("/") as top, top.directory(names, reading=False) as found:
            # In one step, and under the number that other threads hold.
            os.dup2(found, self._descriptor, inheritable=False)

    @property
    def kernel_walk(self) -> bool:
        """Whether openat2 does the walking."""
        return self._kernel_walk

    def close(self) -> None:
        """Let go of the folder; the root cannot be used any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open_directory(self, names: Names, *, reading: bool = True) -> int:
        """A new descriptor of a folder, for the caller to close; the root itself where ``names`` is empty.

        Args:
            names: the way below the root.
            reading: to be listed or synced; otherwise only to reach what is in it, which needs less permission.
        """
        for name in names:
            check_name(name)
        last = _FOLDER if reading else _PASSING
        if not names:
            return os.open(b".", last, dir_fd=self._descriptor)
        if self._kernel_walk:
            # EAGAIN: something above moved just then. ENOTDIR: perhaps a link. The walk tells.
            with contextlib.suppress(BlockingIOError, NotADirectoryError):
                return open_beneath(self._descriptor, b"/".join(names), last)
        current = self._descriptor
        try:
            for name in names[:-1]:
                below = _open_folder(name, _PASSING, current)
                if current != self._descriptor:
                    os.close(current)
                current = below
            return _open_folder(names[-1], last, current)
        finally:
            if current != self._descriptor:
                os.close(current)

    @contextlib.contextmanager
    def directory(self, names: Names, *, reading: bool = True) -> Iterator[int]:
        """As `open_directory`, closed at the end of the block."""
        descriptor = self.open_directory(names, reading=reading)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def parent(self, names: Names) -> Iterator[tuple[int, bytes]]:
        """Descriptor of the folder that holds the last name, and that name, for calls with ``dir_fd``.

        Raises:
            BadName: ``names`` is empty or holds what is no single entry.
        """
        if not names:
            raise BadName("the folder itself has no name here", "name something in it")
        check_name(names[-1])
        if len(names) == 1:
            yield self._descriptor, names[0]
            return
        with self.directory(names[:-1], reading=False) as descriptor:
            yield descriptor, names[-1]

    def stat(self, names: Names) -> os.stat_result:
        """State of an entry; a link is itself, never what it points to."""
        if not names:
            return os.fstat(self._descriptor)
        with self.parent(names) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def read_link(self, names: Names) -> bytes:
        """Where a symbolic link points, as it stands; never to be followed."""
        with self.parent(names) as (folder, name):
            return os.readlink(name, dir_fd=folder)

    def open_file(self, names: Names) -> tuple[int, os.stat_result]:
        """A regular file opened for reading, and its state; the caller closes it.

        Raises:
            NotAFileError: it is a folder, device, socket or pipe; none of them is waited for.
        """
        with self.parent(names) as (folder, name):
            return open_regular(name, folder)

    def create_file(self, names: Names, mode: int = 0o600) -> int:
        """A new file opened for reading and writing; EEXIST if anything has its name."""
        with self.parent(names) as (folder, name):
            return os.open(name, _CREATING, mode, dir_fd=folder)

    def make_directory(self, names: Names, mode: int = 0o777) -> None:
        """A new folder; ``mode`` is subject to the umask."""
        with self.parent(names) as (folder, name):
            os.mkdir(name, mode, dir_fd=folder)

    def unlink(self, names: Names) -> None:
        """Remove a file, link or other entry that is not a folder."""
        with self.parent(names) as (folder, name):
            os.unlink(name, dir_fd=folder)

    def remove_directory(self, names: Names) -> None:
        """Remove an empty folder."""
        with self.parent(names) as (folder, name):
            os.rmdir(name, dir_fd=folder)

    def rename(self, source: Names, target: Names, *, replace: bool = False) -> None:
        """Move an entry within the root; without ``replace`` EEXIST if anything has the target's name."""
        with self.parent(source) as (source_folder, old), self.parent(target) as (target_folder, new):
            if replace:
                os.rename(old, new, src_dir_fd=source_folder, dst_dir_fd=target_folder)
            else:
                rename_without_replacing(old, new, source_folder, target_folder)

    def set_attributes(
        self,
        names: Names,
        mtime_ns: int | None,
        mode: int | None,
        before: Callable[[str, os.stat_result], None] | None = None,
    ) -> None:
        """Time in nanoseconds and permission bits of a file or folder, each left alone where None.

        Args:
            names: the way below the root.
            mtime_ns: time.
            mode: permission bits.
            before: called first with a path that means this entry as long as the call lasts, and with its state.

        Raises:
            NotAFileError: it is neither file nor folder. A link gives ELOOP.
        """
        if not names:
            set_attributes_at(b".", self._descriptor, mtime_ns, mode, before)
            return
        with self.parent(names) as (folder, name):
            set_attributes_at(name, folder, mtime_ns, mode, before)


class NotAFileError(OSError):
    """What is there is neither a regular file nor, where one would do, a folder."""


def check_name(name: bytes) -> None:
    """Raise BadName unless ``name`` is a single entry of a folder: not empty, ``.``, ``..``, no ``/``, no NUL."""
    if name in (b"", b".", b"..") or b"/" in name or b"\0" in name:
        raise BadName(f"{displayable(name, 100)} names no single entry", "name one file or folder")


def open_folder(name: bytes, folder: int) -> int:
    """A folder below the descriptor ``folder``, opened only to reach what is in it; the caller closes it."""
    check_name(name)
    return _open_folder(name, _PASSING, folder)


def open_regular(name: bytes, folder: int) -> tuple[int, os.stat_result]:
    """A regular file below the descriptor ``folder`` opened for reading, and its state; the caller closes it.

    Raises:
        NotAFileError: it is something else (errno EISDIR for a folder, ENXIO for device, socket or pipe).
    """
    # Asked before opening: to open a pipe or a device is to do something to it.
    _require_regular(os.stat(name, dir_fd=folder, follow_symlinks=False), name)
    descriptor = os.open(name, _READING, dir_fd=folder)
    try:
        state = os.fstat(descriptor)
        _require_regular(state, name)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor, state


def set_attributes_at(
    name: bytes,
    folder: int,
    mtime_ns: int | None,
    mode: int | None,
    before: Callable[[str, os.stat_result], None] | None = None,
) -> None:
    """As `Root.set_attributes`, of an entry below the descriptor ``folder``."""
    descriptor = os.open(name, getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISDIR(state.st_mode):
            _require_regular(state, name)
        # The entry in hand, whatever its name leads to by now; its own permissions do not matter.
        entry = f"/proc/self/fd/{descriptor}"
        if before is not None:
            before(entry, state)
        if mode is not None:
            os.chmod(entry, mode)
        if mtime_ns is not None:
            os.utime(entry, ns=(state.st_atime_ns, mtime_ns))
    finally:
        os.close(descriptor)


def _open_folder(name: bytes, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except NotADirectoryError:
        # O_DIRECTORY hides a link behind this number.
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise _link(name) from None
        raise


def _require_regular(state: os.stat_result, name: bytes) -> None:
    if stat.S_ISREG(state.st_mode):
        return
    if stat.S_ISLNK(state.st_mode):
        raise _link(name)
    number = errno.EISDIR if stat.S_ISDIR(state.st_mode) else errno.ENXIO
    raise NotAFileError(number, os.strerror(number), os.fsdecode(name))


def _link(name: bytes) -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(name))


def _kernel_walks(descriptor: int) -> bool:
    try:
        os.close(open_beneath(descriptor, b".", _PASSING))
    except OSError:
        return False
    return True
