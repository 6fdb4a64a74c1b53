"""Turns for work that consists of very many short file-system calls.

Each such call gives the interpreter's lock away and has to get it back. Several threads that do this side by side
spend more on handing the lock round than on the calls. So they take turns, a bundle or a page at a time; and where a
turn lasts, because a disk lets its thread wait, the next thread does not wait for its end.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

PATIENCE_SECONDS = 0.02
"""More than a bundle takes where the disk answers from memory."""


class Turns:
    """Safe for several threads; a thread that has a turn takes no second one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def taken(self) -> Iterator[bool]:
        """Wait for the turn, at most PATIENCE_SECONDS; says whether it was given. It ends with the block."""
        given = self._lock.acquire(timeout=PATIENCE_SECONDS)
        try:
            yield given
        finally:
            if given:
                self._lock.release()


of_this_process = Turns()
"""The interpreter's lock is one for all sessions."""
