"""Folders that are shared no longer, closed when nobody can be at work in them any more.

A thread that took a descriptor's number before it was closed would work on whatever gets that number next; so a folder
stays open until every request has ended that had begun before it was taken out.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from gimmal.base.beneath import Root


class Leaving:
    """Counts requests by the era they began in; an era ends with each folder that leaves. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._era = 0
        self._inside: dict[int, int] = {}
        self._roots: list[tuple[int, Root]] = []

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Held while a request is worked on."""
        with self._lock:
            era = self._era
            self._inside[era] = self._inside.get(era, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[era] -= 1
                if not self._inside[era]:
                    del self._inside[era]
                    self._close_unused()

    def close_later(self, root: Root) -> None:
        """Close a folder that no new request finds; now, where none is under way."""
        with self._lock:
            self._roots.append((self._era, root))
            self._era += 1
            self._close_unused()

    def _close_unused(self) -> None:
        oldest = min(self._inside, default=self._era)
        for era, root in self._roots:
            if era < oldest:
                root.close()
        self._roots = [(era, root) for era, root in self._roots if era >= oldest]
