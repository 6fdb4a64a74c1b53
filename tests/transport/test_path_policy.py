"""A session looks for better paths, settles on the best, and does not flap."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from math import log2

from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.transport.link import PathKind
from gimmal.transport.path_policy import (
    BAR_FIRST_SECONDS,
    PROBE_AGAIN_SECONDS,
    PROBE_CHANGED_SECONDS,
    PROBE_FIRST_SECONDS,
    PROBE_MOST_SECONDS,
    RESCUE_SECONDS,
    RESERVE_SECONDS,
    YOUNG_SECONDS,
    LinkView,
    PathPolicy,
    rank,
)

LAN, DIRECT, PUNCHED, RELAYED = PathKind.LAN, PathKind.DIRECT, PathKind.PUNCHED, PathKind.RELAYED
ALL = frozenset((LAN, DIRECT, PUNCHED, RELAYED))


def middle() -> float:
    return 0.5


@dataclass
class Network:
    """A session in a simulated network.

    Attributes:
        works: whether a path can be dialled at a time.
        holds: how long a link on it then lasts; None for ever.
    """

    works: Callable[[PathKind, float], bool]
    holds: Callable[[PathKind], float | None] = lambda _path: None
    draw: Callable[[], float] = middle
    dialable: frozenset[PathKind] = ALL
    used: float = 0.0
    in_use: bool = True
    now: float = 0.0
    links: list[tuple[LinkView, float]] = field(default_factory=list)
    probes: list[tuple[float, frozenset[PathKind]]] = field(default_factory=list)
    moves: list[tuple[float, PathKind]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.policy = PathPolicy(self.dialable, self.draw, self.now)
        self._attach(RELAYED)

    def _attach(self, path: PathKind, *, bulk: bool = False) -> None:
        self.links.append((LinkView(path, bulk), self.now))
        self._note()

    def _note(self) -> None:
        best = min((link.path for link, _since in self.links), key=rank, default=None)
        if best is not None and (not self.moves or self.moves[-1][1] is not best):
            self.moves.append((self.now, best))

    @property
    def paths(self) -> list[PathKind]:
        return [link.path for link, _since in self.links]

    def run(self, seconds: float, step: float = 0.1) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step
            if self.in_use:
                self.used = self.now
            for link, since in list(self.links):
                lasts = self.holds(link.path)
                if (lasts is not None and self.now - since >= lasts) or not self.works(link.path, self.now):
                    self.links.remove((link, since))
                    self.policy.lost(self.now, link.path, self.now - since)
            if not self.links and self.works(RELAYED, self.now):
                self._attach(RELAYED)  # as a session without links dials by itself
            views = [link for link, _since in self.links]
            plan = self.policy.look(self.now, views, self.used)
            assert plan.wait > 0
            assert not set(plan.probe) & {link.path for link in views}
            if plan.probe:
                self.probes.append((self.now, plan.probe))
                found = min((path for path in plan.probe if self.works(path, self.now)), key=rank, default=None)
                if found is not None:
                    self._attach(found)
                self.policy.probed(self.now)
            self.links = [one for index, one in enumerate(self.links) if index not in plan.retire]
            self._note()


def always(*paths: PathKind) -> Callable[[PathKind, float], bool]:
    return lambda path, _now: path in (*paths, RELAYED)


def test_paths_are_ranked_as_the_design_says() -> None:
    assert sorted([RELAYED, PUNCHED, LAN, DIRECT], key=rank) == [LAN, DIRECT, PUNCHED, RELAYED]


def test_a_better_path_is_found_at_once_and_the_relayed_link_stays_in_reserve() -> None:
    network = Network(always(DIRECT))
    network.run(1)
    assert network.moves == [(0.0, RELAYED), (network.probes[0][0], DIRECT)]
    assert network.moves[1][0] <= PROBE_FIRST_SECONDS + 0.2
    assert network.paths == [RELAYED, DIRECT]


def test_the_reserve_is_let_go_when_the_session_has_not_been_used_for_a_while() -> None:
    network = Network(always(DIRECT))
    network.run(RESERVE_SECONDS * 2)
    assert network.paths == [RELAYED, DIRECT]
    network.in_use = False
    network.run(RESERVE_SECONDS + 1)
    assert network.paths == [DIRECT]


def test_only_one_worse_link_is_kept_and_none_for_bulk() -> None:
    policy = PathPolicy(ALL, middle, 0.0)
    links = [LinkView(RELAYED), LinkView(RELAYED, bulk=True), LinkView(PUNCHED), LinkView(LAN), LinkView(RELAYED)]
    assert policy.look(1.0, links, 1.0).retire == (0, 1, 4)
    assert policy.look(100.0, links, 1.0).retire == (0, 1, 2, 4)


def test_links_the_other_side_dialled_are_its_own_to_let_go() -> None:
    policy = PathPolicy(ALL, middle, 0.0)
    links = [LinkView(RELAYED, mine=False), LinkView(DIRECT, mine=False)]
    assert policy.look(100.0, links, 0.0).retire == ()


def test_nothing_is_let_go_for_a_better_link_that_is_suspect() -> None:
    policy = PathPolicy(ALL, middle, 0.0)
    links = [LinkView(RELAYED), LinkView(RELAYED, bulk=True), LinkView(DIRECT, suspect=True)]
    assert policy.look(100.0, links, 0.0).retire == ()


def test_any_way_is_dialled_while_every_link_is_suspect() -> None:
    policy = PathPolicy(ALL, middle, 0.0)
    links = [LinkView(DIRECT, suspect=True)]
    plan = policy.look(10.0, links, 10.0)
    assert plan.rescue and not plan.retire
    assert not policy.look(10.1, links, 10.1).rescue
    assert policy.look(10.1 + RESCUE_SECONDS, links, 10.1).rescue
    assert not policy.look(20.0, links, 10.1, rescuing=True).rescue
    assert not policy.look(30.0, [LinkView(DIRECT, suspect=True), LinkView(RELAYED)], 10.1).rescue


def test_without_links_the_session_dials_by_itself() -> None:
    plan = PathPolicy(ALL, middle, 0.0).look(10.0, [], 10.0)
    assert not plan.rescue and not plan.probe


def test_probes_grow_rarer_and_never_end() -> None:
    network = Network(always())
    network.run(3600)
    times = [when for when, _paths in network.probes]
    pauses = [after - before for before, after in pairwise(times)]
    assert abs(pauses[0] - PROBE_AGAIN_SECONDS) < 0.3
    assert all(after >= before - 0.3 for before, after in pairwise(pauses))
    assert abs(pauses[-1] - PROBE_MOST_SECONDS) < 0.3
    assert len(times) < 25


def test_where_nothing_is_better_nothing_is_probed() -> None:
    network = Network(always(LAN))
    network.run(3600)
    assert len(network.probes) == 1
    assert not Network(always(), dialable=frozenset((RELAYED,))).probes


def test_a_change_of_the_network_is_followed_at_once() -> None:
    opened = 1000.0
    network = Network(lambda path, now: path is RELAYED or (path is DIRECT and now >= opened))
    network.run(opened)
    network.policy.changed(network.now)
    network.run(PROBE_CHANGED_SECONDS + 0.2)
    assert network.moves[-1][1] is DIRECT


def test_a_path_that_was_good_for_long_is_looked_for_at_once_when_it_is_lost() -> None:
    network = Network(lambda path, now: path is RELAYED or (path is DIRECT and not 500 < now < 500.05))
    network.run(510)
    assert [path for _when, path in network.moves] == [RELAYED, DIRECT, RELAYED, DIRECT]
    assert network.moves[3][0] - network.moves[2][0] <= PROBE_CHANGED_SECONDS + 0.3


@settings(max_examples=20)
@given(st.floats(0.0, YOUNG_SECONDS - 1), st.integers())
def test_a_path_that_does_not_hold_is_tried_ever_more_rarely(holds: float, seed: int) -> None:
    network = Network(always(DIRECT), lambda path: holds if path is DIRECT else None, random.Random(seed).random)
    hour = 3600
    network.run(hour, 0.5)
    moves = sum(path is DIRECT for _when, path in network.moves)
    assert 1 <= moves <= log2(hour / BAR_FIRST_SECONDS) + hour / 600 + 2


@settings(max_examples=20)
@given(
    flips=st.lists(st.floats(1.0, 400.0), min_size=1, max_size=12),
    better=st.sampled_from([LAN, DIRECT, PUNCHED]),
    seed=st.integers(),
)
def test_whatever_the_network_did_the_session_ends_on_the_best_path(
    flips: list[float], better: PathKind, seed: int
) -> None:
    """A path that comes and goes at random times and then stays is taken in the end, and few moves were made."""
    ends = [sum(flips[: index + 1]) for index in range(len(flips))]

    def works(path: PathKind, now: float) -> bool:
        gone = sum(now >= end for end in ends)
        return path is RELAYED or (path is better and (gone >= len(ends) or gone % 2 == 0))

    network = Network(works, draw=random.Random(seed).random)
    network.run(ends[-1] + 2 * 600 + 10, 0.5)
    assert network.moves[-1][1] is better
    assert better in network.paths
    assert len(network.moves) <= 2 * len(flips) + 3


@given(st.floats(0.0, 1.0, exclude_max=True))
def test_many_sessions_do_not_probe_in_step(drawn: float) -> None:
    policy = PathPolicy(ALL, lambda: drawn, 0.0)
    policy.probed(100.0)
    link = [LinkView(RELAYED)]
    due = 100.0 + PROBE_AGAIN_SECONDS * (0.75 + drawn / 2)
    assert not policy.look(due - 0.01, link, 0.0).probe
    assert policy.look(due + 0.01, link, 0.0).probe == ALL - {RELAYED}


def test_however_often_something_changes_probes_keep_their_distance() -> None:
    network = Network(always())
    for _ in range(600):
        network.policy.changed(network.now)
        network.run(0.1)
    assert len(network.probes) <= 62


def test_a_path_with_links_for_bulk_alone_gets_one_for_questions() -> None:
    policy = PathPolicy(frozenset((DIRECT, RELAYED)), middle, 0.0)
    links = [LinkView(DIRECT, bulk=True), LinkView(RELAYED)]
    assert policy.look(10.0, links, 10.0).probe == {DIRECT}
    assert not policy.look(10.0, [*links, LinkView(DIRECT)], 10.0).probe
    plan = policy.look(10.0, [LinkView(DIRECT, bulk=True), LinkView(DIRECT, suspect=True)], 10.0)
    assert plan.rescue


def test_links_that_a_rescue_left_over_are_let_go_but_one() -> None:
    policy = PathPolicy(ALL, middle, 0.0)
    links = [LinkView(RELAYED), LinkView(RELAYED), LinkView(RELAYED, mine=False), LinkView(RELAYED, bulk=True)]
    assert policy.look(1.0, links, 1.0).retire == (1,)
