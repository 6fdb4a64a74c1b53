"""One program at a time on one half (docs/spec/half.md, section 9). Locks are the kernel's: a crash frees them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from gimmal.base.display import displayable
from gimmal.base.errors import HalfInUse, LocalError
from gimmal.base.persistence import local_errors
from gimmal.base.primitives import sha256
from gimmal.base.side import Side

_LABEL = b"gimmal half lock v1"
_BUSY = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN)
_HINT = "gimmal unplug ends the use of a half; gimmal pair and password end by themselves"

# Not what TMPDIR says where the system itself has one folder for all: programs of one user have it set differently.
_TEMPORARY = "/tmp" if sys.platform == "linux" else tempfile.gettempdir()  # noqa: S108 - see runtime_directory


def runtime_directory() -> Path:
    """The folder for this user's locks and sockets, made if absent: owner only, gone at reboot.

    Raises:
        LocalError: it belongs to someone else or others may enter it.
    """
    # Programs of one user must meet in one folder, also where one of them (cron, ssh) was not told of it; a folder
    # of another user (left in the environment by sudo) is not ours to write into.
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"):
        if base and _is_ours(Path(base)):
            folder = Path(base) / "gimmal"
            break
    else:
        folder = Path(_TEMPORARY) / f"gimmal-{os.getuid()}"
    with local_errors("make the folder", folder):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise LocalError(
            f"{displayable(str(folder))} is not this user's alone",
            "remove it, or set XDG_RUNTIME_DIR to a folder that nobody else may enter",
        )
    return folder


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


class HalfLock:
    """The exclusive right to serve or change one half on this computer, as long as it is held.

    Use as a context manager, or call `release`.
    """

    def __init__(self, pair_id: bytes, side: Side) -> None:
        """Take the lock, at once or not at all.

        Args:
            pair_id: 16 bytes.

        Raises:
            HalfInUse: another program holds it.
            LocalError: the runtime folder cannot be used.
        """
        name = sha256(_LABEL, pair_id, side.value.encode())[:16].hex()
        path = runtime_directory() / f"half-{name}.lock"
        with local_errors("open", path):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, 0o600)
        try:
            _take(self._descriptor)
        except OSError as error:
            holder = _holder(self._descriptor)
            self.release()
            if error.errno in _BUSY:
                raise HalfInUse(f"another program{holder} uses this half on this computer", _HINT) from error
            raise LocalError(f"cannot lock {displayable(str(path))}", "check that folder") from error
        with contextlib.suppress(OSError):
            # Only a help for the person; the lock does not depend on it, nor on room on that disk.
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Give it up; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@contextlib.contextmanager
def held_folder(location: Path) -> Iterator[None]:
    """Hold the folder ``GIMMAL`` itself while it is being changed, for all users of this computer.

    Where the file system has no locks nothing is held. Never hold it while serving: the stick could not be ejected.

    Raises:
        HalfInUse: another program changes it just now.
    """
    with local_errors("open", location):
        descriptor = os.open(location, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        try:
            _take(descriptor)
        except OSError as error:
            if error.errno in _BUSY:
                raise HalfInUse("another program is changing this half just now", _HINT) from error
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        number = os.pread(descriptor, 20, 0)
        if number.isdigit():
            return f" (process {int(number)})"
    return ""
