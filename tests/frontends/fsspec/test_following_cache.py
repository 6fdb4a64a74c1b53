"""What an open file has of its bytes at hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.fsspec.following_cache import WINDOW, FollowingCache
from tests.endtoend.world import content

SIZE = 5 * WINDOW + 321
DATA = content(SIZE)


class Fetched:
    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []

    def __call__(self, start: int, end: int) -> bytes:
        assert 0 <= start <= end <= SIZE
        if start < end:
            self.spans.append((start, end))
        return DATA[start:end]


offsets = st.integers(0, SIZE + 5)
lengths = st.one_of(st.integers(0, 100), st.integers(0, 3 * WINDOW))


@given(st.lists(st.tuples(offsets, lengths), max_size=20))
def test_any_reads_get_the_bytes(reads: list[tuple[int, int]]) -> None:
    cache = FollowingCache(0, Fetched(), SIZE)
    for offset, length in reads:
        assert cache._fetch(offset, offset + length) == DATA[offset : offset + length]
        assert len(cache._held) <= 2 * WINDOW


@given(st.lists(st.integers(1, 5000), max_size=40))
def test_reads_that_follow_one_another_fetch_each_byte_once(steps: list[int]) -> None:
    fetched = Fetched()
    cache = FollowingCache(0, fetched, SIZE)
    at = 0
    for step in steps:
        assert cache._fetch(at, at + step) == DATA[at : at + step]
        at = min(at + step, SIZE)
    assert all(one[1] == other[0] for one, other in zip(fetched.spans, fetched.spans[1:], strict=False))
    assert len(fetched.spans) <= 2 + at // WINDOW + 1


def test_a_jump_fetches_what_was_asked_for_and_no_more() -> None:
    fetched = Fetched()
    cache = FollowingCache(0, fetched, SIZE)
    for offset in (300_000, 4096, 500_000, 100):
        cache._fetch(offset, offset + 4096)
    assert fetched.spans == [(offset, offset + 4096) for offset in (300_000, 4096, 500_000, 100)]
