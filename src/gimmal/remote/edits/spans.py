"""Sets of places in a file, as beginnings and ends in order with something between them. No I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

Span = tuple[int, int]
"""A beginning and an end."""


class Spans:
    """Places of a file."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[Span]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def total(self) -> int:
        """How many places they are."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        """Put in what lies between two places."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """Take out what lies between two places."""
        if start >= end:
            return
        first = bisect_right(self._ends, start)
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        left, right = self._starts[first], self._ends[last - 1]
        rest = [span for span in ((left, start), (end, right)) if span[0] < span[1]]
        self._starts[first:last] = [begin for begin, _end in rest]
        self._ends[first:last] = [end for _begin, end in rest]

    def cut(self, size: int) -> None:
        """Take out all from a place on."""
        if self._ends and self._ends[-1] > size:
            self.remove(size, self._ends[-1])

    def clear(self) -> None:
        """Take out all."""
        self._starts.clear()
        self._ends.clear()

    def within(self, start: int, end: int) -> Iterator[Span]:
        """What of them lies between two places."""
        for index in range(bisect_right(self._ends, start), len(self._starts)):
            if self._starts[index] >= end:
                return
            yield max(start, self._starts[index]), min(end, self._ends[index])
