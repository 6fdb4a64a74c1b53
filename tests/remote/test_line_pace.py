"""How many bytes are under way, on lines of known rate and delay."""

from __future__ import annotations

import heapq
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote.line_pace import PIECE_MAX, PIECE_MIN, UNDER_WAY_FIRST, UNDER_WAY_MAX, UNDER_WAY_MIN, LinePace, Sent


class Line:
    """Always as full as the pace allows."""

    def __init__(self, rate: float, round_trip: float) -> None:
        self.rate, self.round_trip = rate, round_trip
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
            while self.pace.room(self.now) > 0:
                size = self.pace.piece(self.now)
                sent = self.pace.begin(size, self.now)
                self._free_at = max(self._free_at, self.now + self.round_trip / 2) + size / self.rate
                heapq.heappush(self._coming, (self._free_at + self.round_trip / 2, next(self._numbers), sent, size))
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
    assert waits <= max(1.3 * round_trip, 0.025, 1.2 * UNDER_WAY_MIN / rate)


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
    assert line.pace.most <= 0.12 * line.rate + UNDER_WAY_MIN


def test_before_anything_is_known_half_a_megabyte_may_be_under_way() -> None:
    pace = LinePace()
    assert pace.room(0.0) == UNDER_WAY_FIRST
    sent = pace.begin(8192, 0.0)
    pace.arrived(sent, 8192, 0.05)
    assert pace.room(0.05) == UNDER_WAY_FIRST
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
        assert PIECE_MIN <= pace.piece(now) <= PIECE_MAX
        assert pace.under_way == 0
