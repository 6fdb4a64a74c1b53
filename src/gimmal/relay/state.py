"""The relay's folder: its key, its ledger, and one relay at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError
from gimmal.base.persistence import local_errors


@contextlib.contextmanager
def relay_state(directory: Path) -> Iterator[Path]:
    """Hold the folder for one relay; made with its parents if absent, for its owner alone.

    Raises:
        LocalError: it cannot be made or written, or another relay has it.
    """
    with local_errors("use the state folder", directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError(
                f"another relay runs with the state folder {displayable(str(directory))}",
                "stop it, or give this one a folder of its own with --state",
            ) from None
        yield directory
    finally:
        # The lock ends with the descriptor, also when the process is killed.
        os.close(descriptor)
