"""How many links carry a session's bulk: more while they help (docs/decisions/0053-growing-links.md).

No I/O and no clock of its own: whoever owns the links says what it sees, and is told what to do.
"""

from __future__ import annotations

from dataclasses import dataclass

BULK_MAX = 8
"""Links for bulk in one session."""

BULK_RELAYED_MAX = 4
"""The same where a relay carries them: each costs it a ticket and a leg."""

NEAR_SECONDS = 0.003
"""Round trip below which a second link for bulk only costs: neither delay nor loss caps one there."""

FAR_SECONDS = 0.010
"""Round trip from which one link is too few from the start: its buffers hold less than the line."""

GAIN = 1.10
"""How much more must pass with the links that were added than without them."""

SETTLE_ROUND_TRIPS, SETTLE_SECONDS_MIN = 10, 0.3
"""Until new links run at their own pace; nothing is measured before."""

WINDOW_ROUND_TRIPS, WINDOW_SECONDS_MIN = 10, 0.5
"""What one measurement takes at least."""

REST_SECONDS, REST_SECONDS_MAX = 30.0, 600.0
"""After links that did not help, until more are tried again; doubled each time."""

BUSY = 0.85
"""Part of a processor above which this process is what limits the copy."""

HUNGRY_PART = 0.75
"""Part of the looks of a window in which the links must have been what was waited for."""

CHANGED = 2.0
"""A round trip that many times longer or shorter is another path."""


@dataclass(frozen=True)
class Sample:
    """What is to be seen of a session's links at one instant.

    Attributes:
        links: that carry bulk; those that are being let go are not counted.
        dialling: links on their way.
        most: links that may carry bulk here.
        moved: bytes of all links so far, of those too that are gone; both directions.
        asked: requests for bulk that wait for their answers.
        idle: links of ``links`` on which nothing is asked.
        round_trip: seconds, the shortest seen; None while not known.
        busy: part of a processor that the event loop took since the last sample, 0 to 1.
        relayed: a relay carries the bulk.
    """

    links: int
    dialling: int
    most: int
    moved: int
    asked: int
    idle: int
    round_trip: float | None
    busy: float
    relayed: bool = False


@dataclass(frozen=True)
class Advice:
    """Links to dial, or to let go those dialled last; nothing to do where both are 0."""

    add: int = 0
    drop: int = 0


KEEP = Advice()


def first_links(round_trip: float | None, most: int, *, relayed: bool) -> int:
    """Links to dial for a session's first bulk.

    Args:
        round_trip: seconds; None where not known.
        most: links that may carry bulk.
        relayed: only a relay is known to reach the other side.
    """
    if relayed or round_trip is None or round_trip < NEAR_SECONDS:
        return min(1, most)
    return min(2 if round_trip < FAR_SECONDS else 4, most)


class LinkGrowth:
    """Doubles the links as long as that raises the total by ``GAIN``; then leaves what did not help, and rests.

    Measured is only while the links are what is waited for: each has something asked of it, and this process has
    time left. So nothing is added for a disk or a processor that is slow, nor for the end of a copy.
    """

    def __init__(self) -> None:
        self._links = 0
        self._round_trip: float | None = None
        self._relayed = False
        self._dialling = False
        self._before: float | None = None
        self._added = 0
        self._settled_at = 0.0
        self._window: _Window | None = None
        self._rest_until = 0.0
        self._rest = REST_SECONDS
        self.rate: float | None = None
        """Bytes a second of all links in the last whole window; None before the first."""

    def look(self, now: float, sample: Sample) -> Advice:
        """Take in a sample.

        Args:
            now: seconds, never less than the time before.
            sample: what is to be seen.

        Returns:
            what to do. Links that were to be dialled show as ``dialling`` in the next sample, or not at all where they
            could not be dialled.
        """
        if self._is_new_path(sample):
            self._forget()
        if sample.dialling:
            self._dialling = True
            return KEEP
        if self._dialling or sample.links != self._links:
            self._take_in(now, sample)
            return KEEP
        if now < self._settled_at or sample.links == 0:
            return KEEP
        if self._window is None:
            self._window = _Window(now, sample.moved)
            return KEEP
        self._window.look(sample)
        if now - self._window.begun < max(WINDOW_SECONDS_MIN, WINDOW_ROUND_TRIPS * (self._round_trip or 0.0)):
            return KEEP
        window, self._window = self._window, None
        if not window.hungry:
            return KEEP
        self.rate = (sample.moved - window.moved) / (now - window.begun)
        return self._judge(now, sample, self.rate)

    def paused(self) -> None:
        """Nothing is asked for a while: what was measured before says nothing about what comes."""
        self._before = self._window = None

    def _is_new_path(self, sample: Sample) -> bool:
        before, now = self._round_trip, sample.round_trip
        changed = now is not None and before is not None and not before / CHANGED <= now <= before * CHANGED
        if changed or before is None or sample.relayed is not self._relayed:
            self._round_trip, relayed, self._relayed = now, self._relayed, sample.relayed
            return changed or relayed is not sample.relayed
        return False

    def _forget(self) -> None:
        self._before = self._window = self.rate = None
        self._rest_until, self._rest = 0.0, REST_SECONDS

    def _take_in(self, now: float, sample: Sample) -> None:
        """Links came or went: what they do shows once they have settled."""
        gained = sample.links - self._links
        if self._dialling and gained <= 0:
            self._rest_until = now + REST_SECONDS
        if gained <= 0:
            self._before = None
        self._added = max(gained, 0)
        self._dialling = False
        self._links = sample.links
        self._window = None
        self._settled_at = now + max(SETTLE_SECONDS_MIN, SETTLE_ROUND_TRIPS * (self._round_trip or 0.0))

    def _judge(self, now: float, sample: Sample, rate: float) -> Advice:
        before, self._before = self._before, None
        if before is not None and rate < before * GAIN:
            self._rest_until = now + self._rest
            self._rest = min(2 * self._rest, REST_SECONDS_MAX)
            return Advice(drop=min(self._added, sample.links - 1))
        room = sample.most - sample.links
        if room <= 0 or now < self._rest_until or (self._round_trip or 0.0) < NEAR_SECONDS:
            return KEEP
        self._before = rate
        return Advice(add=min(sample.links, room))


class _Window:
    """One measurement."""

    def __init__(self, begun: float, moved: int) -> None:
        self.begun = begun
        self.moved = moved
        self._looks = 0
        self._hungry = 0

    def look(self, sample: Sample) -> None:
        self._looks += 1
        self._hungry += sample.asked >= sample.links and not sample.idle and sample.busy < BUSY

    @property
    def hungry(self) -> bool:
        """Whether the links were what was waited for."""
        return self._hungry >= HUNGRY_PART * self._looks
