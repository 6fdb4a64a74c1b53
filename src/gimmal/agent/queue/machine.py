"""What the queue decides: which transfer runs, waits, is stopped, is forgotten. No I/O, and the clock is an argument.

Each event gives a ``Change``, which the caller first makes durable and then applies, so that a disk that refuses leaves
the queue as it was. Which transfers run is not part of what is kept: after a restart none does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from gimmal.base.errors import ExitCode, GimmalError, UsageError

RUNNING_MAX = 3
"""Transfers at a time. One fills a line with large files; a second and a third make use of it while the first lists
or places small ones. More would only divide the same line, and come to their ends later."""

UNFINISHED_MAX = 1000
"""Transfers that wait, run or are paused."""

ENDED_MAX = 100
ENDED_SECONDS = 30 * 24 * 3600.0
"""How many that have ended are shown still, and for how long."""


class State(Enum):
    """How a transfer stands, as it is kept and shown. One that runs waits, as far as this goes."""

    WAITING = "waiting"
    PAUSED = "paused"
    DONE = "done"
    PARTLY = "partly done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_OPEN = frozenset((State.WAITING, State.PAUSED))


class Standing(Struct, frozen=True, tag="standing"):
    """One transfer's state, as it is kept.

    Attributes:
        number: never given again.
        queued, ended: seconds since 1970; ``ended`` is 0 before its end.
        discarding: its unfinished part files are still to be removed.
        message, hint: why it failed as a whole, or what could not be removed.
    """

    number: int
    queued: float
    state: State = State.WAITING
    ended: float = 0.0
    discarding: bool = False
    message: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Outcome:
    """How a run ended by itself.

    Attributes:
        state: DONE, PARTLY or FAILED; CANCELLED where part files were to be removed.
        message, hint: why it failed as a whole, or what could not be removed.
    """

    state: State
    message: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Stop:
    """A run is to be ended; ``drain`` lets it first finish what is under way, for a moment."""

    number: int
    drain: bool


@dataclass(frozen=True)
class Change:
    """What an event means: first to be kept, then applied, then done.

    Attributes:
        standings: new or changed ones.
        forgotten: numbers of those that are no more.
        stops: runs to be ended.
    """

    standings: tuple[Standing, ...] = ()
    forgotten: tuple[int, ...] = ()
    stops: tuple[Stop, ...] = ()


class Machine:
    """All transfers of one half on one computer.

    Args:
        standings: what was kept.
        next_number: of the next transfer.
    """

    def __init__(self, standings: Iterable[Standing] = (), next_number: int = 1) -> None:
        self.standings = {each.number: each for each in sorted(standings, key=lambda each: each.number)}
        self.next_number = max([next_number, *(number + 1 for number in self.standings)])
        self.running: dict[int, bool] = {}
        """Numbers of the runs under way; True for one that removes part files."""

    # Events of commands ----------------------------------------------------------------------------------------------

    def add(self, now: float) -> Change:
        """A further transfer, last in order.

        Raises:
            GimmalError: there are too many.
        """
        if sum(each.state in _OPEN for each in self.standings.values()) >= UNFINISHED_MAX:
            raise _refused(f"{UNFINISHED_MAX:,} transfers are queued already", "wait for some of them, or cancel some")
        return Change((Standing(self.next_number, now),))

    def pause(self, number: int | None) -> Change:
        """Stop one, or all, until it is resumed.

        Raises:
            GimmalError: there is none of that number, or it has ended.
        """
        chosen = self._chosen(number, lambda each: each.state is State.WAITING)
        changed = []
        for each in chosen:
            if each.state not in _OPEN:
                raise _ended(each, "nothing is left to pause")
            if each.state is State.WAITING:
                changed.append(replace(each, state=State.PAUSED))
        return Change(tuple(changed), stops=self._stops(changed, drain=True))

    def resume(self, number: int | None) -> Change:
        """Let one, or all that are paused, go on; one that failed or was cancelled begins again.

        Raises:
            GimmalError: there is none of that number, or it is done.
        """
        chosen = self._chosen(number, lambda each: each.state is State.PAUSED)
        changed = []
        for each in chosen:
            if each.state is State.DONE:
                raise _ended(each, "queue it once more instead")
            if each.state is not State.WAITING:
                cleared = replace(each, state=State.WAITING, ended=0.0, discarding=False, message="", hint="")
                changed.append(cleared)
        # A run that removes its part files must not go on beside one that continues them.
        stops = tuple(Stop(each.number, False) for each in changed if self.running.get(each.number))
        return Change(tuple(changed), stops=stops)

    def cancel(self, number: int | None, *, discard: bool, now: float) -> Change:
        """End one, or all that have not ended.

        Args:
            number: which, or None.
            discard: remove its unfinished part files too.
            now: seconds since 1970.

        Raises:
            GimmalError: there is none of that number, or it is done.
        """
        chosen = self._chosen(number, lambda each: each.state in _OPEN)
        changed = []
        for each in chosen:
            if each.state is State.DONE:
                raise _ended(each, "nothing is left to cancel")
            if each.state is not State.CANCELLED or (discard and not each.discarding):
                ended = each.ended or now
                changed.append(replace(each, state=State.CANCELLED, ended=ended, discarding=each.discarding or discard))
        return Change(tuple(changed), stops=self._stops(changed, drain=False))

    def clear(self) -> Change:
        """Forget those that have ended and need nothing more."""
        return Change(forgotten=tuple(each.number for each in self.standings.values() if self._over(each)))

    # Events of runs --------------------------------------------------------------------------------------------------

    def starts(self) -> list[int]:
        """Which runs are to begin now, in order; the caller says ``began`` of each."""
        waiting = [each for each in self.standings.values() if each.number not in self.running]
        wanted = [each.number for each in waiting if each.discarding]
        wanted += [each.number for each in waiting if each.state is State.WAITING]
        return wanted[: max(0, RUNNING_MAX - len(self.running))]

    def began(self, number: int) -> bool:
        """A run has begun; True where it is to remove part files."""
        discarding = self.standings[number].discarding
        self.running[number] = discarding
        return discarding

    def ended(self, number: int, outcome: Outcome | None, now: float) -> Change:
        """A run has ended, and its place is free.

        Args:
            number: of the transfer.
            outcome: None where it was stopped.
            now: seconds since 1970.
        """
        discarded = self.running.pop(number, False)
        standing = self.standings.get(number)
        if outcome is None or standing is None:
            return Change()
        if discarded:
            over = replace(standing, discarding=False, message=outcome.message)
            return Change((over,)) if standing.discarding else Change()
        if standing.state is State.CANCELLED and outcome.state is not State.DONE:
            return Change()
        # One that came to its end before it heard that it was to stop has come to its end.
        over = replace(standing, state=outcome.state, ended=now, message=outcome.message, hint=outcome.hint)
        return Change((replace(over, discarding=False) if outcome.state is State.DONE else over,))

    def expire(self, now: float) -> Change:
        """Forget those that ended long ago, and the oldest where there are too many."""
        over = sorted((each for each in self.standings.values() if self._over(each)), key=lambda each: each.ended)
        too_many = max(0, len(over) - ENDED_MAX)
        forgotten = [
            each.number for index, each in enumerate(over) if index < too_many or each.ended < now - ENDED_SECONDS
        ]
        return Change(forgotten=tuple(forgotten))

    # Applying --------------------------------------------------------------------------------------------------------

    def apply(self, change: Change) -> None:
        """Make a change that is kept by now."""
        for standing in change.standings:
            self.standings[standing.number] = standing
            self.next_number = max(self.next_number, standing.number + 1)
        for number in change.forgotten:
            self.standings.pop(number, None)

    def find(self, number: int) -> Standing:
        """One transfer.

        Raises:
            GimmalError: there is none of that number.
        """
        standing = self.standings.get(number)
        if standing is None:
            raise _refused(f"there is no transfer {number}", "`gimmal transfers` shows which there are")
        return standing

    def _chosen(self, number: int | None, fits: Callable[[Standing], bool]) -> list[Standing]:
        if number is not None:
            return [self.find(number)]
        return [each for each in self.standings.values() if fits(each)]

    def _stops(self, changed: list[Standing], *, drain: bool) -> tuple[Stop, ...]:
        # One that removes part files was cancelled before, and goes on with that.
        return tuple(Stop(each.number, drain) for each in changed if self.running.get(each.number) is False)

    def _over(self, standing: Standing) -> bool:
        return standing.state not in _OPEN and not standing.discarding and standing.number not in self.running


def _ended(standing: Standing, hint: str) -> GimmalError:
    return UsageError(f"transfer {standing.number} is {standing.state.value} already", hint)


def _refused(message: str, hint: str) -> GimmalError:
    error = GimmalError(message, hint)
    error.exit_code = ExitCode.REFUSED
    return error
