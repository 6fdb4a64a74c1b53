"""How many bytes are under way, on lines of known rate and delay."""

from __future__ import annotations

import heapq
import random
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote.line_pace import PIECE_MAX, PIECE_MIN, UNDER_WAY_FIRST, UNDER_WAY_MAX, UNDER_WAY_MIN, LinePace, Sent


class Line:
    """Always as full as the pace allows."""

    def __init__(self, rate: float, round_trip: float, busy: float = 0.0) -> None:
        self.rate, self.round_trip, self.busy = rate, round_trip, busy
        self._draw = random.Random(6)
        self.pace = LinePace()
        self.now = 100.0
        self.moved = 0
        self._free_at = 0.0
        self._coming: list[tuple[float, int, Sent, int]] = []
        self._numbers = count()

    def run(self, seconds: float) -> float:
        """Bytes a second of so many seconds."""
        until, before = self.now + seconds, self.moved
        while True:
            while self.pace.room > 0:
                size = self.pace.piece
                sent = self.pace.begin(size, self.now)
                self._free_at = max(self._free_at, self.now + self.round_trip / 2) + size / self.rate
                comes = self._free_at + self.round_trip / 2 + self._draw.random() * self.busy
                heapq.heappush(self._coming, (comes, next(self._numbers), sent, size))
            arrives, _number, sent, size = heapq.heappop(self._coming)
            self.now = max(self.now, arrives)
            self.moved += size
            self.pace.arrived(sent, size, self.now)
            if self.now >= until:
                return (self.moved - before) / seconds


@pytest.mark.parametrize(
    ("rate", "round_trip"), [(25e6 / 8, 0.05), (200e6 / 8, 0.05), (1e6 / 8, 0.1), (1e9, 0.0005), (50e6 / 8, 0.2)]
)
def test_the_line_is_full_and_not_much_waits_on_it(rate: float, round_trip: float) -> None:
    line = Line(rate, round_trip)
    line.run(3)
    full = min(rate, UNDER_WAY_MAX / round_trip)
    assert line.run(40) >= 0.93 * full
    waits = line.pace.most / rate
    assert waits <= max(1.3 * round_trip, 0.11, 1.2 * UNDER_WAY_MIN / rate)


@pytest.mark.parametrize(("rate", "round_trip"), [(25e6, 0.05), (500e6, 0.0005), (3e6, 0.02)])
def test_busy_computers_that_answer_late_do_not_starve_the_line(rate: float, round_trip: float) -> None:
    line = Line(rate, round_trip, busy=0.05)
    line.run(5)
    full = min(rate, 0.8 * UNDER_WAY_MAX / (round_trip + line.busy / 2))
    assert line.run(60) >= 0.85 * full


def test_a_way_that_became_longer_is_noticed() -> None:
    line = Line(25e6 / 8, 0.005)
    line.run(20)
    line.round_trip = 0.1
    line.run(40)
    assert line.run(10) >= 0.9 * line.rate


def test_a_way_that_became_slower_is_noticed() -> None:
    line = Line(25e6, 0.02)
    line.run(20)
    line.rate = 0.5e6
    line.run(40)
    assert line.pace.most <= 1.5 * UNDER_WAY_MIN


def test_before_anything_is_known_half_a_megabyte_may_be_under_way() -> None:
    pace = LinePace()
    assert pace.room == UNDER_WAY_FIRST
    sent = pace.begin(8192, 0.0)
    pace.arrived(sent, 8192, 0.05)
    assert pace.room == UNDER_WAY_FIRST
    assert pace.round_trip == 0.05


def test_what_is_given_up_makes_room() -> None:
    pace = LinePace()
    pace.begin(100_000, 0.0)
    pace.cancelled(100_000)
    assert pace.under_way == 0


@given(st.lists(st.tuples(st.integers(1, 1 << 22), st.floats(0, 100, allow_nan=False)), max_size=50))
def test_the_limits_hold_whatever_comes(fetches: list[tuple[int, float]]) -> None:
    pace, now = LinePace(), 0.0
    for size, took in fetches:
        sent = pace.begin(size, now)
        now += took
        pace.arrived(sent, size, now)
        assert UNDER_WAY_MIN <= pace.most <= UNDER_WAY_MAX
        assert PIECE_MIN <= pace.piece <= PIECE_MAX
        assert pace.under_way == 0
