"""How fast the log of use may grow: a peer that floods it must not push out what it did before.

No I/O, no clock.
"""

from __future__ import annotations

BURST_BYTES = 4 << 20
"""Bytes that may be written at once."""

DAY_BYTES = 2 << 20
"""Bytes a day that may be written in the long run."""

_DAY_SECONDS = 24 * 3600.0


class Allowance:
    """Bytes that may be written, growing with time.

    Args:
        now: seconds of a clock that only goes forward.
    """

    def __init__(self, now: float) -> None:
        self._bytes = float(BURST_BYTES)
        self._since = now

    def take(self, size: int, now: float) -> bool:
        """Whether so many bytes may be written now; then they are taken."""
        self._bytes = min(BURST_BYTES, self._bytes + (now - self._since) * DAY_BYTES / _DAY_SECONDS)
        self._since = now
        if size > self._bytes:
            return False
        self._bytes -= size
        return True
