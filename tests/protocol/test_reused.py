"""Blocks put together: what lies between the stretches of an old version."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.protocol.reused import gaps_of, reused_bytes

Stretches = list[tuple[int, int, int]]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), max_size=8), st.integers(0, 9))
def test_stretches_and_gaps_make_up_the_block(parts: list[tuple[int, int]], rest: int) -> None:
    reused: Stretches = []
    at = 0
    for before, length in parts:
        at += before
        reused.append((at, 1000 + at, length))
        at += length
    gaps = gaps_of(at + rest, reused)
    assert gaps is not None
    covered = sorted([(start, end) for start, end in gaps] + [(place, place + count) for place, _o, count in reused])
    assert all(start < end for start, end in covered)
    assert [end for _start, end in covered][:-1] == [start for start, _end in covered][1:]
    assert covered == [] or (covered[0][0], covered[-1][1]) == (0, at + rest)
    assert sum(end - start for start, end in gaps) + reused_bytes(reused) == at + rest


@pytest.mark.parametrize(
    "reused",
    [[(0, 0, 0)], [(0, 0, 11)], [(11, 0, 1)], [(0, 0, 5), (4, 5, 1)], [(5, 0, 1), (0, 0, 1)], [(1 << 62, 0, 1)]],
    ids=["empty", "too long", "outside", "overlapping", "out of order", "far outside"],
)
def test_what_is_no_part_of_a_block_is_refused(reused: Stretches) -> None:
    assert gaps_of(10, reused) is None
