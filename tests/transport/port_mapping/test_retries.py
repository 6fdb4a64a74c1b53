"""When questions are put again: a clock and draws given by the test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.port_mapping.retries import NAT_PMP, PCP, Retries, RetryRule


def put_at(rule: RetryRule, until: float, draw: float = 0.5) -> tuple[list[float], float]:
    """Seconds at which a question that nobody answers is put, and when it is given up."""
    retries = Retries(rule, until, lambda: draw)
    now, put = 0.0, []
    while not retries.is_over(now):
        if retries.is_due(now):
            put.append(now)
            retries.put(now)
        assert retries.rest(now) > 0
        now += retries.rest(now)
    return put, now


def test_nat_pmp_asks_as_its_rfc_says() -> None:
    put, over = put_at(NAT_PMP, 1000.0)
    assert put == [0.0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 31.75, 63.75]
    assert over == 127.75


def test_pcp_asks_as_its_rfc_says() -> None:
    put, over = put_at(PCP, 5000.0)
    assert put == pytest.approx([0, 3, 9, 21, 45, 93, 189, 381, 765, 1533, 2557, 3581, 4605])
    assert over == 5000.0


@given(st.floats(0, 1))
def test_pcp_waits_are_a_tenth_longer_or_shorter_at_most(draw: float) -> None:
    put, _over = put_at(PCP, 20.0, draw)
    assert 2.699 <= put[1] <= 3.301
    assert 1.799 <= (put[2] - put[1]) / put[1] <= 2.201


@pytest.mark.parametrize("rule", [NAT_PMP, PCP])
@given(st.floats(0, 1))
def test_a_deadline_ends_it(rule: RetryRule, draw: float) -> None:
    put, over = put_at(rule, 8.0, draw)
    assert over == 8.0
    assert all(at < 8.0 for at in put)


def test_a_deadline_that_has_passed_asks_nothing() -> None:
    assert put_at(NAT_PMP, 0.0) == ([], 0.0)
