"""Whether a router forgot, by the rules of both RFCs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.port_mapping.router_clock import Heard, RouterClock, lost_by_nat_pmp, lost_by_pcp

RULES = [lost_by_nat_pmp, lost_by_pcp]
Rule = Callable[[Heard, Heard], bool]


@pytest.mark.parametrize("rule", RULES)
def test_the_first_answer_tells_nothing(rule: Rule) -> None:
    assert not RouterClock(rule).hear(0, 5.0)


@pytest.mark.parametrize("rule", RULES)
def test_a_router_that_began_anew_is_noticed_once(rule: Rule) -> None:
    clock = RouterClock(rule)
    clock.hear(90_000, 100.0)
    assert not clock.hear(90_120, 220.0)
    assert clock.hear(7, 340.0)
    assert not clock.hear(127, 460.0)


@pytest.mark.parametrize("rule", RULES)
@given(st.integers(0, 2**31), st.floats(0, 1e6), st.floats(-1.0, 1.0))
def test_a_router_that_counts_well_is_believed(rule: Rule, epoch: int, elapsed: float, off: float) -> None:
    clock = RouterClock(rule)
    clock.hear(epoch, 0.0)
    assert not clock.hear(max(0, int(epoch + elapsed + off)), elapsed)


def test_the_limits_are_those_of_the_rfcs() -> None:
    assert not lost_by_nat_pmp(Heard(1000, 0.0), Heard(1000 + 698, 800.0))
    assert lost_by_nat_pmp(Heard(1000, 0.0), Heard(1000 + 697, 800.0))
    assert not lost_by_pcp(Heard(1000, 0.0), Heard(999, 0.0))
    assert lost_by_pcp(Heard(1000, 0.0), Heard(998, 0.0))
    assert not lost_by_pcp(Heard(1000, 0.0), Heard(1000 + 1600, 1498.0))
    assert lost_by_pcp(Heard(1000, 0.0), Heard(1000 + 1600, 1497.9))
    assert not lost_by_pcp(Heard(1000, 0.0), Heard(1000 + 1498, 1600.0))
    assert lost_by_pcp(Heard(1000, 0.0), Heard(1000 + 1497, 1600.0))
