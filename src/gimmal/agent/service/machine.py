"""What the supervisor does about each half: when to start its agent, when to start it again, when to leave it alone.

No I/O and no clock: looks and ends of agents come in, things to do go out. Seconds are those of a clock that never goes
back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from gimmal.base.errors import ExitCode

PAUSE_FIRST, PAUSE_MOST = 1.0, 60.0
"""Before an agent that failed is started again; doubled each time."""

STEADY_SECONDS = 60.0
"""An agent that ran for so long was sound: its failure begins a new count."""

GONE_SECONDS = 2.0
"""What an agent has to notice that its half is gone; then it is told to stop, and after as long again killed."""

HALVES_MAX = 64
"""Halves that are looked after; more are left alone."""


class Condition(Enum):
    """How things stand with a half that is plugged in."""

    STARTING = "starting"
    SERVING = "serving"
    LOCKED = "waiting for its password"
    PAUSING = "starting again soon"
    PUT_AWAY = "unplugged by command"
    REFUSED = "cannot be served"


@dataclass(frozen=True, slots=True)
class Seen:
    """A half as one look found it.

    Attributes:
        location: the folder ``GIMMAL``.
        identity: differs where another half, or the same one joined again, lies there.
        pair_id, side, pair_name: of its clear header; empty where that cannot be read.
        has_password: it takes a password to open it.
        fault: why its header cannot be read; empty where it can.
    """

    location: str
    identity: tuple[int, ...]
    pair_id: bytes = b""
    side: str = ""
    pair_name: str = ""
    has_password: bool = False
    fault: str = ""


class Deed(Enum):
    """What is to be done with an agent."""

    START = "start"
    STOP = "stop"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Attributes:
        number: of the agent; each start has its own.
    """

    deed: Deed
    location: str
    number: int


@dataclass(frozen=True, slots=True)
class View:
    """A half as ``gimmal service status`` shows it; ``since`` and ``again_in`` are seconds from now."""

    seen: Seen
    condition: Condition
    number: int
    connected: bool
    since: float
    again_in: float | None
    reason: str


@dataclass(slots=True)
class _Half:
    seen: Seen
    condition: Condition
    changed: float
    number: int = 0
    """Of the agent that runs for it; 0 for none."""
    started: float = 0.0
    connected: bool = False
    failures: int = 0
    again: float = 0.0
    reason: str = ""
    last_event: str = ""
    gone: float | None = None
    """When it was first missed while its agent still runs."""
    told: int = 0
    """How often that agent was told to end."""
    unwanted: bool = False
    """A command had its agent end."""


class Supervision:
    """The halves that are plugged in, and their agents."""

    def __init__(self) -> None:
        self._halves: dict[str, _Half] = {}
        self._numbers = 0

    @property
    def calm(self) -> bool:
        """Whether no half is missed, to be started again, or read again: nothing is due by the mere passing of time."""
        return all(
            half.gone is None and half.condition in (Condition.SERVING, Condition.LOCKED, Condition.PUT_AWAY)
            for half in self._halves.values()
        )

    def look(self, seen: Iterable[Seen], now: float) -> list[Action]:
        """Take in what one look found; call it every second at least while it is not ``calm``."""
        found = {one.location: one for one in list(seen)[:HALVES_MAX]}
        actions: list[Action] = []
        for location, half in list(self._halves.items()):
            one = found.get(location)
            if one is None or one.identity != half.seen.identity:
                self._miss(half, now, actions)
            elif not half.told:
                half.gone = None
        for location, one in found.items():
            known = self._halves.get(location)
            if known is None:
                self._halves[location] = self._begin(one, now, actions)
            elif known.number == 0 and known.condition is Condition.PAUSING and now >= known.again:
                self._start(known, now, actions)
            elif known.condition is Condition.REFUSED and not known.number and known.seen != one:
                self._halves[location] = self._begin(one, now, actions)
        return actions

    def _miss(self, half: _Half, now: float, actions: list[Action]) -> None:
        location = half.seen.location
        if not half.number:
            del self._halves[location]
            return
        if half.gone is None:
            half.gone, half.told = now, 0
        # Usually it ends by itself, at once: it looks more often than this.
        if now - half.gone >= GONE_SECONDS * (half.told + 1) and half.told < 2:
            actions.append(Action(Deed.KILL if half.told else Deed.STOP, location, half.number))
            half.told += 1

    def _begin(self, seen: Seen, now: float, actions: list[Action]) -> _Half:
        half = _Half(seen, Condition.REFUSED, now, reason=seen.fault)
        if not seen.fault:
            if seen.has_password:
                half.condition = Condition.LOCKED
            else:
                self._start(half, now, actions)
        return half

    def _start(self, half: _Half, now: float, actions: list[Action]) -> None:
        self._numbers += 1
        half.number, half.started, half.last_event = self._numbers, now, ""
        half.connected, half.gone, half.unwanted = False, None, False
        self._become(half, Condition.STARTING, now, half.reason)
        actions.append(Action(Deed.START, half.seen.location, half.number))

    @staticmethod
    def _become(half: _Half, condition: Condition, now: float, reason: str = "") -> None:
        half.condition, half.changed, half.reason = condition, now, reason

    # What agents say and how they end -----------------------------------------------------------------------------

    def said(self, number: int, event: str, now: float) -> None:
        """An agent said a line: ``ready``, ``connected`` and so on; what an agent of before says counts for nothing."""
        half = self._of(number)
        if half is None:
            return
        half.last_event = event
        if event == "ready":
            self._become(half, Condition.SERVING, now)
        elif event in ("connected", "disconnected"):
            half.connected = event == "connected"

    def ended(self, number: int, code: int, reason: str, now: float) -> None:
        """An agent is no more.

        Args:
            code: its exit code; negative for a signal.
            reason: its error, displayable; may be empty.
        """
        half = self._of(number)
        if half is None:
            return
        half.number, half.connected = 0, False
        if half.gone is not None:
            # The next look finds whatever lies there now, as something new.
            del self._halves[half.seen.location]
        elif half.unwanted or (code == ExitCode.OK and half.last_event == "stopped"):
            self._become(half, Condition.PUT_AWAY, now)
        elif code == ExitCode.DISABLED:
            self._become(half, Condition.REFUSED, now, reason)
        elif half.seen.has_password:
            # Nobody kept the password.
            self._become(half, Condition.LOCKED, now, reason or _how_it_ended(code))
        else:
            half.failures = 1 if now - half.started >= STEADY_SECONDS else half.failures + 1
            half.again = now + min(PAUSE_MOST, PAUSE_FIRST * 2 ** min(half.failures - 1, 10))
            self._become(half, Condition.PAUSING, now, reason or _how_it_ended(code))

    # What commands ask ----------------------------------------------------------------------------------------------

    def find(self, pair_id: bytes, side: str) -> View | None:
        """The half of a pair and side, where one is plugged in; one that runs before one that does not."""
        best = max(self._all(pair_id, side), key=lambda half: half.number, default=None)
        return None if best is None else self._view(best, best.changed)

    def start(self, location: str, now: float) -> Action | None:
        """Start the agent of a half for which none runs: its password is at hand, or none is needed."""
        half = self._halves.get(location)
        if half is None or half.number or half.condition is Condition.REFUSED:
            return None
        half.failures = 0
        actions: list[Action] = []
        self._start(half, now, actions)
        return actions[0]

    def put_away(self, pair_id: bytes, side: str, now: float) -> list[Action]:
        """Start nothing for a half until it was pulled out, or is unlocked; what still runs is to be stopped.

        That goes for each copy of it that is plugged in: none is to step in for the one that was unplugged.
        """
        actions = []
        for half in self._all(pair_id, side):
            if half.number:
                half.unwanted = True
                actions.append(Action(Deed.STOP, half.seen.location, half.number))
            elif half.condition in (Condition.LOCKED, Condition.PAUSING):
                self._become(half, Condition.PUT_AWAY, now)
        return actions

    def views(self, now: float) -> list[View]:
        """All halves, in order of place."""
        return [self._view(half, now) for _location, half in sorted(self._halves.items())]

    @staticmethod
    def _view(half: _Half, now: float) -> View:
        again_in = max(0.0, half.again - now) if half.condition is Condition.PAUSING else None
        return View(half.seen, half.condition, half.number, half.connected, now - half.changed, again_in, half.reason)

    def _all(self, pair_id: bytes, side: str) -> list[_Half]:
        return [half for half in self._halves.values() if (half.seen.pair_id, half.seen.side) == (pair_id, side)]

    def _of(self, number: int) -> _Half | None:
        return next((half for half in self._halves.values() if half.number == number and number), None)


def _how_it_ended(code: int) -> str:
    return f"its agent was ended by signal {-code}" if code < 0 else f"its agent ended with exit code {code}"
