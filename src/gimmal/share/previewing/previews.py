"""What was made of files lately, in memory alone, and the processes that make it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from gimmal.share.previewing.children import Children

KEPT_BYTES = 8 << 20
"""Bytes of what was made that are kept; what was asked for longest ago goes first."""

KEPT_ITEMS = 2048
"""Things that are kept, those of which nothing could be made counted too."""


class Previews:
    """Makes and keeps what all sessions of one side ask for. For several threads. Close it."""

    def __init__(self) -> None:
        self.children = Children()
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, bytes | None] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable, make: Callable[[], bytes | None]) -> bytes | None:
        """What is kept under a key, or else is made; None where nothing can be.

        Args:
            key: names the version of the file, and what is made of it.
            make: makes it; blocks. Two threads that ask at the same time may both make it.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if not self.children.closed and key not in self._kept:
                self._kept[key] = made
                self._bytes += len(made or b"")
            while self._bytes > KEPT_BYTES or len(self._kept) > KEPT_ITEMS:
                self._bytes -= len(self._kept.popitem(last=False)[1] or b"")
        return made

    def close(self) -> None:
        """Kill what still makes something, and keep nothing."""
        self.children.close()
        with self._lock:
            self._kept.clear()
            self._bytes = 0
