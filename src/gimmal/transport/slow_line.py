"""How a line's pace compares with packing, as the side that sends on it sees it (docs/decisions/0055-packing.md)."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum

from gimmal.base.tcp_info import TcpInfo, tcp_info
from gimmal.transport.link_growth import BULK_MAX, NEAR_SECONDS

SLOW_RATE = 80e6
"""Bytes a second below which a line is slow: less than gigabit Ethernet, a fifth of what one processor packs."""

NARROW_RATE = SLOW_RATE / BULK_MAX
"""The same for packing that takes longer and makes less, by what one link sees of a line that all of them share."""

TOLD_BYTES = 1 << 20
"""What has to be through before a rate is believed: at first TCP feels its way, and a few bytes wait for nothing."""

LOOKS = 8
"""The best of so many looks counts: a busy computer makes each look worse, nothing makes one better."""


class Pace(IntEnum):
    """Of a line, against that of packing."""

    FAST = 0
    """Packing would hold it up."""
    SLOW = 1
    """Slower than quick packing."""
    NARROW = 2
    """Slower than thorough packing too."""


def pace_of(round_trip: float | None, rates: Sequence[float]) -> Pace:
    """How bytes that shrink should be packed for a line.

    Args:
        round_trip: seconds, the shortest seen; None where not known.
        rates: bytes a second that it took when it was last looked at, at most LOOKS of them. A far line is slow until
            one says otherwise, for TCP begins slowly on it; any other is fast until all of LOOKS say otherwise.
    """
    best = max(rates, default=None)
    far = round_trip is not None and round_trip >= NEAR_SECONDS
    if (best is not None and best >= SLOW_RATE) or not (far or len(rates) >= LOOKS):
        return Pace.FAST
    return Pace.NARROW if best is not None and best < NARROW_RATE else Pace.SLOW


class LineWatch:
    """Looks at the line of one connection whenever bulk is to be sent on it.

    Args:
        connection: not owned.
        relayed: a relay is its other end. TCP knows nothing of the way behind it, which is slow unless it is short.
        ask: what is known of a connection.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        relayed: bool,
        ask: Callable[[socket.socket], TcpInfo | None] = tcp_info,
    ) -> None:
        self._connection = connection
        self._ask = ask
        self._relayed = relayed
        self._rates: deque[int] = deque(maxlen=LOOKS)

    def pace(self, round_trip: float | None) -> Pace:
        """Its pace by what is known now.

        Args:
            round_trip: seconds, as measured by PING, which is more than it is while this process is busy; only used
                where the system does not know, or knows only the way to the relay.
        """
        if self._relayed:
            return Pace.SLOW if round_trip is None else pace_of(round_trip, ())
        info = self._ask(self._connection)
        if info is None:
            return pace_of(round_trip, ())
        if info.acknowledged >= TOLD_BYTES:
            self._rates.append(info.rate)
        return pace_of(info.round_trip or round_trip, self._rates)
