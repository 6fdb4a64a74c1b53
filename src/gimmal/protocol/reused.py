"""A block of which some stretches are taken from an old version, and the others travel (docs/spec/protocol.md, 6.7)."""

from __future__ import annotations

from collections.abc import Sequence

from gimmal.protocol.messages import Stretch

Gap = tuple[int, int]
"""A stretch of a block as its beginning and its end."""


def gaps_of(length: int, reused: Sequence[Stretch]) -> tuple[Gap, ...] | None:
    """What a block of ``length`` bytes needs besides ``reused``; None where those are no stretches of it in order."""
    gaps: list[Gap] = []
    at = 0
    for place, _offset, count in reused:
        if place < at or not count or place + count > length:
            return None
        if place > at:
            gaps.append((at, place))
        at = place + count
    if at < length:
        gaps.append((at, length))
    return tuple(gaps)


def reused_bytes(reused: Sequence[Stretch]) -> int:
    """How many bytes are taken from the old version."""
    return sum(count for _place, _offset, count in reused)
