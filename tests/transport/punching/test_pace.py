"""Two sides that try for the same place at the same time, and routers that refuse what comes too early."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.punching.pace import PUNCH_SECONDS, TRIES_MAX, Pace
from tests.figures import figure


@dataclass
class Side:
    """One side and its router."""

    pace: Pace
    refuses: bool
    """Whether its router answers what is not for it; else it drops it."""
    begun: float | None = None
    """When the connection that is on its way was begun; its hole is open since then."""


def meet(delay: float, late: float, *, refuse: tuple[bool, bool], seed: int, busy: float = 0.0003) -> float | None:
    """Seconds until a connection comes through; None where none does.

    Args:
        delay: seconds from one router to the other.
        late: how much later than the asker the answerer begins; may be negative.
        refuse: whether each router answers what comes too early.
        seed: of what is drawn.
        busy: what a try costs this process.
    """
    drawn = random.Random(seed)
    sides = [
        Side(Pace(asks, max(begin, 0.0), 1, drawn.random), refuses)
        for asks, begin, refuses in ((True, -late, refuse[0]), (False, late, refuse[1]))
    ]
    events = [
        (pause, number, "try") for number, side in enumerate(sides) if (pause := side.pace.next_try(0.0)) is not None
    ]
    while events:
        events.sort()
        now, number, what = events.pop(0)
        here, there = sides[number], sides[1 - number]
        if what == "try":
            here.begun = now
            events.append((now + delay, number, "arrives"))
        elif what == "arrives":
            if there.begun is not None:
                return now
            if there.refuses:
                events.append((now + delay, number, "refused"))
        else:
            here.begun = None
            if (pause := here.pace.next_try(now + busy)) is not None:
                events.append((now + busy + pause, number, "try"))
    return None


delays = st.floats(0.002, 0.2)
skews = st.floats(-0.1, 0.1)


@given(delays, skews, st.tuples(st.booleans(), st.booleans()), st.integers(0, 1 << 32))
def test_where_a_router_drops_they_meet_with_the_second_try_of_either(
    delay: float, late: float, refuse: tuple[bool, bool], seed: int
) -> None:
    took = meet(delay, late, refuse=(False, False), seed=seed)
    assert took is not None and took <= abs(late) + 2 * delay
    one_drops = meet(delay, late, refuse=(refuse[0], False), seed=seed)
    assert one_drops is not None and one_drops < PUNCH_SECONDS + abs(late)


@pytest.mark.parametrize("delay", [0.001, 0.005, 0.02, 0.1])
def test_routers_that_refuse_let_them_through_all_the_same(delay: float) -> None:
    drawn = random.Random(delay)
    times = [meet(delay, drawn.uniform(-0.05, 0.05), refuse=(True, True), seed=seed) for seed in range(500)]
    met = sorted(took for took in times if took is not None)
    figure(f"met through routers that refuse, {delay * 1000:g} ms apart, of 500", len(met), ">= 499")
    assert len(met) >= 499
    assert met[len(met) // 2] < 0.5


def test_one_who_tries_alone_gives_up_in_time() -> None:
    for asks in (True, False):
        pace = Pace(asks, 1.0, 1, random.Random(1).random)
        now, tries = 0.0, 0
        while (pause := pace.next_try(now)) is not None:
            now, tries = now + pause, tries + 1
        assert tries <= TRIES_MAX
        assert now <= pace.end == 1.0 + PUNCH_SECONDS
        assert pace.next_try(now) is None


@given(st.integers(1, 16), st.floats(0, 1), st.booleans())
def test_several_pairs_share_the_tries(pairs: int, drawn: float, asks: bool) -> None:
    tries = 0
    for _ in range(pairs):
        pace = Pace(asks, 0.0, pairs, lambda: drawn)
        while pace.next_try(0.0) is not None:
            tries += 1
    assert tries <= TRIES_MAX
