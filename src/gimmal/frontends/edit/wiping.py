"""Overwriting and removing a folder of decrypted files; also as a program of its own that outlives its maker.

This file imports nothing of ours: it runs by itself, quickly and in little memory (``guard.py``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import sys

KEEP = b"k"
"""What the guard is told when the folder is no longer its matter."""

OPEN_MAX = 200
"""Files that are held open at a time, to be overwritten after all names are gone."""

_CHUNK = bytes(1 << 20)


def wipe(folder: str) -> bool:
    """Remove a folder with all it holds: first the names, then every byte is overwritten.

    No link is followed, and a file with another name elsewhere is not overwritten. What cannot be removed stays.

    Returns:
        whether the folder is gone.
    """
    opened: list[int] = []
    for here, folders, names in os.walk(folder, onerror=None):
        with contextlib.suppress(OSError):
            os.chmod(here, 0o700)
        for name in names:
            _unlink(os.path.join(here, name), opened)
        for name in folders:
            if os.path.islink(os.path.join(here, name)):
                _unlink(os.path.join(here, name), opened)
    for here, _folders, _names in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(here)
    for descriptor in opened:
        _overwrite(descriptor)
    return not os.path.lexists(folder)


def _unlink(path: str, opened: list[int]) -> None:
    """Take a name away; the file of an only name is overwritten at once, or joins ``opened`` for later."""
    descriptor = -1
    with contextlib.suppress(OSError):
        about = os.lstat(path)
        if stat.S_ISREG(about.st_mode) and about.st_nlink == 1:
            if about.st_mode & 0o600 != 0o600:
                os.chmod(path, 0o600)
            descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        os.unlink(path)
    if descriptor < 0:
        return
    if len(opened) < OPEN_MAX:
        opened.append(descriptor)
    else:
        _overwrite(descriptor)


def _overwrite(descriptor: int) -> None:
    """Write zeros over what a file holds, its holes left out; close it."""
    try:
        end = os.fstat(descriptor).st_size
        at = 0
        while at < end:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            at = os.lseek(descriptor, start, os.SEEK_HOLE)
            while start < at:
                start += os.pwrite(descriptor, _CHUNK[: at - start], start)
    except OSError:
        pass  # no data is left, or the disk refuses: nothing more can be done
    finally:
        os.close(descriptor)


def main(folder: str) -> None:
    """Wait until whoever holds the other end of stdin has gone, then wipe the folder; unless told to keep it."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    said = b""
    while more := os.read(0, 64):
        said = more
    if not said.endswith(KEEP):
        wipe(folder)


if __name__ == "__main__":
    main(sys.argv[1])
