"""Which half of the pair: ``a`` or ``b`` (docs/spec/half.md, section 1)."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """One of the two halves of a pair; its value is the letter used in every format."""

    A = "a"
    B = "b"

    @property
    def other(self) -> Side:
        """The side of the peer."""
        return Side.B if self is Side.A else Side.A
