"""A log grows no faster than it may, however it is asked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.agent.use_log.allowance import BURST_BYTES, DAY_BYTES, Allowance
from gimmal.agent.use_log.store import LOG_BYTES_MAX

DAY = 24 * 3600.0


@given(st.lists(st.tuples(st.floats(0, DAY), st.integers(0, BURST_BYTES)), max_size=60))
def test_never_more_than_a_burst_and_so_much_a_day(asked: list[tuple[float, int]]) -> None:
    now = 1000.0
    allowance = Allowance(now)
    taken = 0
    for pause, size in asked:
        now += pause
        if allowance.take(size, now):
            taken += size
        assert taken <= BURST_BYTES + (now - 1000.0) * DAY_BYTES / DAY + 1


def test_what_was_used_up_comes_back() -> None:
    allowance = Allowance(0.0)
    assert allowance.take(BURST_BYTES, 0.0)
    assert not allowance.take(1000, 0.0)
    assert allowance.take(DAY_BYTES - 1, DAY)
    assert not allowance.take(1000, DAY)


def test_a_peer_that_floods_the_log_pushes_nothing_of_the_last_ten_days_out() -> None:
    assert BURST_BYTES + 10 * DAY_BYTES < LOG_BYTES_MAX
