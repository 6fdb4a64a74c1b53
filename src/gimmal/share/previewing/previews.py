"""What was made of files lately, in memory alone, and the processes that make it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from gimmal.share.previewing.children import Children

PICTURES_BYTES, PARTS_BYTES = 8 << 20, 32 << 20
"""Bytes of small pictures, and of parts of films, that are kept; what was asked for longest ago goes first."""

KEPT_ITEMS = 2048
"""Things that are kept of each, those of which nothing could be made counted too."""


class Kept:
    """Things that were made. For several threads.

    Args:
        bytes_max: bytes of them that are kept.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, bytes | None] = OrderedDict()
        self._bytes = 0
        self._closed = False

    def get(self, key: Hashable, make: Callable[[], bytes | None]) -> bytes | None:
        """What is kept under a key, or else is made; None where nothing can be.

        Args:
            key: names the version of the file, and what is made of it.
            make: makes it; blocks. Two threads that ask at the same time may both make it. What it raises is passed on,
                and nothing is kept then.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            if not self._closed and key not in self._kept:
                self._kept[key] = made
                self._bytes += len(made or b"")
            while self._bytes > self._bytes_max or len(self._kept) > KEPT_ITEMS:
                self._bytes -= len(self._kept.popitem(last=False)[1] or b"")
        return made

    def close(self) -> None:
        """Keep nothing any more."""
        with self._lock:
            self._closed = True
            self._kept.clear()
            self._bytes = 0


class Previews:
    """Makes and keeps what all sessions of one side ask for. For several threads. Close it."""

    def __init__(self) -> None:
        self.children = Children()
        self.pictures = Kept(PICTURES_BYTES)
        self.parts = Kept(PARTS_BYTES)

    def close(self) -> None:
        """Kill what still makes something, and keep nothing."""
        self.children.close()
        self.pictures.close()
        self.parts.close()
