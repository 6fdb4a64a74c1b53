"""What is listed ahead of somebody who walks: in how many waits they are through, and how much is asked for nothing."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.remote.tree.walking import (
    ENTRIES_MOST,
    FIRST_FOLDERS,
    FOLDERS_MOST,
    PATHS_MOST,
    STEPS_MAX,
    WALK_SECONDS,
    WALKS_MAX,
    WalkAhead,
)

Tree = dict[str, tuple[list[str], int]]
"""Folders with the names of the folders in them, and how many files they hold."""


class Reader:
    """Reads a model of the other side; whatever is under way when it has to wait comes before it goes on."""

    def __init__(self, tree: Tree, entries_most: int = ENTRIES_MOST) -> None:
        self.tree = tree
        self.known: dict[str, tuple[list[str], int]] = {}
        self.walks = WalkAhead(self.known.get, entries_most)
        self.under_way: list[str] = []
        self.ahead: set[str] = set()
        self.asked: list[str] = []
        self.read_count = 0
        self.waits = 0
        self.now = 0.0

    def read(self, path: str) -> list[str]:
        self.walks.reads(path, self.now, fresh=path in self.known)
        self.read_count += 1
        self.ahead.discard(path)
        mine = [] if path in self.known or path in self.under_way else [path]
        self.under_way += mine
        self.pump()
        if path not in self.known:
            self.waits += 1
            self.arrive()
        return [f"{path}/{name}" for name in self.tree[path][0]]

    def pump(self) -> None:
        while (path := self.walks.next()) is not None:
            if path in self.known:
                self.walks.came(path, self.now)
            elif path not in self.under_way:
                self.under_way.append(path)
                self.asked.append(path)
                self.ahead.add(path)

    def arrive(self) -> None:
        """All that was under way; what is asked for meanwhile takes another round trip."""
        coming, self.under_way = self.under_way, []
        for path in coming:
            if path not in self.tree:
                self.walks.failed(path)
                continue
            self.known[path] = (self.tree[path][0], sum(map(len, self.tree[path][:1])) + self.tree[path][1])
            self.walks.came(path, self.now)
            self.pump()


def flat(folders: int, files: int) -> Tree:
    names = [f"{number:04}" for number in range(folders)]
    return {"r": (names, 3), **{f"r/{name}": ([], files) for name in names}}


def bushy(depth: int, width: int, at: str = "r") -> Tree:
    names = [f"{number}" for number in range(width if depth else 0)]
    tree: Tree = {at: (names, 2)}
    for name in names:
        tree |= bushy(depth - 1, width, f"{at}/{name}")
    return tree


def to_the_bottom(reader: Reader, path: str = "r") -> None:
    for inner in reader.read(path):
        to_the_bottom(reader, inner)


def backwards(reader: Reader, path: str = "r") -> None:
    for inner in reversed(reader.read(path)):
        backwards(reader, inner)


def level_by_level(reader: Reader) -> None:
    waiting = ["r"]
    while waiting:
        waiting += reader.read(waiting.pop(0))


@pytest.mark.parametrize("walk", [to_the_bottom, backwards, level_by_level])
@pytest.mark.parametrize(("tree", "waits"), [(flat(100, 99), 8), (bushy(3, 5), 14)], ids=["wide", "deep"])
def test_somebody_who_walks_waits_a_few_times_whatever_way_they_go(
    walk: Callable[[Reader], None], tree: Tree, waits: int
) -> None:
    reader = Reader(tree)
    walk(reader)
    assert set(reader.known) == set(tree)
    assert reader.waits <= waits
    assert len(reader.asked) == len(set(reader.asked))


def test_who_lists_one_folder_has_nothing_listed_ahead() -> None:
    reader = Reader(flat(100, 5))
    for path in ("r", "r", "r"):
        reader.read(path)
    assert not reader.asked


def test_who_lists_a_folder_in_it_much_later_does_not_walk() -> None:
    reader = Reader(flat(100, 5))
    reader.read("r")
    reader.now = WALK_SECONDS + 0.1
    reader.read("r/0003")
    assert not reader.asked


def test_who_stops_has_a_few_folders_listed_for_nothing() -> None:
    reader = Reader(flat(1000, 5))
    reader.read("r")
    reader.read("r/0003")
    # Those after the one that is read come first.
    assert reader.asked == [f"r/{number:04}" for number in range(4, 4 + FIRST_FOLDERS + 2)]
    for _ in range(5):
        reader.arrive()
    assert len(reader.asked) == FIRST_FOLDERS + 2


def test_of_large_folders_few_are_listed_ahead() -> None:
    reader = Reader(flat(100, 50_000))
    for path in reader.read("r"):
        reader.read(path)
        # The first were asked for before it was known how large they are.
        assert len(reader.ahead) <= (FIRST_FOLDERS + 2 if reader.read_count < 8 else 2)


def test_a_walk_that_begins_anew_is_recognised() -> None:
    reader = Reader(flat(200, 5))
    for path in reader.read("r")[:20]:
        reader.read(path)
    reader.known.clear()  # it was too long ago
    reader.waits = 0
    for path in reader.read("r")[:20]:
        reader.read(path)
    assert reader.waits <= 5


def test_a_folder_that_is_told_too_late_makes_the_rest_be_asked_later() -> None:
    reader = Reader(flat(200, 5))
    paths = reader.read("r")
    for path in paths[:60]:
        reader.read(path)
    wide = len(reader.ahead)
    for path in paths[60:70]:
        reader.known.pop(path, None)
        reader.read(path)
    assert len(reader.ahead) < wide


def test_what_cannot_be_listed_holds_nothing_up() -> None:
    tree = flat(100, 5)
    gone = {path for path in list(tree)[1:] if path[-1] in "02468"}
    reader = Reader({path: inner for path, inner in tree.items() if path not in gone})
    for path in reader.read("r"):
        if path not in gone:
            reader.read(path)
    assert reader.waits <= 8


def test_two_who_walk_at_once_are_both_served() -> None:
    tree: Tree = {}
    for root in ("a", "b"):
        tree |= {root + path.removeprefix("r"): inner for path, inner in flat(50, 5).items()}
    reader = Reader(tree)
    for one, other in zip(reader.read("a"), reader.read("b"), strict=True):
        reader.read(one)
        reader.read(other)
    assert reader.waits <= 14


def test_there_is_a_bound_of_walks_and_of_their_steps() -> None:
    tree: Tree = {"r": ([str(number) for number in range(STEPS_MAX + 10)], 0)}
    tree |= {f"r/{name}": ([], 0) for name in tree["r"][0][:10]}
    for number in range(WALKS_MAX + 3):
        tree |= {f"w{number}": (["a", "b"], 0), f"w{number}/a": ([], 0), f"w{number}/b": ([], 0)}
    reader = Reader(tree)
    reader.read("r")
    reader.read("r/0")
    (walk,) = reader.walks._walks
    assert len(walk.steps) <= STEPS_MAX
    for number in range(WALKS_MAX + 3):
        reader.read(f"w{number}")
        reader.read(f"w{number}/a")
    assert len(reader.walks._walks) == WALKS_MAX


def test_long_paths_are_bounded_by_their_bytes() -> None:
    """A tree as deep as paths may be, with many folders at each depth: nothing else bounds what their paths take."""
    deep: Tree = {}
    reader = Reader(deep)
    names = [f"{number:04}" for number in range(2000)]
    for number in range(WALKS_MAX):
        path = f"w{number}"
        while len(path) < 4000:
            deep[path] = (names, 0)
            path += "/0000"
        deep[path] = ([], 0)
        path = f"w{number}"
        while path in deep and deep[path][0]:
            reader.read(path)
            path += "/0000"
        assert paths_held(reader) <= PATHS_MOST
    assert paths_held(reader) > PATHS_MOST // 2
    assert sum(walk.held for walk in reader.walks._walks) == paths_held(reader)
    reader.now += 2 * WALK_SECONDS
    reader.read("w0/0000")
    reader.read("w0/0000/0000")
    (walk,) = reader.walks._walks
    reader.walks.failed(next(iter(walk.steps)))
    assert walk.steps
    assert walk.held == paths_held(reader)


def paths_held(reader: Reader) -> int:
    """Bytes of the paths of all walks, with their places in the order."""
    steps = [step for walk in reader.walks._walks for step in walk.steps.values()]
    return sum(sys.getsizeof(step.path) + 8 * len(step.key) for step in steps)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    seed = draw(st.integers(0, 2**32))
    dice = random.Random(seed)
    tree: Tree = {"r": ([], dice.randrange(20))}
    for _ in range(draw(st.integers(0, 150))):
        above = dice.choice(list(tree))
        name = str(len(tree[above][0]))
        tree[above][0].append(name)
        tree[f"{above}/{name}"] = ([], dice.choice([0, 3, 3000]))
    return tree


def some_reads(tree: Tree, dice: random.Random) -> Iterator[str]:
    """A reader of any kind: walks on, jumps, leaves out, comes back."""
    waiting = ["r"]
    while waiting:
        path = waiting.pop(dice.choice([0, -1, dice.randrange(len(waiting))]))
        if dice.random() < 0.8:
            yield path
        if dice.random() < 0.1:
            yield dice.choice(list(tree))
        waiting += [f"{path}/{name}" for name in tree[path][0]]


@settings(max_examples=60, deadline=None)
@given(trees(), st.integers(0, 2**32))
def test_whoever_reads_whatever_the_bounds_hold_and_the_counts_are_right(tree: Tree, seed: int) -> None:
    dice = random.Random(seed)
    reader = Reader(tree)
    for path in some_reads(tree, dice):
        reader.read(path)
        if dice.random() < 0.05:
            reader.known.pop(path, None)
        for walk in reader.walks._walks:
            steps = walk.steps.values()
            assert walk.ahead == sum(step.asked and not step.read for step in steps) <= FOLDERS_MOST
            assert walk.under_way == sum(step.asked and not step.read and not step.here for step in steps)
            assert walk.ahead_entries == sum(step.entries for step in steps if step.asked and not step.read)
            assert walk.waiting == sorted(walk.waiting)
            assert {path for _key, path in walk.waiting} == {
                step.path for step in steps if not (step.asked or step.read or step.here)
            }
            assert walk.ahead <= FIRST_FOLDERS + 2 * max(walk.used, reader.read_count)
