"""Written bytes against a dictionary of places."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.remote.edits import written as module
from gimmal.remote.edits.written import EXTENT_COST, EXTENT_MAX, Written

_step = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 80), st.binary(max_size=40)),
    st.tuples(st.just("remove"), st.integers(0, 80), st.integers(0, 120)),
    st.tuples(st.just("cut"), st.integers(0, 80), st.just(0)),
)


@settings(max_examples=200)
@given(st.lists(_step, max_size=25), st.integers(0, 80), st.integers(0, 120))
def test_it_holds_the_last_byte_of_each_place(steps: list[tuple[str, int, int | bytes]], start: int, end: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXTENT_MAX", 16)
        written, model = Written(), dict[int, int]()
        for what, at, more in steps:
            if isinstance(more, bytes):
                written.write(at, more)
                model |= {at + index: byte for index, byte in enumerate(more)}
            elif what == "remove":
                written.remove(at, more)
                model = {place: byte for place, byte in model.items() if not at <= place < more}
            else:
                written.cut(at)
                model = {place: byte for place, byte in model.items() if place < at}
            extents = [(begin, bytes(content)) for begin, content in written]
            assert {begin + index: byte for begin, content in extents for index, byte in enumerate(content)} == model
            assert all(0 < len(content) <= 16 + 40 for _begin, content in extents)
            assert written.cost == len(model) + EXTENT_COST * len(extents)
            assert bool(written) == bool(model)
        held = {at + index: byte for at, content in written.within(start, end) for index, byte in enumerate(content)}
        assert held == {place: byte for place, byte in model.items() if start <= place < end}


def test_who_appends_gets_few_extents_of_bounded_size() -> None:
    written = Written()
    for at in range(0, 4 << 20, 4096):
        written.write(at, bytes(4096))
    assert [len(content) for _start, content in written] == [EXTENT_MAX] * 4
    written.write(100, bytes(3 * EXTENT_MAX))
    assert max(len(content) for _start, content in written) <= EXTENT_MAX


def test_cleared_it_is_empty() -> None:
    written = Written()
    written.write(5, b"abc")
    written.clear()
    assert not written
    assert written.cost == 0
