"""Which blocks of a sparse file hold data (docs/spec/protocol.md, section 6.5)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.digest import block_count
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Extent

ZEROS = bytes(BLOCK_SIZE)
"""What a hole holds."""


@cache
def hole_digest(length: int) -> bytes:
    """Digest of a block of so many zeros."""
    return blake3_digest(memoryview(ZEROS)[:length])


def are_stretches(extents: Sequence[Extent], end: int) -> bool:
    """Whether stretches are in order, not empty, with something between them, and end by ``end``."""
    at = -1
    for start, length in extents:
        if start <= at or not length or start + length > end:
            return False
        at = start + length
    return True


def add_blocks(data: list[Extent], extents: Sequence[Extent]) -> None:
    """Add the blocks that stretches of bytes lie in to stretches of blocks; all in order."""
    for start, length in extents:
        first, after = start // BLOCK_SIZE, (start + length - 1) // BLOCK_SIZE + 1
        if data and first <= sum(data[-1]):
            data[-1] = data[-1][0], max(sum(data[-1]), after) - data[-1][0]
        else:
            data.append((first, after - first))


def few_stretches(data: Sequence[Extent], most: int) -> tuple[Extent, ...]:
    """At most so many stretches that cover these: the smallest holes are taken for data."""
    if len(data) <= most:
        return tuple(data)
    gaps = sorted(range(1, len(data)), key=lambda at: data[at][0] - sum(data[at - 1]), reverse=True)
    kept = sorted([0, *gaps[: most - 1]])
    ends = [*kept[1:], len(data)]
    return tuple((data[at][0], sum(data[end - 1]) - data[at][0]) for at, end in zip(kept, ends, strict=True))


class DataBlocks:
    """The blocks of one file that are written and verified; all others are holes.

    Args:
        size: of the file, in bytes.
        data: stretches of blocks, as first block and count, checked by `are_stretches`; None where all hold data.
    """

    def __init__(self, size: int, data: Sequence[Extent] | None) -> None:
        self._size = size
        self.sparse = data is not None
        blocks = block_count(size)
        self._stretches = tuple(data) if data is not None else ((0, blocks),) if blocks else ()
        self._firsts = [first for first, _count in self._stretches]
        self._numbers = [0]
        for _first, count in self._stretches:
            self._numbers.append(self._numbers[-1] + count)

    @property
    def count(self) -> int:
        """How many blocks hold data."""
        return self._numbers[-1]

    def holds(self, index: int) -> bool:
        """Whether block ``index`` of the file holds data."""
        at = bisect_right(self._firsts, index) - 1
        return at >= 0 and index < sum(self._stretches[at])

    def index_at(self, number: int) -> int:
        """Which block of the file the data block ``number`` is, counted from 0."""
        at = bisect_right(self._numbers, number) - 1
        return self._firsts[at] + number - self._numbers[at]

    def number_of(self, index: int) -> int:
        """How many data blocks come before block ``index`` of the file."""
        at = bisect_right(self._firsts, index) - 1
        if at < 0:
            return 0
        return self._numbers[at] + min(index - self._firsts[at], self._stretches[at][1])

    def holes(self) -> Iterator[Extent]:
        """Stretches of bytes between the data, as offset and length."""
        at = 0
        for first, count in self._stretches:
            if first * BLOCK_SIZE > at:
                yield at, first * BLOCK_SIZE - at
            at = (first + count) * BLOCK_SIZE
        if at < self._size:
            yield at, self._size - at
