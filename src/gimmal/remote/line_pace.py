"""How many bytes to have under way at a time, so that the line is full and whoever jumps waits for little."""

from __future__ import annotations

from dataclasses import dataclass

UNDER_WAY_MIN, UNDER_WAY_MAX = 128 * 1024, 8 << 20
UNDER_WAY_FIRST = 512 * 1024
"""Bytes while nothing is known of the line."""

FULL_TRIPS, FULL_SECONDS = 1.25, 0.02
"""What is under way fills the line for so many round trips, or so long where they are short: so a jump waits for a
quarter of a round trip at most."""

PIECE_MIN, PIECE_MAX = 32 * 1024, 1 << 20

SMALL = 64 * 1024
"""Bytes up to which a fetch that had the line to itself shows the round trip."""

LISTEN_SECONDS = 15.0
"""After so long one fetch gets the line to itself: the way may have become another, and a line that is kept full
shows only how much waits on it."""

GROWING_TRIPS, FASTER, STEADY = 2.0, 1.1, 3
"""While the line shows itself FASTER than believed it is given more, until STEADY times as much brought nothing new."""

TICK_SECONDS = 1e-6
"""Nothing takes less."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A fetch under way."""

    at: float
    arrived_before: int
    alone: bool
    full: bool
    """Whether as much was under way as may be, so that the line shows what it carries."""


class LinePace:
    """Estimates rate and round trip from fetches as they end. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.rate = 0.0
        """Bytes a second; 0 while not known."""
        self.round_trip = 0.0
        """Seconds; 0 while not known."""
        self.under_way = 0
        self._arrived = 0
        self._was_full = False
        self._growing = True
        self._grew_at = 0
        """How much had arrived when the line last showed itself faster."""
        self._listened_at = 0.0

    @property
    def most(self) -> int:
        """Bytes that may be under way."""
        trips = GROWING_TRIPS if self._growing else FULL_TRIPS
        wanted = min(self.rate * max(trips * self.round_trip, FULL_SECONDS), UNDER_WAY_MAX)
        return max(UNDER_WAY_MIN if self._was_full else UNDER_WAY_FIRST, int(wanted))

    def room(self, now: float) -> int:
        """Bytes that may still be asked for in advance."""
        if self._listens(now):
            return 0 if self.under_way else PIECE_MIN
        return self.most - self.under_way

    def piece(self, now: float) -> int:
        """Bytes of one fetch: a quarter of what may be under way, so that the line never runs dry between two."""
        piece = PIECE_MIN
        while piece < PIECE_MAX and 8 * piece <= self.most and not self._listens(now):
            piece *= 2
        return piece

    def _listens(self, now: float) -> bool:
        return self._was_full and now - self._listened_at > LISTEN_SECONDS

    def begin(self, size: int, now: float) -> Sent:
        """A fetch of ``size`` bytes begins."""
        alone = not self.under_way
        self.under_way += size
        return Sent(now, self._arrived, alone, self.under_way >= self.most - PIECE_MIN)

    def cancelled(self, size: int) -> None:
        """A fetch was given up or failed."""
        self.under_way -= size

    def arrived(self, sent: Sent, size: int, now: float) -> None:
        """A fetch is there."""
        self.under_way -= size
        self._arrived += size
        took = max(now - sent.at, TICK_SECONDS)
        sample = (self._arrived - sent.arrived_before) / took
        if sample > FASTER * self.rate:
            self._growing, self._grew_at = True, self._arrived
        elif self._arrived - self._grew_at >= STEADY * self.most:
            self._growing = False
        if sample > self.rate:
            self.rate = sample
        elif sent.full:
            self.rate += (sample - self.rate) / 8
        if sent.alone and size <= SMALL:
            self._listened(size, took, now)
        self._was_full = self._was_full or sent.full

    def _listened(self, size: int, took: float, now: float) -> None:
        trip = max(took - size / self.rate, took / 2) if self._was_full else took
        if not self.round_trip or self._listens(now):
            if trip > FASTER * self.round_trip:
                # With so few under way as before, a longer line would carry no more than it did.
                self._growing, self._grew_at = True, self._arrived
            self.round_trip = trip
        else:
            self.round_trip = min(self.round_trip, trip)
        self._listened_at = now
