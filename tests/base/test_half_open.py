"""The connections that have not shown yet what they are."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.half_open import HalfOpen


def test_there_is_room_until_a_limit() -> None:
    waiting = HalfOpen[int](3, 2)
    assert [waiting.add(number, source) for number, source in ((1, "x"), (2, "x"), (3, "y"))] == [None, None, None]
    assert list(waiting) == [1, 2, 3]


def test_at_its_own_limit_a_source_loses_its_oldest() -> None:
    waiting = HalfOpen[int](10, 2)
    for number in (1, 2):
        waiting.add(number, "x")
    waiting.add(3, "y")
    assert waiting.add(4, "x") == 1
    assert list(waiting) == [2, 3, 4]


def test_at_the_limit_of_all_the_source_that_holds_most_loses_its_oldest() -> None:
    waiting = HalfOpen[int](4, 3)
    for number, source in ((1, "y"), (2, "x"), (3, "x"), (4, "z")):
        waiting.add(number, source)
    assert waiting.add(5, "w") == 2
    assert list(waiting) == [1, 3, 4, 5]


def test_what_left_makes_room_and_can_leave_only_once() -> None:
    waiting = HalfOpen[int](1, 1)
    waiting.add(1, "x")
    assert waiting.remove(1)
    assert not waiting.remove(1)
    assert waiting.add(2, "x") is None


@given(st.integers(1, 8), st.integers(1, 8), st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_limits_hold_and_the_newest_is_always_in(in_all: int, per_source: int, steps: list[tuple[int, bool]]) -> None:
    waiting = HalfOpen[int](in_all, per_source)
    held: dict[int, int] = {}
    for number, (source, leaves) in enumerate(steps):
        if leaves and held:
            gone = min(held)
            assert waiting.remove(gone)
            del held[gone]
            continue
        before = Counter(held.values())
        victim = waiting.add(number, str(source))
        if victim is not None:
            lost = held.pop(victim)
            assert victim == min(key for key, value in [*held.items(), (victim, lost)] if value == lost)
            assert lost == source or before[lost] == max(before.values())
        held[number] = source
        assert set(waiting) == set(held)
        assert len(waiting) == len(held) <= in_all
        assert max(Counter(held.values()).values()) <= per_source
