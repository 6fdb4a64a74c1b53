"""Part files that nobody came back for."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import time

from gimmal.share.temporary_names import is_abandoned, is_temporary

STALE_SECONDS = 30 * 24 * 3600
"""Age after which a part file that nobody holds open is removed when it is met."""

TEMPORARY_SECONDS = 10 * 60
"""The same for a temporary file of a bundle or copy, which nobody can go on with, where its maker may be alive."""

# The letter behind some: what `collisions` tries a disk with, in either form.
_OURS = re.compile(rb"\.gimmal-part-t?[0-9a-f]{24}(?:\xc3\xa9|e\xcc\x81)?")


def is_our_part(name: bytes) -> bool:
    """Whether a name is exactly of the form that this program gives part files."""
    return _OURS.fullmatch(name) is not None


def remove_if_stale(name: bytes, folder: int) -> bool:
    """Remove a part or temporary file that is too old and that nobody holds open; whether it is gone.

    A temporary file whose maker is no more is too old at once.
    """
    if is_abandoned(name):
        return _remove(name, folder, None)
    return _remove(name, folder, TEMPORARY_SECONDS if is_temporary(name) else STALE_SECONDS)


def remove_if_unheld(name: bytes, folder: int) -> bool:
    """Remove a part file that nobody holds open, whatever its age; whether it is gone."""
    return _remove(name, folder, None)


def _remove(name: bytes, folder: int, older_than: int | None) -> bool:
    if not is_our_part(name):
        return False
    with contextlib.suppress(OSError):
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if state.st_uid != os.geteuid() or not (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode)):
            return False
        if older_than is not None and time.time() - state.st_ctime < older_than:
            return False
        if stat.S_ISLNK(state.st_mode) or is_abandoned(name):
            os.unlink(name, dir_fd=folder)  # a link cannot be held; and a mode may forbid to open what is nobody's
            return True
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=folder)
        finally:
            os.close(descriptor)
        return True
    return False
