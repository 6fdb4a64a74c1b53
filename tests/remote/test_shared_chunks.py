"""What an old version holds of a new one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.remote import shared_chunks
from gimmal.remote.shared_chunks import NewChunks, OldChunks

Content = list[tuple[int, int]]
"""Chunks as size and digest; equal ones are equal bytes."""


def chunks_of(letters: str) -> Content:
    return [(10 + ord(letter) % 7, ord(letter)) for letter in letters]


def text_of(chunks: Content) -> bytes:
    return b"".join(bytes([digest]) * size for size, digest in chunks)


def versions(old: str, new: str, start: int = 0) -> tuple[OldChunks, NewChunks]:
    one, other = OldChunks(), NewChunks(start)
    one.add(chunks_of(old))
    other.add(chunks_of(new))
    return one, other


@given(st.text("abcdefgh", max_size=30), st.text("abcdefgh", max_size=30), st.integers(0, 300), st.integers(0, 300))
def test_what_is_shared_is_equal_and_in_order(old: str, new: str, one: int, other: int) -> None:
    before, after = text_of(chunks_of(old)), text_of(chunks_of(new))
    start, end = sorted((min(one, len(after)), min(other, len(after))))
    olds, news = versions(old, new)
    at = 0
    for place, offset, length in news.shared(olds, start, end):
        assert place >= at
        assert length > 0
        at = place + length
        assert after[start + place : start + at] == before[offset : offset + length]
    assert at <= end - start


@given(st.text("abcdefgh", min_size=1, max_size=30))
def test_the_same_contents_are_shared_whole(text: str) -> None:
    olds, news = versions(text, text)
    assert sum(length for _place, _offset, length in news.shared(olds, 0, news.end)) == news.end == olds.end


def test_neighbours_are_one_stretch() -> None:
    olds, news = versions("xabcy", "zabc")
    skipped, first = len(text_of(chunks_of("z"))), len(text_of(chunks_of("x")))
    assert news.shared(olds, 0, news.end) == ((skipped, first, len(text_of(chunks_of("abc")))),)


def test_a_part_of_a_chunk_at_the_edge_of_a_block() -> None:
    olds, news = versions("ab", "b", start=1000)
    assert news.shared(olds, 1003, 1005) == ((0, len(text_of(chunks_of("a"))) + 3, 2),)
    assert news.shared(olds, 1003, 1003) == ()


def test_one_digest_with_another_size_is_another_chunk() -> None:
    olds, news = OldChunks(), NewChunks(0)
    olds.add([(10, 1), (20, 2)])
    news.add([(11, 1), (20, 2)])
    assert news.shared(olds, 0, 31) == ((11, 10, 20),)


def test_the_largest_sizes_fit() -> None:
    olds = OldChunks()
    olds.add([(4 << 20, number) for number in range(5)])
    olds.end = (128 << 30) - (4 << 20)
    olds.add([(4 << 20, (1 << 64) - 1)])
    assert olds.find(4 << 20, (1 << 64) - 1) == (128 << 30) - (4 << 20)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_chunks, "OLD_CHUNKS_MAX", 100)
    olds = OldChunks()
    rng = random.Random(1)
    listed = [(16_384, rng.getrandbits(1 << 6)) for _ in range(1000)]
    olds.add(listed)
    assert len(olds._places) == 100
    assert olds.end == 16_384 * 1000
    assert olds.find(*listed[99]) == 99 * 16_384
    assert olds.find(*listed[100]) is None
