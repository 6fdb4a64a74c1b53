"""Whether a line is slower than packing, as the side that sends on it sees it (docs/decisions/0055-packing.md)."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Sequence

from gimmal.base.tcp_info import TcpInfo, tcp_info
from gimmal.transport.link_growth import NEAR_SECONDS

SLOW_RATE = 80e6
"""Bytes a second below which a line is slow: less than gigabit Ethernet, a fifth of what one processor packs."""

TOLD_BYTES = 1 << 20
"""What has to be through before a rate is believed: at first TCP feels its way, and a few bytes wait for nothing."""

LOOKS = 8
"""The best of so many looks counts: a busy computer makes each look worse, nothing makes one better."""


def is_slow(round_trip: float | None, rates: Sequence[float]) -> bool:
    """Whether bytes that shrink should be packed for a line.

    Args:
        round_trip: seconds, the shortest seen; None where not known.
        rates: bytes a second that it took when it was last looked at, at most LOOKS of them. A far line is slow until
            one says otherwise, for TCP begins slowly on it; any other is fast until all of LOOKS say otherwise.
    """
    if any(rate >= SLOW_RATE for rate in rates):
        return False
    return len(rates) >= LOOKS or (round_trip is not None and round_trip >= NEAR_SECONDS)


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

    def is_slow(self, round_trip: float | None) -> bool:
        """Whether the line is slow by what is known now.

        Args:
            round_trip: seconds, as measured by PING, which is more than it is while this process is busy; only used
                where the system does not know, or knows only the way to the relay.
        """
        if self._relayed:
            return round_trip is None or is_slow(round_trip, ())
        info = self._ask(self._connection)
        if info is None:
            return is_slow(round_trip, ())
        if info.acknowledged >= TOLD_BYTES:
            self._rates.append(info.rate)
        return is_slow(info.round_trip or round_trip, self._rates)
