"""Temporary files of one operation: bundles and copies."""

from __future__ import annotations

import contextlib
import fcntl
import os

from gimmal.share.temporary_names import new_temporary_name

_CREATING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create_temporary(folder: int, *, held: bool = False) -> tuple[bytes, int]:
    """A new file under a name of gimmal's own: its name and descriptor, which the caller closes.

    Args:
        folder: descriptor of the folder.
        held: lock it, for it will be open for long.
    """
    name = new_temporary_name()
    descriptor = os.open(name, _CREATING, 0o600, dir_fd=folder)
    if held:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return name, descriptor


def remove_temporary(name: bytes, folder: int) -> None:
    """Remove one, as far as the disk allows."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)


def write_whole(descriptor: int, content: bytes | memoryview) -> None:
    """Write a file's content from its beginning."""
    place = os.pwrite(descriptor, content, 0) if content else 0
    view = memoryview(content)[place:]
    while view:
        count = os.pwrite(descriptor, view, place)
        place += count
        view = view[count:]
