"""Stretches of files in memory: what was fetched, found again by place, within one budget for all files."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Sequence

_Key = tuple[int, int]
"""Number of a file, and where in it a stretch begins."""


class Stretches:
    """Bytes of files; what was unused longest goes first.

    Args:
        budget: bytes that may be held.

    Files have numbers that the caller chooses, one for each version: so bytes of two versions never meet.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.held = 0
        """Bytes that are held."""
        self._starts: dict[int, list[int]] = {}
        self._contents: OrderedDict[_Key, bytes] = OrderedDict()

    def put(self, file: int, start: int, content: bytes) -> None:
        """Hold ``content`` as the bytes of a file from ``start`` on, but for those that are held already.

        What does not fit beside nothing else is not held.
        """
        if len(content) > self.budget:
            return
        for begin, end in self.gaps(file, start, start + len(content)):
            insort(self._starts.setdefault(file, []), begin)
            self._contents[file, begin] = content[begin - start : end - start]
            self.held += end - begin
        while self.held > self.budget:
            self._drop(next(iter(self._contents)))

    def view(self, file: int, offset: int, length: int) -> memoryview:
        """At most ``length`` bytes from ``offset`` on, as many as lie in one stretch; empty where none is held."""
        starts = self._starts.get(file, ())
        index = bisect_right(starts, offset) - 1
        if index < 0:
            return memoryview(b"")
        key = file, starts[index]
        at = offset - starts[index]
        found = memoryview(self._contents[key])[at : at + length]
        if found:
            self._contents.move_to_end(key)
        return found

    def gaps(self, file: int, start: int, end: int) -> list[tuple[int, int]]:
        """What is not held of a file between two places, in order, as beginnings and ends."""
        starts = self._starts.get(file, [])
        gaps: list[tuple[int, int]] = []
        for index in range(max(0, bisect_right(starts, start) - 1), len(starts)):
            begin = starts[index]
            if begin >= end:
                break
            if begin > start:
                gaps.append((start, begin))
            until = begin + len(self._contents[file, begin])
            if until > start:
                start = until
        if start < end:
            gaps.append((start, end))
        return gaps

    def move(self, file: int, other: int, spans: Sequence[tuple[int, int]]) -> None:
        """Hold what lies between some places of a file as the bytes of another there, and the file's no more.

        Args:
            file: whose bytes they were.
            other: whose they are now; of what it has already, nothing changes.
            spans: beginnings and ends, in order.
        """
        for start in list(self._starts.get(file, ())):
            content = self._contents[file, start]
            self._drop((file, start))
            end = start + len(content)
            for begin, stop in spans:
                at, until = max(start, begin), min(end, stop)
                if at < until:
                    whole = (at, until) == (start, end)
                    self.put(other, at, content if whole else content[at - start : until - start])

    def forget(self, file: int) -> None:
        """Hold nothing of a file any more."""
        for start in list(self._starts.get(file, ())):
            self._drop((file, start))

    def _drop(self, key: _Key) -> None:
        self.held -= len(self._contents.pop(key))
        file, start = key
        starts = self._starts[file]
        del starts[bisect_right(starts, start) - 1]
        if not starts:
            del self._starts[file]
