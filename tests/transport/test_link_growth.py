"""Links for bulk are added while they help, and only then."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.link_growth import (
    BULK_MAX,
    FAR_SECONDS,
    KEEP,
    NEAR_SECONDS,
    REST_SECONDS,
    Advice,
    LinkGrowth,
    Sample,
    first_links,
)

LOOK = 0.1


@dataclass
class Line:
    """A line of a total rate on which each link is capped too, and the one copy that uses it.

    Attributes:
        total, each: bytes a second.
        round_trip: seconds.
        busy: part of a processor that the copy takes.
        hungry: whether requests wait on all links.
        dials: whether links can be dialled at all.
    """

    total: float
    each: float
    round_trip: float = 0.05
    most: int = BULK_MAX
    busy: float = 0.1
    hungry: bool = True
    dials: bool = True
    links: int = 1
    now: float = 100.0
    moved: float = 0.0
    dialling: int = 0
    peak: int = 1

    def run(self, growth: LinkGrowth, seconds: float) -> list[Advice]:
        """Copy for a while; the advice that was followed."""
        followed = []
        end = self.now + seconds
        while self.now < end:
            self.now += LOOK
            self.moved += LOOK * min(self.total, self.each * self.links)
            advice = growth.look(self.now, self.sample())
            if self.dialling:
                self.links += self.dialling if self.dials else 0
                self.dialling = 0
            if advice != KEEP:
                followed.append(advice)
            self.dialling = advice.add
            self.links -= advice.drop
            self.peak = max(self.peak, self.links)
        return followed

    def sample(self) -> Sample:
        asked = 3 * self.links if self.hungry else self.links - 1
        idle = 0 if self.hungry else 1
        moved = int(self.moved)
        return Sample(self.links, self.dialling, self.most, moved, asked, idle, self.round_trip, self.busy)


rates = st.floats(1e5, 2e8)


@given(
    total=rates,
    each=rates,
    round_trip=st.floats(NEAR_SECONDS, 0.5),
    links=st.integers(1, 4),
    most=st.integers(4, BULK_MAX),
)
def test_links_grow_to_what_the_line_takes_and_no_further(
    total: float, each: float, round_trip: float, links: int, most: int
) -> None:
    line = Line(total, each, round_trip, most, links=links)
    growth = LinkGrowth()
    for _ in range(1000):
        if any(advice.drop for advice in line.run(growth, LOOK)):
            break
    # 10 % a doubling is what growing further would have brought at most.
    assert min(total, line.links * each) >= min(total, most * each) / 1.101
    assert 1 <= line.links <= line.peak <= most
    # The last doubling was worth it: with half as many links less would pass.
    assert line.links == links or min(total, line.links * each) >= 1.09 * min(total, (line.links + 1) // 2 * each)


@given(
    total=rates,
    each=rates,
    line=st.sampled_from(
        [
            {"round_trip": 5e-5},
            {"round_trip": 0.9 * NEAR_SECONDS},
            {"busy": 0.99},
            {"hungry": False},
            {"links": BULK_MAX},
        ]
    ),
)
def test_nothing_is_added_where_it_could_only_cost(total: float, each: float, line: dict[str, float]) -> None:
    made = replace(Line(total, each), **line)
    assert made.run(LinkGrowth(), 120) == []


def test_growth_doubles_within_seconds() -> None:
    line = Line(total=1e9, each=5e5)
    assert line.run(LinkGrowth(), 4) == [Advice(add=1), Advice(add=2), Advice(add=4)]


def test_what_did_not_help_is_let_go_and_tried_again_later_and_later() -> None:
    line = Line(total=2e7, each=1e7, links=4)
    growth = LinkGrowth()
    assert line.run(growth, 5) == [Advice(add=4), Advice(drop=4)]
    assert line.run(growth, REST_SECONDS - 5) == []
    assert line.run(growth, 10) == [Advice(add=4), Advice(drop=4)]
    assert line.run(growth, 2 * REST_SECONDS - 10) == []
    assert line.links == 4
    line.total = 1e9
    assert line.run(growth, 20) == [Advice(add=4)]
    assert line.links == BULK_MAX


def test_another_path_is_tried_at_once() -> None:
    line = Line(total=2e7, each=1e7, links=2, round_trip=0.01)
    growth = LinkGrowth()
    assert line.run(growth, 4) == [Advice(add=2), Advice(drop=2)]
    line.round_trip, line.total = 0.1, 1e9
    assert line.run(growth, 4)[0] == Advice(add=2)


def test_links_that_cannot_be_dialled_cost_no_link_that_is_there() -> None:
    line = Line(total=1e9, each=1e7, dials=False)
    growth = LinkGrowth()
    assert line.run(growth, REST_SECONDS) == [Advice(add=1)]
    assert line.links == 1
    line.dials = True
    assert Advice(add=1) in line.run(growth, 5)


def test_a_pause_ends_a_trial_without_a_verdict() -> None:
    line = Line(total=2e7, each=1e7, links=2)
    growth = LinkGrowth()
    while line.links < 4:
        line.run(growth, LOOK)
    growth.paused()
    assert line.run(growth, 1.0) == []
    assert line.links == 4


@pytest.mark.parametrize(
    ("round_trip", "relayed", "most", "links"),
    [
        (None, False, 8, 1),
        (5e-5, False, 8, 1),
        (NEAR_SECONDS, False, 8, 2),
        (FAR_SECONDS, False, 8, 4),
        (0.2, False, 3, 3),
        (0.2, True, 4, 1),
        (0.2, False, 0, 0),
    ],
)
def test_far_sides_begin_with_several(round_trip: float | None, relayed: bool, most: int, links: int) -> None:
    assert first_links(round_trip, most, relayed=relayed) == links
