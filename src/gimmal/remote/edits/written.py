"""Bytes that were written over a file and are held in memory: sorted, one for each place. No I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from gimmal.base.primitives import Buffer

EXTENT_MAX = 1 << 20
"""Bytes of one extent: what is appended to one never moves more."""

EXTENT_COST = 200
"""Bytes that an extent takes beside its content, about."""


class Written:
    """Extents of bytes, none of which touch the same place."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._contents: dict[int, bytearray] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._starts)

    @property
    def cost(self) -> int:
        """Bytes of memory that they take, about."""
        return self._bytes + EXTENT_COST * len(self._starts)

    def __iter__(self) -> Iterator[tuple[int, bytearray]]:
        """Each extent: where it begins, and its bytes, which are not to be kept over the next change."""
        return iter([(start, self._contents[start]) for start in self._starts])

    def write(self, offset: int, data: Buffer) -> None:
        """Put bytes at a place, over what was there."""
        view = memoryview(data)
        end = offset + len(view)
        if not len(view):
            return
        index = bisect_right(self._starts, offset) - 1
        if index >= 0:
            start = self._starts[index]
            content = self._contents[start]
            if end <= start + len(content):
                content[offset - start : end - start] = view
                return
        self.remove(offset, end)
        index = bisect_right(self._starts, offset) - 1
        if index >= 0:
            start = self._starts[index]
            content = self._contents[start]
            if start + len(content) == offset and len(content) + len(view) <= EXTENT_MAX:
                content += view
                self._bytes += len(view)
                return
        for at in range(0, len(view), EXTENT_MAX):
            self._put(offset + at, bytearray(view[at : at + EXTENT_MAX]))

    def remove(self, start: int, end: int) -> None:
        """Forget the bytes between two places."""
        first = max(0, bisect_right(self._starts, start) - 1)
        last = bisect_left(self._starts, end)
        for begin in self._starts[first:last]:
            content = self._contents[begin]
            stop = begin + len(content)
            if stop <= start:
                continue
            self._take(begin)
            if begin < start:
                self._put(begin, content[: start - begin])
            if stop > end:
                self._put(end, content[end - begin :])

    def cut(self, size: int) -> None:
        """Forget all from a place on."""
        if self._starts:
            last = self._starts[-1]
            self.remove(size, last + len(self._contents[last]))

    def clear(self) -> None:
        """Forget all."""
        self._starts.clear()
        self._contents.clear()
        self._bytes = 0

    def within(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """What is held between two places, as copies, in order."""
        first = max(0, bisect_right(self._starts, start) - 1)
        for begin in self._starts[first : bisect_left(self._starts, end)]:
            content = self._contents[begin]
            at, stop = max(start, begin), min(end, begin + len(content))
            if at < stop:
                yield at, bytes(memoryview(content)[at - begin : stop - begin])

    def _put(self, start: int, content: bytearray) -> None:
        self._starts.insert(bisect_left(self._starts, start), start)
        self._contents[start] = content
        self._bytes += len(content)

    def _take(self, start: int) -> None:
        del self._starts[bisect_left(self._starts, start)]
        self._bytes -= len(self._contents.pop(start))
