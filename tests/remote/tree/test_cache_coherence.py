"""The cache against a side that changes under it: nothing it tells is older than it may be, whatever comes when.

A model of the other side keeps the history of every path. What the cache tells without asking must have been so at some
moment that is late enough: after the last notice that came, or within CHECK_SECONDS where nothing is watched, and
never before what this side did itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from random import Random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from gimmal.protocol.messages import Attributes, Change, ChangeKind, Entry, Kind
from gimmal.remote.tree.cache import TreeCache
from gimmal.remote.tree.looking import CHECK_SECONDS, ROOT_ATTRIBUTES
from gimmal.remote.tree.records import Absent, Ask, Known, Question, Ticket, joined, split

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
FOLDERS = ["s", "s/a", "s/b", "s/a/d"]
FILES = ["s/x", "s/a/x", "s/a/y", "s/b/x", "s/a/d/x", "s/b/d/x"]
PATHS = ["", *FOLDERS, "s/b/d", *FILES]
GRAIN = 2.0
THEIR_MOVES = [("s/a/d", "s/b/d"), ("s/b/d", "s/a/d"), ("s/a", "s/c"), ("s/c", "s/a")]
OUR_MOVES = [("s/a/d", "s/b/d"), ("s/b/d", "s/a/d"), ("s/b/x", "s/a/y"), ("s/a", "s/c")]
WATCHABLE = {
    "all watched": frozenset(FOLDERS),
    "nothing watched": frozenset[str](),
    "some watched": frozenset(("s", "s/a", "s/b/d")),
}


class FarSide:
    """What is there, when it was what, and who is told of changes."""

    def __init__(self, watchable: frozenset[str]) -> None:
        self.now = 1000.0
        self.watchable = watchable
        self.tree: dict[str, Attributes] = {}
        self.history: dict[str, list[tuple[float, Attributes | None]]] = {path: [(0.0, None)] for path in PATHS}
        self.watches: dict[int, str] = {}
        self.marks: dict[tuple[int, str], float] = {}
        self.over: list[tuple[int, float]] = []
        self.wire: list[tuple[float, list[Change]]] = []
        self._identity = 10
        self._count = 0
        self._last_watch = 0
        self.set("", ROOT_ATTRIBUTES)
        for folder in FOLDERS:
            self.make_folder(folder)
        for file in FILES[:3]:
            self.write(file)
        self.now += 10

    def tick(self) -> None:
        self.now += 0.001

    def set(self, path: str, attributes: Attributes | None) -> None:
        if attributes is None:
            del self.tree[path]
        else:
            self.tree[path] = attributes
        self.history.setdefault(path, [(0.0, None)]).append((self.now, attributes))

    def children(self, path: str) -> dict[str, Attributes]:
        return {
            split(inner)[1]: attributes for inner, attributes in self.tree.items() if inner and split(inner)[0] == path
        }

    def _time(self) -> int:
        return int(self.now // GRAIN * GRAIN * 1e9)

    def _new(self, kind: Kind) -> Attributes:
        self._identity += 1
        self._count += 1
        size = self._count if kind is Kind.FILE else 0
        return Attributes(kind, size, self._time(), 0o644, self._identity)

    def _mark(self, folder: str, name: str) -> None:
        for watch, path in self.watches.items():
            if path == folder:
                self.marks.setdefault((watch, name), self.now)

    def _touch(self, path: str) -> None:
        """The time of a folder in which a name came or went."""
        if path:
            before = self.tree[path]
            self.set(path, Attributes(before.kind, 0, self._time(), before.mode, before.identity))
            self._mark(path, "")

    def _named(self, path: str) -> None:
        above, name = split(path)
        self._mark(above, name)
        self._touch(above)

    def make_folder(self, path: str) -> None:
        self.set(path, self._new(Kind.DIRECTORY))
        self._named(path)

    def write(self, path: str) -> bool:
        """Make or alter a file."""
        if split(path)[0] not in self.tree:
            return False
        self.tick()
        before = self.tree.get(path)
        after = self._new(Kind.FILE)
        if before is None:
            self.set(path, after)
            self._named(path)
        else:
            self.set(path, Attributes(Kind.FILE, after.size, after.mtime_ns, before.mode, before.identity))
            self._mark(*split(path))
        return True

    def remove(self, path: str) -> bool:
        if path not in self.tree:
            return False
        self.tick()
        self.set(path, None)
        self._named(path)
        return True

    def rename(self, source: str, target: str) -> bool:
        """Move a folder with what is in it, watches below end."""
        if source not in self.tree or target in self.tree or split(target)[0] not in self.tree:
            return False
        if (split(target)[0] + "/").startswith(source + "/"):
            return False
        self.tick()
        for watch, path in list(self.watches.items()):
            if path == source or path.startswith(source + "/"):
                self.end_watch(watch)
        moved = {path: attributes for path, attributes in self.tree.items() if (path + "/").startswith(source + "/")}
        for path in sorted(moved, reverse=True):
            self.set(path, None)
        for path in sorted(moved):
            self.set(target + path[len(source) :], moved[path])
        self._named(source)
        self._named(target)
        return True

    def end_watch(self, watch: int) -> None:
        if self.watches.pop(watch, None) is not None:
            since = min((at for key, at in self.marks.items() if key[0] == watch), default=self.now)
            self.marks = {key: at for key, at in self.marks.items() if key[0] != watch}
            self.over.append((watch, since))

    def grant(self, path: str) -> int:
        if path not in self.watchable or path not in self.tree:
            return 0
        for watch, watched in self.watches.items():
            if watched == path:
                return watch
        self._last_watch += 1
        self.watches[self._last_watch] = path
        return self._last_watch

    def push(self, *, again: bool) -> None:
        """Look at what was marked, and send it."""
        times = [*self.marks.values(), *(at for _watch, at in self.over)]
        if not times:
            return
        changes = [Change(watch, ChangeKind.OVER) for watch, _at in self.over]
        if again:
            changes += [Change(watch, ChangeKind.AGAIN) for watch in sorted({watch for watch, _name in self.marks})]
        for watch, name in self.marks:
            if not again or not name:
                attributes = self.tree.get(joined(self.watches[watch], name) if name else self.watches[watch])
                changes.append(Change(watch, ChangeKind.ENTRY, name, attributes))
        self.wire.append((min(times), changes))
        self.marks.clear()
        self.over.clear()

    def lose_stream(self) -> None:
        self.watches.clear()
        self.marks.clear()
        self.over.clear()
        self.wire.clear()

    @property
    def untold_since(self) -> float:
        times = [*self.marks.values(), *(at for _watch, at in self.over), *(at for at, _changes in self.wire)]
        return min(times, default=self.now) - 0.0005

    def states(self, path: str, since: float) -> list[Attributes | None]:
        """All that a path was from then on."""
        history = self.history.get(path, [(0.0, None)])
        begun = max(index for index, (at, _state) in enumerate(history) if at <= since)
        return [state for _at, state in history[begun:]]

    def ever_in(self, path: str) -> list[str]:
        """The paths of all that ever was in a folder."""
        return [inner for inner in self.history if inner and split(inner)[0] == path]


@dataclass
class Flying:
    """A question on its way: sent, then perhaps read, then answered."""

    ticket: Ticket
    watch: int = 0
    watched: bool = False
    itself: Attributes | None = None
    answer: Any = None
    read: bool = False


@dataclass
class Doing:
    """A change of this side on its way."""

    tickets: list[Ticket]
    kind: str
    done: bool = False
    worked: bool = False
    result: Attributes | None = None
    begun: float = field(default=0.0)


class Coherence(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cache = TreeCache()
        self.far = FarSide(self.WATCHABLE)
        self.flying: list[Flying] = []
        self.doing: list[Doing] = []
        self.own: dict[str, float] = {}
        self.moved: dict[str, str] = {}
        self.streams = 1
        self.cache.opened(1, self.far.now)

    WATCHABLE = WATCHABLE["all watched"]

    # The far side changes --------------------------------------------------------------------------------------------

    @rule(path=st.sampled_from(FILES))
    def they_write(self, path: str) -> None:
        self.far.write(path)

    @rule(path=st.sampled_from(FILES))
    def they_remove(self, path: str) -> None:
        self.far.remove(path)

    @rule(pair=st.sampled_from(THEIR_MOVES))
    def they_move(self, pair: tuple[str, str]) -> None:
        self.far.rename(*pair)

    @rule(again=st.booleans())
    def they_tell(self, again: bool) -> None:
        self.far.push(again=again)

    @precondition(lambda self: self.far.wire)
    @rule()
    def notices_come(self) -> None:
        _at, changes = self.far.wire.pop(0)
        self.cache.noticed(changes, self.far.now)
        self.unwatch()

    @rule(seconds=st.sampled_from([0.3, 1.1, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.far.now += seconds
        self.far.tick()

    @rule()
    def the_stream_is_lost(self) -> None:
        self.far.lose_stream()
        self.cache.lost()
        self.streams += 1
        self.cache.opened(self.streams, self.far.now)
        for flying in self.flying:
            flying.watched = True  # of a stream that is no more: nothing will be granted
            flying.watch = flying.watch or 0

    @rule()
    def the_system_loses_count(self) -> None:
        for watch in list(self.far.watches):
            self.far.end_watch(watch)
        self.far.over = [(0, min((at for _watch, at in self.far.over), default=self.far.now))]

    # This side asks --------------------------------------------------------------------------------------------------

    @rule(path=st.sampled_from(PATHS), listing=st.booleans())
    def ask(self, path: str, listing: bool) -> None:
        self.hear()
        found = self.cache.listing(path, self.far.now) if listing else self.cache.find(path, self.far.now)
        if isinstance(found, Ask) and len(self.flying) < 4:
            self.far.tick()
            self.flying.append(Flying(self.cache.begin(found, self.far.now)))

    @rule(path=st.sampled_from([*FOLDERS, "s/a/x", "s/b/d"]), listing=st.booleans())
    def ask_at_once(self, path: str, listing: bool) -> None:
        for _ in range(4):
            self.hear()
            found = self.cache.listing(path, self.far.now) if listing else self.cache.find(path, self.far.now)
            if not isinstance(found, Ask):
                return
            self.far.tick()
            flying = Flying(self.cache.begin(found, self.far.now))
            self.read(flying)
            self.answer(flying)

    @precondition(lambda self: self.flying)
    @rule(which=st.integers(0, 3))
    def it_is_read(self, which: int) -> None:
        flying = self.flying[which % len(self.flying)]
        if flying.read:
            return
        if flying.ticket.ask.question is Question.LIST and not flying.watched:
            self.set_watch(flying)
            self.far.tick()
        else:
            self.read(flying)

    def set_watch(self, flying: Flying) -> None:
        path = flying.ticket.ask.path
        flying.watched, flying.watch = True, self.far.grant(path)
        flying.itself = self.far.tree.get(path) if path else None

    def read(self, flying: Flying) -> None:
        ask = flying.ticket.ask
        self.far.tick()
        if ask.question is Question.LIST and not flying.watched:
            self.set_watch(flying)
        flying.read = True
        there = self.far.tree.get(ask.path)
        if ask.question is Question.STAT:
            flying.answer = there
        elif there is not None and there.kind is Kind.DIRECTORY:
            flying.answer = [Entry(name, attributes) for name, attributes in self.far.children(ask.path).items()]

    @precondition(lambda self: any(flying.read for flying in self.flying))
    @rule(which=st.integers(0, 3))
    def the_answer_comes(self, which: int) -> None:
        read = [flying for flying in self.flying if flying.read]
        flying = read[which % len(read)]
        self.flying.remove(flying)
        self.answer(flying)

    def answer(self, flying: Flying) -> None:
        self.far.tick()
        if flying.ticket.ask.question is Question.STAT:
            self.cache.found(flying.ticket, flying.answer)
        elif flying.answer is None:
            self.cache.missing(flying.ticket)
        else:
            self.cache.listed(flying.ticket, flying.answer, flying.watch, flying.itself)
        self.unwatch()

    # This side changes -----------------------------------------------------------------------------------------------

    @rule(path=st.sampled_from(FILES), kind=st.sampled_from(["write", "remove"]))
    def we_begin(self, path: str, kind: str) -> None:
        if len(self.doing) < 2 and not self.is_changing(path):
            self.doing.append(Doing([self.cache.begin_change(path, self.far.now)], kind))

    @rule(pair=st.sampled_from(OUR_MOVES))
    def we_begin_to_move(self, pair: tuple[str, str]) -> None:
        if not self.doing:
            self.doing.append(Doing([self.cache.begin_change(path, self.far.now) for path in pair], "rename"))

    @precondition(lambda self: any(not doing.done for doing in self.doing))
    @rule()
    def it_is_done(self) -> None:
        doing = next(doing for doing in self.doing if not doing.done)
        paths = [ticket.ask.path for ticket in doing.tickets]
        doing.done = True
        self.far.tick()
        doing.worked = getattr(self.far, doing.kind)(*paths)
        doing.begun = self.far.now
        doing.result = self.far.tree.get(paths[0]) if doing.kind == "write" else None

    @precondition(lambda self: any(doing.done for doing in self.doing))
    @rule(lost=st.booleans())
    def we_hear_of_it(self, lost: bool) -> None:
        doing = next(doing for doing in self.doing if doing.done)
        self.doing.remove(doing)
        self.far.tick()
        if lost or not doing.worked:
            for ticket in doing.tickets:
                self.cache.doubted(ticket, self.far.now)
        elif doing.kind == "rename":
            source, target = (ticket.ask.path for ticket in doing.tickets)
            self.moved[target] = source
            self.cache.renamed(*doing.tickets, self.far.now)
        else:
            self.cache.changed(doing.tickets[0], doing.result, self.far.now)
        for ticket in doing.tickets:
            if doing.worked:
                for path in {ticket.ask.path, split(ticket.ask.path)[0]}:
                    self.own[path] = max(self.own.get(path, 0.0), doing.begun)
        self.unwatch()

    # What is told ----------------------------------------------------------------------------------------------------

    @invariant()
    def look(self) -> None:
        self.hear()
        now = self.far.now
        oldest = min(now - CHECK_SECONDS, self.far.untold_since)
        for path in PATHS:
            since = max(oldest, self.own.get(path, 0.0))
            found = self.cache.find(path, now)
            if isinstance(found, Known):
                # What this side moved may be told as it was where it came from.
                states = self.far.states(path, since) + self.far.states(self.came_from(path), oldest)
                assert found.attributes in states, f"{path}: told {found.attributes}, was {states}"
            elif isinstance(found, Absent):
                states = self.far.states(path, since)
                states += self.far.states(source, oldest) if (source := self.came_from(path)) else []
                assert None in states, f"{path}: told to be absent, was {states}"
            listing = self.cache.listing(path, now)
            if not isinstance(listing, Ask):
                told = {name.name for name in listing}
                for inner in self.far.ever_in(path):
                    states = self.far.states(inner, max(oldest, self.own.get(inner, 0.0)))
                    states += self.far.states(source, oldest) if (source := self.came_from(inner)) else []
                    there = split(inner)[1] in told
                    assert any((state is not None) is there for state in states), f"{inner}: {there}, was {states}"

    def teardown(self) -> None:
        """When everything has been told, nothing old is told any more."""
        self.flying.clear()
        self.far.push(again=False)
        while self.far.wire:
            self.notices_come()
        self.far.now += CHECK_SECONDS + 0.1
        self.look()
        numbers = self.cache.numbers
        for path in PATHS[1:]:
            found = self.cache.find_anyway(path)
            if isinstance(found, Known):
                assert numbers.path_of(found.number) == path

    def hear(self) -> None:
        if not self.cache.is_heard(self.far.now):
            began = self.far.now
            self.far.push(again=False)
            while self.far.wire:
                self.notices_come()
            self.cache.synced(began)

    def unwatch(self) -> None:
        for watch in self.cache.take_released():
            self.far.end_watch(watch)

    def came_from(self, path: str) -> str:
        for target, source in self.moved.items():
            if path == target or path.startswith(target + "/"):
                return source + path[len(target) :]
        return ""

    def is_changing(self, path: str) -> bool:
        return any(path in (ticket.ask.path for ticket in doing.tickets) for doing in self.doing)


@pytest.mark.parametrize("which", WATCHABLE)
def test_nothing_is_told_that_is_older_than_it_may_be(which: str) -> None:
    class Some(Coherence):
        WATCHABLE = WATCHABLE[which]

    run_state_machine_as_test(
        Some,
        settings=settings(
            max_examples=3000 if FULL else 15,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def step(machine: Coherence, random: Random) -> tuple[str, dict[str, Any]] | None:
    """A rule that may be followed now, and with what: what moves things on more often than what upsets all."""
    choose = random.choice
    rules: list[tuple[int, str, dict[str, Any]]] = [
        (3, "they_write", {"path": choose(FILES)}),
        (2, "they_remove", {"path": choose(FILES)}),
        (1, "they_move", {"pair": choose(THEIR_MOVES)}),
        (2, "they_tell", {"again": random.random() < 0.2}),
        (2, "notices_come", {}),
        (1, "time_passes", {"seconds": choose([0.3, 0.3, 1.1, 3.0])}),
        (4, "ask", {"path": choose(PATHS), "listing": random.random() < 0.5}),
        (4, "ask_at_once", {"path": choose([*FOLDERS, "s/a/x", "s/b/d"]), "listing": random.random() < 0.5}),
        (4, "it_is_read", {"which": random.randrange(4)}),
        (4, "the_answer_comes", {"which": random.randrange(4)}),
        (2, "we_begin", {"path": choose(FILES), "kind": choose(["write", "remove"])}),
        (1, "we_begin_to_move", {"pair": choose(OUR_MOVES)}),
        (3, "it_is_done", {}),
        (3, "we_hear_of_it", {"lost": random.random() < 0.2}),
    ]
    if random.random() < 0.1:
        rules += [(1, "the_stream_is_lost", {}), (1, "the_system_loses_count", {})]
    [(_often, name, named)] = random.choices(rules, [rule[0] for rule in rules])
    possible = {
        "notices_come": machine.far.wire,
        "it_is_read": machine.flying,
        "the_answer_comes": any(flying.read for flying in machine.flying),
        "it_is_done": any(not doing.done for doing in machine.doing),
        "we_hear_of_it": any(doing.done for doing in machine.doing),
    }
    return (name, named) if possible.get(name, True) else None


@pytest.mark.campaign
@pytest.mark.parametrize("which", WATCHABLE)
def test_the_same_on_many_random_walks(which: str) -> None:
    class Some(Coherence):
        WATCHABLE = WATCHABLE[which]

    for seed in range(60_000 if FULL else 1_200):
        random = Random(seed)
        machine = Some()
        done: list[object] = []
        for _ in range(50):
            if (taken := step(machine, random)) is not None:
                done.append(taken)
                getattr(machine, taken[0])(**taken[1])
                try:
                    machine.look()
                except AssertionError as error:
                    error.add_note(f"seed {seed}: {done}")
                    raise
        machine.teardown()
