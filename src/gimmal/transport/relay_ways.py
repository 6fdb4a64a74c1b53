"""Which way a relay is reached, and what one process has learned of it (docs/spec/relay.md, section 12.3).

No I/O, no clock.
"""

from __future__ import annotations

from enum import Enum

REMEMBERED_SECONDS = 600.0
"""After so long a way that was blocked is tried again."""


class LegWay(Enum):
    """What a data leg travels in."""

    RAW = "raw"
    TLS = "tls"
    WEB = "websocket"


_ORDER = (LegWay.RAW, LegWay.TLS, LegWay.WEB)


class LegWays:
    """The ways of legs to one relay, from one network.

    Args:
        only_web: the control came by WebSocket; nothing else is tried.
    """

    def __init__(self, only_web: bool = False) -> None:
        self.only_web = only_web
        self._place = 0
        self._proven = False
        self._moved = 0.0

    def current(self, now: float) -> LegWay:
        """The way to take for the next leg.

        Args:
            now: monotonic seconds.
        """
        if self.only_web:
            return LegWay.WEB
        if self._place and now - self._moved >= REMEMBERED_SECONDS:
            self._place, self._proven = 0, False
        return _ORDER[self._place]

    def next_after(self, way: LegWay) -> LegWay | None:
        """The way to try where one cannot be connected; None behind the last."""
        place = _ORDER.index(way) + 1
        return _ORDER[place] if place < len(_ORDER) and not self.only_web else None

    def is_proven(self, way: LegWay) -> bool:
        """Whether a link over this way, the current one, has come to life."""
        return self._proven and way is (LegWay.WEB if self.only_web else _ORDER[self._place])

    def known(self, now: float) -> LegWay | None:
        """The way that legs are known to travel in; None before a link over any has come to life.

        Args:
            now: monotonic seconds.
        """
        way = self.current(now)
        return way if self._proven else None

    def is_doubtful(self, way: LegWay) -> bool:
        """Whether a leg that was connected this way may lead nowhere: only raw ones can, the relay answers TLS."""
        return way is LegWay.RAW and not self._proven

    def worked(self, way: LegWay, now: float) -> None:
        """A link over this way has come to life."""
        self._proven = True
        if not self.only_web and way is not _ORDER[self._place]:
            self._place, self._moved = _ORDER.index(way), now

    def begin_anew(self) -> None:
        """No way has brought an answer: the fault is not that of a way."""
        self._place, self._proven = 0, False

    def failed(self, way: LegWay, now: float) -> None:
        """A link over this way has not come to life; the next is the current one, unless this was proven until now."""
        if self.only_web or way is not _ORDER[self._place]:
            return
        if self._proven:
            self._proven = False
        else:
            self._place, self._moved = (self._place + 1) % len(_ORDER), now


class RelayWays:
    """What one process has learned of the way to one relay; outlives its connections."""

    def __init__(self) -> None:
        self._network: tuple[str, bool] | None = None
        self._legs = LegWays()
        self._web_until = 0.0

    def web_first(self, now: float) -> bool:
        """Whether WebSocket is begun first, because it was what worked."""
        return now < self._web_until

    def connected(self, network: str, web: bool, now: float) -> LegWays:
        """A control has come.

        Args:
            network: this side's own address on the connection.
            web: it came by WebSocket.
            now: monotonic seconds.

        Returns:
            The ways of its legs.
        """
        self._web_until = now + REMEMBERED_SECONDS if web else 0.0
        if self._network != (network, web):
            self._network, self._legs = (network, web), LegWays(web)
        return self._legs
