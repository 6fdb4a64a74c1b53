"""How fast a transfer goes, and how long it will take."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gimmal.agent.queue.rate import SPAN_SECONDS, Rate


def test_nothing_is_told_before_it_is_known() -> None:
    rate = Rate()
    assert rate.bytes_per_second == 0
    rate.saw(5.0, 100)
    assert rate.bytes_per_second == 0
    assert rate.remaining(100) is None


def test_the_rate_is_that_of_the_last_seconds() -> None:
    rate = Rate()
    for second in range(100):
        rate.saw(float(second), 1000 * min(second, 50))
    assert rate.bytes_per_second == 0
    for second in range(100, 103):
        rate.saw(float(second), 50_000 + (second - 99) * 3000)
    assert rate.bytes_per_second == 9000 / SPAN_SECONDS
    assert rate.remaining(1800) == 2.0


def test_a_transfer_that_begins_again_begins_anew() -> None:
    rate = Rate()
    rate.saw(0.0, 0)
    rate.saw(1.0, 5000)
    rate.saw(2.0, 0)
    assert rate.bytes_per_second == 0
    rate.saw(3.0, 100)
    assert rate.bytes_per_second == 100


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 1 << 60)), min_size=1))
def test_it_is_never_negative_and_remembers_only_so_long(steps: list[tuple[float, int]]) -> None:
    rate = Rate()
    for now, moved in sorted(steps, key=lambda step: step[0]):
        rate.saw(now, moved)
        assert 0 <= rate.bytes_per_second < math.inf
        left = rate.remaining(1000)
        assert left is None or left > 0
        assert rate._seen[-1][0] - rate._seen[0][0] <= SPAN_SECONDS
