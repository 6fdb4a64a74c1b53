"""Which part of the way a copy goes is the narrow one, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part that a copy passes.

    Attributes:
        name: as it stands in the sentence.
        from_there, to_there: bytes a second that it lets through when a copy goes from the other side, and to it; None
            where it was not measured.
    """

    name: str
    from_there: float | None = None
    to_there: float | None = None


def narrowest(parts: Sequence[Part], *, to_there: bool) -> tuple[Part, float] | None:
    """The part that lets the fewest bytes through one way, and how many; None where none was measured."""
    measured = [
        (rate, index) for index, part in enumerate(parts) if (rate := part.to_there if to_there else part.from_there)
    ]
    if not measured:
        return None
    rate, index = min(measured)
    return parts[index], rate


def sentence(parts: Sequence[Part], shown: Callable[[float], str]) -> str:
    """What bounds a copy each way.

    Args:
        parts: those that a copy passes; of several lines the one that it would take.
        shown: a rate as a person reads it.
    """
    down, up = narrowest(parts, to_there=False), narrowest(parts, to_there=True)
    if down is None and up is None:
        return "nothing could be measured"
    if down is None or up is None:
        found = down or up
        assert found is not None
        way = "from there" if down is not None else "to there"
        return f"the narrow part is {found[0].name}: a copy {way} is bounded by it, {shown(found[1])}"
    if down[0].name == up[0].name:
        return (
            f"the narrow part is {down[0].name}: "
            f"a copy from there is bounded by it, {shown(down[1])}, and so is one to there, {shown(up[1])}"
        )
    return (
        f"a copy from there is bounded by {down[0].name}, {shown(down[1])}; "
        f"one to there by {up[0].name}, {shown(up[1])}"
    )
