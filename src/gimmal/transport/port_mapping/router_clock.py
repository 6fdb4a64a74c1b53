"""Whether a router still remembers its mappings, by the seconds it counts in each answer. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_SLACK = 2.0
"""Seconds that an answer may take, and clocks that count whole ones be off."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer.

    Attributes:
        epoch: seconds by the router.
        at: seconds by this computer.
    """

    epoch: int
    at: float


def lost_by_nat_pmp(before: Heard, now: Heard) -> bool:
    """RFC 6886, section 3.6: the router counts less than seven eighths of the time since, and two seconds."""
    return now.epoch < before.epoch + (now.at - before.at) * 7 / 8 - _SLACK


def lost_by_pcp(before: Heard, now: Heard) -> bool:
    """RFC 6887, section 8.5: it counted back, or the two clocks are apart by more than a sixteenth and two seconds."""
    here, there = now.at - before.at, now.epoch - before.epoch
    return there < -1 or here + _SLACK < there * 15 / 16 or there + _SLACK < here * 15 / 16


class RouterClock:
    """The seconds of one router.

    Args:
        lost: the rule of the protocol it was asked by.
    """

    def __init__(self, lost: Callable[[Heard, Heard], bool]) -> None:
        self._lost = lost
        self._before: Heard | None = None

    def hear(self, epoch: int, at: float) -> bool:
        """Note an answer; True if the router has forgotten its mappings since the one before.

        Args:
            epoch: seconds by the router.
            at: seconds by this computer, of any clock that does not go back.
        """
        before, now = self._before, Heard(epoch, at)
        self._before = now
        return before is not None and self._lost(before, now)
