"""Whether to look for what two versions of a file share, before it is sent.

The figures: docs/decisions/0054-only-changes-travel.md. No I/O and no clock of its own.
"""

from __future__ import annotations

from enum import Enum

from gimmal.protocol.chunks import average_for

SIZE_MIN = 512 * 1024
"""Bytes below which a version is not worth looking at."""

COMPARE_RATE = 400e6
"""Bytes a second that both sides read, cut and hash at the same time."""

QUESTIONS = 1
"""Round trips that comparing costs before the first block is known."""

GAIN = 4.0
"""How many times longer than comparing the sending must take: if nothing is shared, a quarter is lost."""

NEAR_SECONDS = 0.005
"""A round trip below which the line may be faster than comparing: its rate is measured first."""

FAR_RATE = 6.25e6
"""Bytes a second taken for the rate of a longer line until it is measured: 50 Mbit/s."""

MEASURED_BYTES = 8 << 20
"""Bytes after which a rate is known."""


class Verdict(Enum):
    """What to do with a file."""

    WHOLE = "send it whole"
    COMPARE = "look for what is there already"
    MEASURE = "send a few blocks, and see how fast they go"


def judge(missing: int, new: int, old: int, round_trip: float, rate: float | None) -> Verdict:
    """Whether comparing pays.

    Args:
        missing: bytes that would be sent.
        new, old: bytes of the version to be copied, holes too, and of the one at the target.
        round_trip: seconds.
        rate: bytes a second that arrive, None where not known yet.
    """
    if min(missing, old) < SIZE_MIN or average_for(max(new, old)) is None:
        return Verdict.WHOLE
    if rate is None:
        if round_trip < NEAR_SECONDS:
            return Verdict.MEASURE if missing > MEASURED_BYTES else Verdict.WHOLE
        rate = FAR_RATE
    comparing = QUESTIONS * round_trip + max(new, old) / COMPARE_RATE
    return Verdict.COMPARE if missing / rate >= GAIN * comparing else Verdict.WHOLE


class Rate:
    """How many bytes a second arrive while something is sent whole."""

    def __init__(self) -> None:
        self._under_way = 0
        self._bytes = 0
        self._seconds = 0.0
        self._since = 0.0

    def begin(self, now: float) -> None:
        """A block is begun at ``now``, in seconds of a clock that only goes forward."""
        if not self._under_way:
            self._since = now
        self._under_way += 1

    def end(self, now: float, count: int) -> None:
        """A block is over; ``count`` of its bytes arrived."""
        self._seconds += now - self._since
        self._since = now
        self._under_way -= 1
        self._bytes += count

    @property
    def value(self) -> float | None:
        """Bytes a second, None before MEASURED_BYTES."""
        return self._bytes / max(self._seconds, 1e-9) if self._bytes >= MEASURED_BYTES else None
