"""fsspec's side of reading: passes on what is asked, and spares who reads in small steps one crossing for each.

Which bytes are fetched ahead is decided where they are kept (``remote.file_cache``): here lie only those that
``read(1)`` or a search for the end of a line will want next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fsspec.caching import BaseCache, register_cache

WINDOW = 128 * 1024
"""Bytes that are taken at once where small reads follow one another."""


class FollowingCache(BaseCache):
    """What an open file has of its bytes at hand.

    Args:
        blocksize: of the file, as fsspec wants it; of no use here.
        fetcher: brings bytes from one offset to another.
        size: of the file.
    """

    name = "gimmal"

    def __init__(self, blocksize: int, fetcher: Callable[[int, int], bytes], size: int, **_more: Any) -> None:
        super().__init__(blocksize, fetcher, size)
        self._start = 0
        self._held = b""

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        start = 0 if start is None else start
        stop = self.size if stop is None else min(stop, self.size)
        if start >= stop:
            return b""
        end = self._start + len(self._held)
        if self._start <= start and stop <= end:
            return self._held[start - self._start : stop - self._start]
        follows = bool(self._held) and self._start <= start <= end
        wanted = min(max(stop, start + WINDOW), self.size) if follows else stop
        begun = self._held[start - self._start :] if follows else b""
        fetched: bytes = begun + self.fetcher(start + len(begun), wanted)
        if len(fetched) > 2 * WINDOW:
            # Who reads much at once asks for it at once the next time, too.
            self._start, self._held = stop - 1, fetched[stop - start - 1 : stop - start]
        else:
            self._start, self._held = start, fetched
        return fetched[: stop - start]


register_cache(FollowingCache, clobber=True)
