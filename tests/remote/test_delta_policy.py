"""Whether comparing two versions pays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote.delta_policy import MEASURED_BYTES, SIZE_MIN, Rate, Verdict, judge

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("missing", "old", "round_trip", "rate", "verdict"),
    [
        (GIB, GIB, 0.05, None, Verdict.COMPARE),
        (GIB, GIB, 0.05, 25e6, Verdict.COMPARE),
        (2 * MIB, 2 * MIB, 0.05, None, Verdict.COMPARE),
        (MIB, MIB, 0.05, None, Verdict.WHOLE),
        (MIB, MIB, 0.05, 1e6, Verdict.COMPARE),
        (GIB, GIB, 0.05, 1e9, Verdict.WHOLE),
        (GIB, GIB, 0.0002, None, Verdict.MEASURE),
        (MEASURED_BYTES, GIB, 0.0002, None, Verdict.WHOLE),
        (GIB, GIB, 0.0002, 1e9, Verdict.WHOLE),
        (GIB, GIB, 0.0002, 11e6, Verdict.COMPARE),
        (GIB, 100 * GIB, 0.05, None, Verdict.WHOLE),
        (200 * GIB, GIB, 0.05, 1e6, Verdict.WHOLE),
        (SIZE_MIN - 1, GIB, 0.05, 1e3, Verdict.WHOLE),
        (GIB, SIZE_MIN - 1, 0.05, 1e3, Verdict.WHOLE),
        (0, GIB, 0.05, None, Verdict.WHOLE),
    ],
)
def test_verdicts(missing: int, old: int, round_trip: float, rate: float | None, verdict: Verdict) -> None:
    assert judge(missing, missing, old, round_trip, rate) is verdict


def test_a_file_of_holes_is_not_read_to_its_end_for_little() -> None:
    assert judge(GIB, 100 * GIB, GIB, 0.05, 6e6) is Verdict.WHOLE
    assert judge(GIB, 200 * GIB, GIB, 0.05, 1e3) is Verdict.WHOLE
    assert judge(GIB, 2 * GIB, GIB, 0.05, 6e6) is Verdict.COMPARE


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.floats(0, 2), st.floats(1, 1e10), st.floats(1, 1e10))
def test_a_slower_line_never_makes_comparing_pay_less(
    size: int, there: int, round_trip: float, one: float, other: float
) -> None:
    slow, fast = sorted((one, other))
    if judge(size, size, there, round_trip, fast) is Verdict.COMPARE:
        assert judge(size, size, there, round_trip, slow) is Verdict.COMPARE


def test_a_known_rate_is_not_measured_again() -> None:
    assert judge(GIB, GIB, GIB, 0.0, 1.0) is Verdict.COMPARE


def test_a_rate_counts_only_the_time_in_which_something_was_sent() -> None:
    rate = Rate()
    rate.begin(10.0)
    rate.begin(10.5)
    rate.end(11.0, 4 * MIB)
    assert rate.value is None
    rate.end(12.0, 4 * MIB)
    assert rate.value == 4 * MIB
    rate.begin(100.0)
    rate.end(102.0, 0)
    assert rate.value == 2 * MIB
