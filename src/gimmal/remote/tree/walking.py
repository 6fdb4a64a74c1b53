"""Which folders to list before a reader asks: those that somebody who walks through a tree comes to next. No I/O.

Somebody who lists a folder and then one in it is taken to walk. What is listed ahead of them is bounded by what they
read so far: who stops, or looks at two folders only, has made the other side list a few for nothing.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from gimmal.base.paths import PATH_BYTES_MAX
from gimmal.remote.tree.records import joined, split

WALK_SECONDS = 10.0
"""Two reads that belong to one walk are at most so far apart."""

FIRST_FOLDERS, FIRST_ENTRIES = 4, 500
"""Ahead of whoever has just begun; twice what was read is added."""

FOLDERS_MOST, ENTRIES_MOST = 64, 16_384
"""Ahead of one walk at most."""

WALKS_MAX = 4
STEPS_MAX = 65_536
"""Folders of one walk that are known and were not read yet; of what is found beyond, nothing is listed ahead."""

PATHS_MOST = 8 << 20
"""Bytes that the paths of such folders and their places in the order take, of all walks; the same holds beyond."""

RECENT_MAX = 64

TURNS_MAX, TURN_STEPS_MAX = 4, 8192
"""So often it is believed of one walk that it goes the other way, and only while no more folders are known."""

FoldersOf = Callable[[str], tuple[list[str], int] | None]
"""The names of the folders in a folder, in the order of its listing, and how many entries it has in all; None where it
is not listed."""


@dataclass(slots=True, eq=False)
class _Step:
    """A folder of a walk.

    Attributes:
        key: its place in the order of a walk that goes to the bottom first: the places in each listing on the way,
            counted from the end where the walk goes backwards, as programs do that put what they found on a stack.
        asked: it was handed out.
        here: it was listed; so many ``entries`` it has.
        read: the reader has come to it.
        spread: the folders in it are steps, too.
    """

    path: str
    key: tuple[int, ...]
    asked: bool = False
    here: bool = False
    read: bool = False
    spread: bool = False
    entries: int = 0

    cost: int = field(init=False)
    """Bytes of its path and key; a string may take more of them later."""

    def __post_init__(self) -> None:
        self.cost = sys.getsizeof(self.path) + 8 * len(self.key)


@dataclass(slots=True, eq=False)
class _Walk:
    root: str
    at: float
    again: bool = False
    """Its root was listed once more: whoever comes to what was read already begins anew."""
    steps: dict[str, _Step] = field(default_factory=dict)
    held: int = 0
    """What its steps cost."""
    waiting: list[tuple[tuple[int, ...], str]] = field(default_factory=list)
    """Neither handed out nor read, in the order of their keys."""
    position: tuple[int, ...] = ()
    way: int = 0
    """Steps on less steps back of late."""
    turns: int = 0
    ahead: int = 0
    """Handed out and not read."""
    ahead_entries: int = 0
    under_way: int = 0
    used: int = 0
    used_entries: int = 0
    came: int = 0
    came_entries: int = 0


class WalkAhead:
    """All walks through one tree.

    Args:
        folders_of: what is known.
        entries_most: that may be listed ahead of one walk.
    """

    def __init__(self, folders_of: FoldersOf, entries_most: int = ENTRIES_MOST) -> None:
        self._folders_of = folders_of
        self._entries_most = min(entries_most, ENTRIES_MOST)
        self._recent: dict[str, float] = {}
        self._walks: list[_Walk] = []

    def reads(self, path: str, now: float, *, fresh: bool) -> None:
        """A reader wants the listing of a folder.

        Args:
            path: wire path.
            now: seconds, on any clock.
            fresh: it can be told without a question.
        """
        walk = self._walk_at(path, now)
        if walk is not None:
            self._walks.remove(walk)
            self._walks.insert(0, walk)
            self._step(walk, path, now, fresh=fresh)
        for walk in self._walks:
            walk.again = walk.again or walk.root == path
        self._recent.pop(path, None)
        self._recent[path] = now
        if len(self._recent) > RECENT_MAX:
            del self._recent[next(iter(self._recent))]

    def next(self) -> str | None:
        """A folder that should be listed now, told once: hand it to ``came`` or ``failed``."""
        for walk in self._walks:
            if (path := self._next_of(walk)) is not None:
                return path
        return None

    def came(self, path: str, now: float) -> None:
        """A folder was listed, by whomever, or found to be as it was listed."""
        for walk in self._walks:
            if (step := walk.steps.get(path)) is None:
                continue
            if step.read:
                walk.at = now
            self._arrive(walk, step)

    def failed(self, path: str) -> None:
        """A folder that was asked for could not be listed, or was not wanted whole."""
        for walk in self._walks:
            if (step := walk.steps.get(path)) is not None:
                _leave_ahead(walk, step)
                _remove(walk, step)
                _take_waiting(walk, step)

    # ----------------------------------------------------------------------------------------------------------------

    def _walk_at(self, path: str, now: float) -> _Walk | None:
        self._walks = [walk for walk in self._walks if walk.steps and now - walk.at <= WALK_SECONDS]
        for walk in self._walks:
            if path in walk.steps:
                return walk
        above = split(path)[0]
        since = self._recent.get(above)
        if not path or since is None or now - since > WALK_SECONDS or self._is_walked(above):
            return None
        walk = _Walk(above, now)
        self._spread(walk, _Step(above, ()))
        others = [other for other in self._walks if other.root != above]
        self._walks = [walk, *others[: WALKS_MAX - 1]]
        return walk

    def _is_walked(self, above: str) -> bool:
        """Whether what is in a folder belongs to a walk already: it was read before, or is new since."""
        return any(
            not walk.again if above == walk.root else not walk.root or above.startswith(f"{walk.root}/")
            for walk in self._walks
        )

    def _step(self, walk: _Walk, path: str, now: float, *, fresh: bool) -> None:
        step = walk.steps.get(path)
        if step is None:
            return
        walk.at = now
        _go(walk, step)
        if step.here and not fresh:
            walk.used //= 4  # the reader is too slow: what is listed ahead gets old
        walk.used += 1
        _take_waiting(walk, step)
        _leave_ahead(walk, step)
        step.read = True
        if step.here or fresh:
            self._arrive(walk, step)

    def _arrive(self, walk: _Walk, step: _Step) -> None:
        known = self._folders_of(step.path)
        first = not step.here
        if first:
            _take_waiting(walk, step)
            if step.asked and not step.read:
                walk.under_way -= 1
            step.here = True
            step.entries = known[1] if known is not None else 0
            walk.came, walk.came_entries = walk.came + 1, walk.came_entries + step.entries
            if step.asked and not step.read:
                walk.ahead_entries += step.entries
        if not step.spread:
            self._spread(walk, step, known)
        if step.read:
            walk.used_entries += step.entries
            _remove(walk, step)

    def _spread(self, walk: _Walk, step: _Step, known: tuple[list[str], int] | None = None) -> None:
        """The folders in a folder are to be listed, too."""
        known = known if known is not None else self._folders_of(step.path)
        if known is None:
            return
        step.spread = True
        found = []
        room = PATHS_MOST - sum(other.held for other in self._walks if other is not walk)
        for place, name in enumerate(known[0][: STEPS_MAX - len(walk.steps)]):
            path, key = joined(step.path, name), (*step.key, place if walk.turns % 2 == 0 else ~place)
            if len(path.encode()) <= PATH_BYTES_MAX and path not in walk.steps:
                one = _Step(path, key)
                if walk.held + one.cost > room:
                    break
                walk.steps[path] = one
                walk.held += one.cost
                found.append((key, path))
        at = bisect_right(walk.waiting, (step.key, step.path))
        walk.waiting[at:at] = sorted(found)  # nothing else lies between a folder and the next one beside it

    def _next_of(self, walk: _Walk) -> str | None:
        if not walk.waiting or walk.ahead >= min(FOLDERS_MOST, FIRST_FOLDERS + 2 * walk.used):
            return None
        each = walk.came_entries / walk.came if walk.came else 0
        ahead = walk.ahead_entries + walk.under_way * each
        if ahead > min(self._entries_most, FIRST_ENTRIES + 2 * walk.used_entries):
            return None
        at = bisect_right(walk.waiting, (walk.position, ""))
        _key, path = walk.waiting.pop(at if at < len(walk.waiting) else 0)
        walk.steps[path].asked = True
        walk.ahead += 1
        walk.under_way += 1
        return path


def _go(walk: _Walk, step: _Step) -> None:
    """The reader is there now."""
    before, walk.position = walk.position, step.key
    depth = min(len(before), len(step.key))
    if before[:depth] == step.key[:depth]:
        return
    walk.way = max(-2, min(2, walk.way + (1 if step.key > before else -1)))
    if walk.way <= -2 and walk.turns < TURNS_MAX and len(walk.steps) <= TURN_STEPS_MAX:
        walk.turns += 1
        walk.way = 0
        for other in walk.steps.values():
            other.key = tuple(~place for place in other.key)
        walk.position = step.key
        walk.waiting = sorted((walk.steps[path].key, path) for _key, path in walk.waiting)


def _remove(walk: _Walk, step: _Step) -> None:
    del walk.steps[step.path]
    walk.held -= step.cost


def _take_waiting(walk: _Walk, step: _Step) -> None:
    at = bisect_right(walk.waiting, (step.key, step.path)) - 1
    if not step.asked and at >= 0 and walk.waiting[at][1] == step.path:
        del walk.waiting[at]


def _leave_ahead(walk: _Walk, step: _Step) -> None:
    """It does not count as listed ahead any more."""
    if step.asked and not step.read:
        walk.ahead -= 1
        if step.here:
            walk.ahead_entries -= step.entries
        else:
            walk.under_way -= 1
