"""How many bytes to have under way at a time, so that the line is full and whoever jumps waits for little.

Nobody knows a line. So what is under way is changed a little now and then, and the change kept where it pays: more
where more comes for it, less where as much comes without it. A delay that every fetch has, of the line or of busy
computers, is filled that way; a queue is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

UNDER_WAY_MIN, UNDER_WAY_MAX = 128 * 1024, 8 << 20
UNDER_WAY_FIRST = 512 * 1024
"""Bytes while nothing is known of the line."""

PIECE_MIN, PIECE_MAX = 32 * 1024, 1 << 20

SMALL = 128 * 1024
"""Bytes up to which a fetch that had the line to itself shows the round trip."""

FORGET_SECONDS = 15.0
"""After so long another such fetch is believed, also where it took longer: the way may have become another."""

FULL_TRIPS, NEAR_SECONDS = 1.25, 0.1
"""At least so many round trips of the line are under way; on a near one as much as makes a jump wait this long, for
there the computers need time, and large pieces."""

QUEUED_TRIPS = 1.6
"""Where fetches take so many round trips, something waits on the line already, or it is not steady."""

GROWING, MORE, MORE_PAYS = 2.0, 1.5, 1.08
LESS, LESS_COSTS = 0.8, 0.97
"""Factors that are tried (more at first, until that does not pay), and of the rate from which on they are kept."""

REST = 12
"""Times as much as is under way has to arrive between two trials."""

TICK_SECONDS = 1e-6
"""Nothing takes less."""


class Trial(Enum):
    """What is tried just now."""

    NOTHING = 0
    MORE = 1
    LESS = 2


@dataclass(frozen=True, slots=True)
class Sent:
    """A fetch under way."""

    at: float
    alone: bool


class LinePace:
    """Finds out how much to have under way, from fetches as they end. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.rate = 0.0
        """Bytes a second while the line was full; 0 while not known."""
        self.under_way = 0
        """Bytes."""
        self._believed = float(UNDER_WAY_FIRST)
        self._trial = Trial.NOTHING
        self._rest = 0
        self._growing = True
        self._leap = True
        """Less is tried as all that the line alone would need, not step by step."""
        self._settling = True
        """What arrives was asked for before the last change."""
        self._since: float | None = None
        self._arrived = 0
        self._heard: tuple[float, int, float] | None = None
        """Of the quickest fetch that had the line to itself: what it took, its size, and when it was."""

    @property
    def round_trip(self) -> float:
        """Seconds; 0 while not known."""
        if self._heard is None:
            return 0.0
        took, size, _at = self._heard
        return max(took - size / self.rate, took / 2) if self.rate else took

    @property
    def most(self) -> int:
        """Bytes that may be under way."""
        trip = self.round_trip
        needed = self.rate * max(FULL_TRIPS * trip, NEAR_SECONDS - trip)
        wanted = max(self._believed, needed)
        if self._trial is Trial.MORE:
            wanted *= GROWING if self._growing else MORE
        elif self._trial is Trial.LESS:
            wanted = needed if self._leap else max(needed, LESS * wanted)
        return int(max(UNDER_WAY_MIN, min(wanted, UNDER_WAY_MAX)))

    @property
    def room(self) -> int:
        """Bytes that may still be asked for in advance."""
        return self.most - self.under_way

    @property
    def piece(self) -> int:
        """Bytes of one fetch: a small part of what may be under way, so that the line never runs dry between two."""
        piece = PIECE_MIN
        while piece < PIECE_MAX and 8 * piece <= self.most:
            piece *= 2
        return piece

    def begin(self, size: int, now: float) -> Sent:
        """A fetch of ``size`` bytes begins."""
        alone = not self.under_way
        self.under_way += size
        return Sent(now, alone)

    def cancelled(self, size: int) -> None:
        """A fetch was given up or failed."""
        self.under_way -= size

    def arrived(self, sent: Sent, size: int, now: float) -> None:
        """A fetch is there."""
        full = 2 * self.under_way >= self.most
        self.under_way -= size
        if sent.alone and size <= SMALL:
            self._hear(max(now - sent.at, TICK_SECONDS), size, now)
        if not full or self._since is None:
            # Whoever reads takes less than the line carries: that says nothing of the line.
            self._since, self._arrived = now if full else None, 0
            return
        self._arrived += size
        if self._arrived >= self.most:
            rate = self._arrived / max(now - self._since, TICK_SECONDS)
            self._since, self._arrived = now, 0
            self._judge(rate)

    def _hear(self, took: float, size: int, now: float) -> None:
        heard = self._heard
        if heard is None or took <= heard[0] or now - heard[2] > FORGET_SECONDS:
            self._heard = took, size, now

    def _judge(self, rate: float) -> None:
        """As much as is under way has arrived, at this rate."""
        if self._settling:
            self._settling = False
        elif self._trial is Trial.MORE:
            self._judge_more(rate)
        elif self._trial is Trial.LESS:
            self._judge_less(rate)
        else:
            self._judge_nothing(rate)

    def _judge_more(self, rate: float) -> None:
        if rate >= MORE_PAYS * self.rate and self.most < UNDER_WAY_MAX:
            self._believed, self.rate = float(self.most), rate
            self._try(Trial.MORE)
        else:
            self._growing = False
            self._try(Trial.LESS)

    def _judge_less(self, rate: float) -> None:
        if rate >= LESS_COSTS * self.rate:
            before, self._believed = self._believed, float(self.most)
            if not self._leap and self._believed < before:
                self._try(Trial.LESS)
                return
        self._leap = False
        self._rest = REST
        self._try(Trial.NOTHING)

    def _judge_nothing(self, rate: float) -> None:
        first, slower = not self.rate, rate < self.rate / 2
        self.rate += rate - self.rate if first or slower else (rate - self.rate) / 4
        self._rest -= 1
        if slower or (first and self.most > QUEUED_TRIPS * self.rate * self.round_trip > 0):
            self._leap = True
            self._try(Trial.LESS)
        elif self._rest <= 0:
            self._try(Trial.MORE)

    def _try(self, trial: Trial) -> None:
        self._trial, self._settling = trial, True
