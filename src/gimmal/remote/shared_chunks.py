"""What an old version of a file holds of a new one: both as lists of chunks, in little memory."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from gimmal.protocol.messages import Stretch

OLD_CHUNKS_MAX = 1 << 18
"""Chunks of an old version that are remembered, twice what the largest file has on average; the others are sent."""

_SIZE_BITS = 23
"""Enough for the size of the largest chunk; so size and place of one are a single number."""


class OldChunks:
    """Chunks of the old version by their digests."""

    def __init__(self) -> None:
        self.end = 0
        self._places: dict[int, int] = {}

    def add(self, chunks: Iterable[tuple[int, int]]) -> None:
        """Take in the next chunks, as size and digest."""
        for size, digest in chunks:
            if len(self._places) < OLD_CHUNKS_MAX:
                self._places.setdefault(digest, self.end << _SIZE_BITS | size)
            self.end += size

    def find(self, size: int, digest: int) -> int | None:
        """Where a chunk begins in the old version, None where it is not known."""
        found = self._places.get(digest)
        if found is None or found & ((1 << _SIZE_BITS) - 1) != size:
            return None
        return found >> _SIZE_BITS


class NewChunks:
    """Chunks of the new version in order.

    Args:
        start: place of the first.
    """

    def __init__(self, start: int) -> None:
        self.end = start
        self._starts = array("Q", [start])
        self._digests = array("Q")

    def add(self, chunks: Iterable[tuple[int, int]]) -> None:
        """Take in the next chunks, as size and digest."""
        for size, digest in chunks:
            self.end += size
            self._starts.append(self.end)
            self._digests.append(digest)

    def shared(self, old: OldChunks, start: int, end: int) -> tuple[Stretch, ...]:
        """What of the stretch from ``start`` to ``end`` the old version holds: place in it, offset there, length.

        Neighbours in both versions are one.
        """
        found: list[Stretch] = []
        for number in range(bisect_right(self._starts, start) - 1, len(self._digests)):
            first, after = self._starts[number], self._starts[number + 1]
            if first >= end or start >= end:
                break
            offset = old.find(after - first, self._digests[number])
            if offset is None:
                continue
            low, high = max(first, start), min(after, end)
            place, offset = low - start, offset + low - first
            if found and found[-1][0] + found[-1][2] == place and found[-1][1] + found[-1][2] == offset:
                found[-1] = found[-1][0], found[-1][1], found[-1][2] + high - low
            else:
                found.append((place, offset, high - low))
        return tuple(found)
