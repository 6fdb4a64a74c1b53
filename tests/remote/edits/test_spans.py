"""Sets of places against a set of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote.edits.spans import Spans

_ends = st.tuples(st.integers(0, 60), st.integers(0, 60))


@given(st.lists(st.tuples(st.sampled_from(["add", "remove", "cut"]), _ends), max_size=30), _ends)
def test_it_holds_what_a_set_of_numbers_would(steps: list[tuple[str, tuple[int, int]]], asked: tuple[int, int]) -> None:
    spans, model = Spans(), set[int]()
    for what, (start, end) in steps:
        if what == "add":
            spans.add(start, end)
            model |= set(range(start, end))
        elif what == "remove":
            spans.remove(start, end)
            model -= set(range(start, end))
        else:
            spans.cut(start)
            model = {place for place in model if place < start}
        found = list(spans)
        assert {place for begin, stop in found for place in range(begin, stop)} == model
        assert all(left[1] < right[0] for left, right in pairwise(found))
        assert all(begin < stop for begin, stop in found)
        assert spans.total == len(model)
        assert bool(spans) == bool(model)
        assert len(spans) == len(found)
    within = list(spans.within(*asked))
    assert {place for begin, stop in within for place in range(begin, stop)} == model & set(range(*asked))


def test_clear_takes_out_all() -> None:
    spans = Spans()
    spans.add(3, 9)
    spans.clear()
    assert not spans
