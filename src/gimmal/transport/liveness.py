"""Which links still lead to the other side (docs/spec/paths.md, section 5).

No I/O and no clock of its own: whoever owns the links says what is to be seen of each, and is told what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

ASK_SECONDS = 1.0
"""Without a byte for so long, while something waits for an answer, a link is asked for a sign of life."""

SUSPECT_SECONDS = 1.5
"""Silence after which nothing new is asked on it, and another way is looked for."""

LOST_SECONDS = 2.0
"""Silence after which it is given up, where another link was heard meanwhile."""

STREAM_SECONDS = 15.0
"""The same through a relay while the other side may have stopped reading: a stream of ours waits for its disk."""

ROUND_TRIPS = 3
"""Round trips by which each of these is longer."""

MISSED_SECONDS = 0.2
"""An answer that has not come for so long, and three round trips, makes all other links be asked."""

LATE_SECONDS = 0.5
"""A look that comes so late says that this process slept or was busy: silence counts from there."""


NEVER = float("-inf")


class Verdict(Enum):
    """What to do about one link."""

    FINE = "nothing"
    ASK = "ask it for a sign of life"
    SUSPECT = "ask nothing new on it"
    LOST = "give it up"


@dataclass(frozen=True)
class Sight:
    """What is to be seen of one link at one instant; times are those of one clock, in seconds.

    Attributes:
        heard: when bytes came last.
        waiting: since when something on it waits for the other side; None where nothing does.
        asked: when the sign of life was asked for that has not come; None where none is awaited.
        round_trip: the shortest seen; None while not known.
        in_flight: whether the system sent bytes that the other end has not acknowledged; None where it does not say.
        silent: seconds since the system heard the other end; None where it does not say.
        pinged: when the last PING was sent; before all time where none was.
        proved: when the last PING was sent whose PONG came.
        streaming: whether a stream of ours waits on it to be worked off.
        relayed: the other end of the connection is a relay, not the other side.
        path: what it shares with others of the same path.
    """

    heard: float
    waiting: float | None
    asked: float | None = None
    round_trip: float | None = None
    in_flight: bool | None = None
    silent: float | None = None
    pinged: float = NEVER
    proved: float = NEVER
    streaming: bool = False
    relayed: bool = False
    path: object = None


class Liveness:
    """Judges the links of one session together.

    A link is never given up for its silence alone: a slow line, a full buffer on the way or a computer that is busy
    silences all links alike. Only one that stays silent while another answers what was asked later is lost.
    """

    def __init__(self) -> None:
        self._since = 0.0

    def look(self, now: float, due: float, sights: Sequence[Sight]) -> list[Verdict]:
        """Judge each link.

        Args:
            now: the time, never less than before.
            due: when this look was to be.
            sights: of all links of the session.

        Returns:
            a verdict for each, in order.
        """
        if now - due > LATE_SECONDS:
            self._since = now
        verdicts = [self._judge(now, sight) for sight in sights]
        for index, verdict in enumerate(verdicts):
            if verdict is Verdict.LOST and not _is_borne_out(index, sights):
                verdicts[index] = Verdict.SUSPECT
        self._judge_neighbours(now, sights, verdicts)
        asked = [max(sight.asked, self._since) for sight in sights if sight.asked is not None]
        missed = [since for since in asked if now - since >= MISSED_SECONDS]
        for index, sight in enumerate(sights):
            # Its answer bears out, or refutes, that the silence is that of one way alone.
            if missed and verdicts[index] is Verdict.FINE and sight.pinged < max(missed):
                verdicts[index] = Verdict.ASK
        return verdicts

    def _judge_neighbours(self, now: float, sights: Sequence[Sight], verdicts: list[Verdict]) -> None:
        """What shares its path with a link that leads nowhere, and does not answer either, goes with it."""
        for wanted in (Verdict.LOST, Verdict.SUSPECT):
            paths = {sight.path for sight, verdict in zip(sights, verdicts, strict=True) if verdict is wanted}
            for index, sight in enumerate(sights):
                asked = max(sight.asked, self._since) if sight.asked is not None else now
                is_silent = sight.path in paths and now - asked >= MISSED_SECONDS + _longer(sight)
                if not is_silent or verdicts[index] is Verdict.LOST or _has_a_reason(sight):
                    continue
                if wanted is Verdict.SUSPECT or _is_borne_out(index, sights):
                    verdicts[index] = wanted

    def _judge(self, now: float, sight: Sight) -> Verdict:
        if sight.waiting is None:
            return Verdict.FINE
        silence = now - self._quiet_from(sight)
        if silence < ASK_SECONDS:
            return Verdict.FINE
        if self._is_silent(now, sight, silence, LOST_SECONDS):
            return Verdict.LOST
        if self._is_silent(now, sight, silence, SUSPECT_SECONDS):
            return Verdict.SUSPECT
        return Verdict.ASK if sight.asked is None else Verdict.FINE

    def _is_silent(self, now: float, sight: Sight, silence: float, limit: float) -> bool:
        longer = _longer(sight)
        if sight.in_flight and min(silence, silence if sight.silent is None else sight.silent) >= limit + longer:
            return True  # not even the system at the other end acknowledges what was sent
        if sight.in_flight is not None and not sight.relayed:
            return False  # its system lives; the program there is busy, or waits for its disk
        if sight.streaming:
            limit = STREAM_SECONDS
        return sight.asked is not None and now - max(sight.asked, self._since) >= limit - ASK_SECONDS + longer

    def _quiet_from(self, sight: Sight) -> float:
        return max(sight.heard, self._since, sight.waiting if sight.waiting is not None else sight.heard)


def _is_borne_out(lost: int, sights: Sequence[Sight]) -> bool:
    asked = sights[lost].asked
    # What is asked later waits behind it in each queue that the two share.
    return asked is not None and any(sight.proved >= asked for index, sight in enumerate(sights) if index != lost)


def _has_a_reason(sight: Sight) -> bool:
    """Whether a link may be silent though it leads there: its reader is busy, or may have stopped reading."""
    return not sight.in_flight and (sight.streaming or (sight.in_flight is False and not sight.relayed))


def _longer(sight: Sight) -> float:
    return ROUND_TRIPS * (sight.round_trip or 0.0)
