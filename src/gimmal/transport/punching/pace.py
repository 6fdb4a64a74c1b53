"""When to connect to a place, again and again (docs/spec/paths.md, section 7.3). No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PUNCH_SECONDS = 2.0
"""How long one punching tries."""

HALF_TRIP_MAX = 0.5
"""Seconds that an answerer waits for its answer to arrive, at most."""

ASKER_SECONDS, ANSWERER_SECONDS = 0.001, 0.06
"""From a refusal to the next try, on average."""

TRIES_MAX = 512
"""Connections that one side begins in one punching; each pair of places has an equal part of them."""


@dataclass(slots=True)
class Pace:
    """The tries for one place.

    A connection that comes before the other router has its hole may be refused. One side then tries again at once,
    the other one rarely: so one of the first's is nearly always on its way when the second's leaves, and they meet.

    Args:
        asks: whether this side asked for the punching.
        begin: when to connect first; this and all other times are of one clock, in seconds.
        pairs: how many share the tries.
        draw: a number from 0 to 1, another one each time.
    """

    asks: bool
    begin: float
    pairs: int
    draw: Callable[[], float]
    tries: int = 0

    @property
    def end(self) -> float:
        """When it is given up."""
        return self.begin + PUNCH_SECONDS

    def next_try(self, now: float) -> float | None:
        """Seconds until the next try; None where there is none. Counts it.

        Args:
            now: the time; the try before, if there was one, has failed by then.
        """
        if self.tries >= TRIES_MAX // self.pairs or now >= self.end:
            return None
        self.tries += 1
        if self.tries == 1:
            return max(self.begin - now, 0.0)
        pause = (ASKER_SECONDS if self.asks else ANSWERER_SECONDS) * (0.5 + self.draw())
        return pause if now + pause < self.end else None
