"""Journals of edits of which something cannot be read: told to whoever asks whether all is at home."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gimmal.base.errors import LocalError, ProtocolViolation
from gimmal.remote.edits.damaged import copies
from gimmal.remote.edits.journal import JournalFile, left_over


def unreadable_journals(places: list[Path], key: bytes) -> list[Path]:
    """Journals that cannot be read to their end, and copies of damaged ones; nothing is claimed.

    One that ends in a record which a crash cut short is none of them: what that belongs to was never done.

    Args:
        places: where journals may lie (see `journal.folders`).
        key: 32 bytes from the half; what another half's seals cannot be told from damage.
    """
    return [path for path in left_over(places) if _is_unreadable(path, key)] + copies(places)


def _is_unreadable(path: Path, key: bytes) -> bool:
    try:
        journal = JournalFile.look(path, key)
    except FileNotFoundError:
        return False
    except (OSError, LocalError, ProtocolViolation):
        return True
    try:
        return journal.is_damaged() and not _has_owner(path)
    except OSError:
        return True
    finally:
        journal.close()


def _has_owner(path: Path) -> bool:
    """Whether a process has it, which may be writing what looked like damage."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a disk without locks
    finally:
        os.close(descriptor)
    return False
