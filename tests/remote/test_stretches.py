"""Stretches in memory, against a plain array that forgets nothing it should not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote.stretches import Stretches

CONTENT = bytes(range(200))
PUTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 199), st.integers(1, 60)), max_size=30)


def put(held: Stretches, file: int, start: int, length: int) -> None:
    held.put(file, start, CONTENT[start : start + length])


def known(held: Stretches, file: int) -> set[int]:
    gaps = held.gaps(file, 0, 200)
    return set(range(200)) - {place for start, end in gaps for place in range(start, end)}


@given(PUTS)
def test_everything_put_is_found_and_counted_once(puts: list[tuple[int, int, int]]) -> None:
    held = Stretches(10_000)
    expected: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for file, start, length in puts:
        put(held, file, start, length)
        expected[file] |= set(range(start, min(start + length, 200)))
    for file, places in expected.items():
        assert known(held, file) == places
        for place in range(200):
            view = bytes(held.view(file, place, 7))
            assert bool(view) == (place in places)
            assert view == CONTENT[place : place + len(view)]
    assert held.held == sum(map(len, expected.values()))


@given(PUTS, st.integers(20, 100))
def test_the_budget_holds_and_gaps_tell_what_went(puts: list[tuple[int, int, int]], budget: int) -> None:
    held = Stretches(budget)
    for file, start, length in puts:
        put(held, file, start, length)
        assert held.held <= budget
        assert held.held == sum(len(known(held, number)) for number in range(3))


def test_what_was_looked_at_last_stays() -> None:
    held = Stretches(30)
    for start in (0, 10, 20):
        put(held, 1, start, 10)
    assert held.view(1, 0, 1)
    put(held, 1, 50, 10)
    assert known(held, 1) == {*range(10), *range(20, 30), *range(50, 60)}


def test_what_is_forgotten_is_gone_and_nothing_else() -> None:
    held = Stretches(100)
    put(held, 1, 0, 10)
    put(held, 2, 5, 10)
    held.forget(1)
    held.forget(3)
    assert known(held, 1) == set()
    assert known(held, 2) == set(range(5, 15))
    assert held.held == 10


def test_more_than_the_budget_at_once_is_not_held() -> None:
    held = Stretches(5)
    put(held, 1, 0, 4)
    put(held, 1, 10, 6)
    assert known(held, 1) == set(range(4))


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=4),
    st.lists(st.integers(0, 80), max_size=6),
)
def test_what_moves_to_another_file_is_what_lies_between_the_places(
    mine: list[tuple[int, int]], theirs: list[tuple[int, int]], places: list[int]
) -> None:
    held = Stretches(10_000)
    for start, length in mine:
        put(held, 1, start, length)
    for start, length in theirs:
        put(held, 2, start, length)
    spans = list(zip(sorted(places)[::2], sorted(places)[1::2], strict=False))
    wanted = known(held, 2) | {place for place in known(held, 1) if any(a <= place < b for a, b in spans)}
    held.move(1, 2, spans)
    assert known(held, 1) == set()
    assert known(held, 2) == wanted
    assert held.held == len(wanted)
