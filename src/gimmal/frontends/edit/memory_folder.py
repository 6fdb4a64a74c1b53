"""The folder a document is edited in: in memory, of this user alone, overwritten and gone at the end.

A process of its own guards it: it removes the folder when this one is gone, however that came about.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from gimmal.base.display import displayable
from gimmal.base.errors import GimmalError, LocalError
from gimmal.base.system_calls import file_system_type
from gimmal.frontends.edit import wiping
from gimmal.half.lockfile import runtime_directory

PREFIX = "gimmal-edit-"
"""Of the names of these folders; the rest is random."""

ROOM_FACTOR = 3
"""Of a document's size, what must be free: programs write a new file beside the old one, and some a backup."""

ROOM_LEAST = 16 << 20
"""Bytes that must be free however small the document."""

FRESH_SECONDS = 10.0
"""A folder as young as this may be one that its maker has not locked yet."""

_IN_MEMORY = frozenset((0x01021994, 0x858458F6))
"""File systems that have no disk: tmpfs and ramfs, by the numbers of linux/magic.h."""

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a folder below it is made by mkdtemp


class DocumentFolder:
    """A folder for one document; make one with ``make``. ``remove`` ends it.

    Attributes:
        path: the folder.
        in_memory: it lies in a memory file system.
    """

    def __init__(self, path: Path, *, in_memory: bool) -> None:
        self.path = path
        self.in_memory = in_memory
        self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._guard: subprocess.Popen[bytes] | None = None
        try:
            self._guard = _start_guard(path)
        except OSError as exc:
            self.remove()
            raise LocalError("no process can be started", "close some programs") from exc

    @classmethod
    def make(cls, size: int, *, on_disk: bool) -> Self:
        """Make one; may block on the disk.

        Args:
            size: bytes of the document.
            on_disk: a disk will do where there is no memory file system with room.

        Raises:
            LocalError: there is no such place.
        """
        needed = max(ROOM_FACTOR * size, ROOM_LEAST)
        places = _memory_places()
        for place in places:
            _remove_left_over(place)
        for place in places:
            with contextlib.suppress(OSError):
                if _free(place) >= needed:
                    return cls(Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)), in_memory=True)
        if not on_disk:
            raise _no_place(bool(places), needed)
        place = Path(tempfile.gettempdir())
        _remove_left_over(place)
        try:
            return cls(Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)), in_memory=False)
        except OSError as exc:
            reason = (exc.strerror or "").lower()
            raise LocalError(f"cannot make a folder in {displayable(str(place))}: {reason}", "set TMPDIR") from exc

    def remove(self) -> None:
        """Overwrite and remove all of it; may block. A second call does nothing, nor one after `keep`."""
        if self._lock < 0:
            return
        wiping.wipe(str(self.path))
        self._leave(b"")  # the guard removes what a program has laid there meanwhile

    def keep(self) -> Path:
        """Leave it where it is, for the person; under another name, so that no other run of ours removes it."""
        kept = self.path.with_name(self.path.name.replace(PREFIX, "gimmal-unsaved-", 1))
        with contextlib.suppress(OSError):
            self.path.rename(kept)
            self.path = kept
        self._leave(wiping.KEEP)
        return self.path

    def _leave(self, word: bytes) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(OSError):
                self._guard.stdin.write(word)
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def swap_in_use() -> bool:
    """Whether the system may write memory to a swap space on a disk; that in compressed memory does not count."""
    try:
        with open("/proc/swaps", encoding="utf-8", errors="replace") as swaps:
            return any(not line.startswith("/dev/zram") for line in swaps.readlines()[1:])
    except OSError:
        return False


def _start_guard(path: Path) -> subprocess.Popen[bytes]:
    # A session of its own: what ends the terminal's programs does not end it.
    return subprocess.Popen(  # noqa: S603 - this interpreter, a file of ours, and a folder that we made
        [sys.executable, "-I", "-S", wiping.__file__, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
        bufsize=0,
        start_new_session=True,
    )


def _memory_places() -> list[Path]:
    """Folders in memory in which this user may make one, the user's own first."""
    candidates: list[Path] = []
    with contextlib.suppress(GimmalError):
        candidates.append(runtime_directory())
    candidates.append(Path(_SHARED_MEMORY))
    return [place for place in candidates if _is_in_memory(place) and os.access(place, os.W_OK | os.X_OK)]


def _is_in_memory(place: Path) -> bool:
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return file_system_type(descriptor) in _IN_MEMORY
    except (OSError, NotImplementedError):
        return False
    finally:
        os.close(descriptor)


def _free(place: Path) -> int:
    about = os.statvfs(place)
    return about.f_bavail * about.f_frsize


def _remove_left_over(place: Path) -> None:
    """Remove folders whose process and guard were both killed; those in use are locked."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    _remove_unlocked(entry.path)


def _remove_unlocked(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        about = os.fstat(descriptor)
        if about.st_uid != os.getuid() or time.time() - about.st_mtime < FRESH_SECONDS:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
                return
            raise
        wiping.wipe(path)
    finally:
        os.close(descriptor)


def _no_place(small: bool, needed: int) -> LocalError:
    hint = (
        "--on-disk edits a copy on this computer's disk, from where it may be recovered even after it was overwritten"
    )
    if small:
        return LocalError(f"memory has no room for it: {needed // 1_000_000 + 1:,} MB must be free", hint)
    return LocalError("this computer has no file system in memory", hint)
