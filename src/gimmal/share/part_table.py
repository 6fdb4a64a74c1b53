"""Part files held open: by one session, and by all of one side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from gimmal.base.fair_budget import FairBudget
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import PARTS_MAX
from gimmal.share.part import Part
from gimmal.share.part_journals import PartJournals
from gimmal.share.places import Place
from gimmal.share.refused import RefusedError

GIVE_WAY_SECONDS = 5.0
"""How long a session waits for a part file that one without links, or one that has ended, still writes to."""


PARTS_OF_ALL, PARTS_OF_EACH = 192, 2
"""Part files of all sessions together, beside those that each session may always have; each is two open files."""


class OpenParts:
    """All part files that this side's sessions hold open, by final place.

    Args:
        journals: where their verified blocks are noted.
    """

    def __init__(self, journals: PartJournals) -> None:
        self.journals = journals
        self.budget = FairBudget(PARTS_OF_ALL, PARTS_OF_EACH)
        self._changed = threading.Condition()
        self._holders: dict[Place, PartTable] = {}

    def hold(self, place: Place, holder: PartTable) -> None:
        """Reserve a place for a session; one without links or without an answer gives way, once it writes no more.

        Raises:
            RefusedError: LIMIT while another session is at it, or does not stop writing within GIVE_WAY_SECONDS.
        """
        silent: PartTable | None = None
        while (other := self._take(place, holder, silent)) is not None:
            # Outside the lock, for it takes seconds: its peer may be dead and nobody have noticed yet.
            if other.answers():
                raise RefusedError(Code.LIMIT)
            silent = other

    def _take(self, place: Place, holder: PartTable, silent: PartTable | None) -> PartTable | None:
        """Reserve a place; instead, the session with links that is at it, unless it is the one known to be silent."""
        deadline = time.monotonic() + GIVE_WAY_SECONDS
        with self._changed:
            while (other := self._holders.get(place)) is not None:
                if other is holder and not holder.is_closing(place):
                    return None
                if other is not holder and other.attached and other is not silent:
                    return other
                other.give_way(place)
                if self._holders.get(place) is other and not self._changed.wait(deadline - time.monotonic()):
                    raise RefusedError(Code.LIMIT)
            self._holders[place] = holder
        return None

    def end_shares(self) -> None:
        """Let go of what is open in shares that have ended; the files stay for another time."""
        with self._changed:
            ended = [(place, holder) for place, holder in self._holders.items() if place.share.ended]
        for place, holder in ended:
            holder.give_way(place)

    def release(self, place: Place, holder: PartTable) -> None:
        """A session is done with a place."""
        with self._changed:
            if self._holders.get(place) is holder:
                del self._holders[place]
                self._changed.notify_all()


class PartTable:
    """Part files that one session holds open, by their numbers. Safe for several threads."""

    def __init__(self, everyone: OpenParts) -> None:
        self.everyone = everyone
        self.attached = True
        """Whether the session has links; without any, another session may take over its part files."""
        self.answers: Callable[[], bool] = _true
        """Whether the session's peer answers just now; may block for seconds."""
        self._lock = threading.Lock()
        self._parts: dict[int, Part] = {}
        self._closing: set[Place] = set()
        self._next = 1
        self._share = everyone.budget.share()

    def add(self, part: Part) -> int:
        """The number of a part file just opened.

        Raises:
            RefusedError: LIMIT.
        """
        with self._lock:
            if len(self._parts) >= PARTS_MAX or not self._share.try_take(1):
                raise RefusedError(Code.LIMIT)
            number = self._next
            self._next += 1
            self._parts[number] = part
            return number

    def get(self, number: int) -> Part:
        """The part file of a number.

        Raises:
            RefusedError: UNKNOWN_PART.
        """
        with self._lock:
            part = self._parts.get(number)
        if part is not None and part.place.share.ended:
            self.drop(number, forget=False)  # opened just as its share was taken out
            part = None
        if part is None:
            raise RefusedError(Code.UNKNOWN_PART)
        return part

    def at(self, place: Place) -> tuple[int, Part] | None:
        """The part file open for a final place."""
        with self._lock:
            for number, part in self._parts.items():
                if part.place == place:
                    return number, part
        return None

    def drop(self, number: int, *, forget: bool) -> None:
        """Let go of a part file; ``forget`` removes its journal."""
        with self._lock:
            part = self._parts.pop(number, None)
            if part is None:
                return
            self._share.give(1)
            self._closing.add(part.place)
        part.close(forget=forget, when_closed=partial(self._closed, part.place))

    def give_way(self, place: Place) -> None:
        """Let another session have a place, once nothing writes to the part file any more."""
        found = self.at(place)
        if found is not None:
            self.drop(found[0], forget=False)
        elif not self.is_closing(place):
            self.everyone.release(place, self)

    def is_closing(self, place: Place) -> bool:
        """Whether the part file of a place was let go of and is still written to."""
        with self._lock:
            return place in self._closing

    def _closed(self, place: Place) -> None:
        with self._lock:
            self._closing.discard(place)
        self.everyone.release(place, self)

    def close(self) -> None:
        """Let go of all of them; the files stay for another time."""
        with self._lock:
            numbers = list(self._parts)
        for number in numbers:
            self.drop(number, forget=False)

    def __len__(self) -> int:
        return len(self._parts)


def _true() -> bool:
    return True
