"""Whether a line is slower than packing, as the side that sends on it sees it (docs/decisions/0055-packing.md)."""

from __future__ import annotations

import socket

from gimmal.base.tcp_info import tcp_info
from gimmal.transport.link_growth import NEAR_SECONDS

SLOW_RATE = 80e6
"""Bytes a second below which a line is slow: less than gigabit Ethernet, a fifth of what one processor packs."""

WINDOW_BYTES_MIN, WINDOW_BYTES = 1 << 20, 8 << 20
WINDOW_SECONDS = 0.05
"""One measurement: so many bytes at least, and either many or long, for the system counts in steps of milliseconds."""


def is_slow(round_trip: float | None, rate: float | None) -> bool:
    """Whether bytes that shrink should be packed for a line.

    Args:
        round_trip: seconds, the shortest seen; None where not known.
        rate: bytes a second that went through it while there were any; None while not known. A far line counts as
            slow until then: TCP begins slowly on it.
    """
    if rate is not None:
        return rate < SLOW_RATE
    return round_trip is not None and round_trip >= NEAR_SECONDS


class LineWatch:
    """Measures the line of one connection while bulk is sent on it.

    Args:
        connection: not owned.
        relayed: a relay is its other end. When that has no room the line behind it is full, not the disk of who reads.
    """

    def __init__(self, connection: socket.socket, *, relayed: bool) -> None:
        self._connection = connection
        self._relayed = relayed
        self._acknowledged = 0
        self._busy = 0.0
        self._rate: float | None = None

    def is_slow(self, round_trip: float | None) -> bool:
        """Whether the line is slow by what is known now.

        Args:
            round_trip: seconds, where it was measured; what the system knows ends at the relay.
        """
        info = tcp_info(self._connection)
        if info is None:
            return is_slow(round_trip, None)
        spent = info.busy if self._relayed else info.busy - info.full
        moved, busy = info.acknowledged - self._acknowledged, spent - self._busy
        if moved >= WINDOW_BYTES or (moved >= WINDOW_BYTES_MIN and busy >= WINDOW_SECONDS):
            self._acknowledged, self._busy = info.acknowledged, spent
            self._rate = moved / max(busy, 1e-3)
        known = [each for each in (round_trip, info.round_trip) if each is not None]
        return is_slow(max(known, default=None), self._rate)
