"""Answers that list chunks: what is taken and what cannot be."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.chunk_messages import Average, Chunks, ListChunks
from gimmal.protocol.chunks import average_for, block_ends, cut_of, entry_of, read_chunks
from gimmal.protocol.digest import block_count
from gimmal.protocol.limits import BLOCK_SIZE, CHUNKS_PAGE_MAX
from gimmal.protocol.messages import Version
from tests.vector_files import load

LEAST, MOST = cut_of(Average.FINE).least, cut_of(Average.FINE).most


def asked(size: int, offset: int = 0, *, blocks: bool = False, average: Average = Average.FINE) -> ListChunks:
    return ListChunks("a/b", Version(1, size, 1), offset, average, blocks)


def listed(*sizes: int, blocks: bytes = b"") -> Chunks:
    return Chunks(b"".join(entry_of(size, bytes([size % 256]) * 32) for size in sizes), blocks)


@pytest.mark.parametrize("vector", load("protocol/chunks.json"), ids=lambda vector: f"{vector['size']}")
def test_vectors_can_be_read_to_their_end(vector: dict[str, Any]) -> None:
    request = asked(vector["size"], vector["offset"], blocks=True, average=Average(vector["average"]))
    answer = Chunks(bytes.fromhex(vector["chunks"]), bytes.fromhex(vector["blocks"]))
    page = read_chunks(request, answer)
    assert page.end == vector["size"]
    assert page.blocks == [answer.blocks[at : at + 32] for at in range(0, len(answer.blocks), 32)]
    assert sum(size for size, _digest in page.chunks) == vector["size"] - vector["offset"]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (asked(100), Chunks(bytes(11))),
        (asked(100), Chunks(b"")),
        (asked(100), listed(101)),
        (asked(100), listed(100, 0)),
        (asked(100), listed(99)),
        (asked(3 * LEAST), listed(LEAST - 1, LEAST)),
        (asked(9 * MOST), listed(MOST + 1)),
        (asked(100, 100), listed(1)),
        (asked(100), listed(100, blocks=bytes(32))),
        (asked(100, blocks=True), listed(100)),
        (asked(100, blocks=True), listed(100, blocks=bytes(31))),
        (asked(100, blocks=True), listed(100, blocks=bytes(64))),
        (asked(2 * MOST, blocks=True), listed(MOST, blocks=bytes(32))),
    ],
    ids=[
        "half an entry",
        "none where one is due",
        "beyond the file",
        "an empty chunk",
        "too small and not the last",
        "too small in the middle",
        "too large",
        "behind the end",
        "blocks that nobody asked for",
        "a block left out",
        "half a digest",
        "more blocks than there are",
        "a block that does not end there",
    ],
)
def test_what_cannot_be_the_answer_is_a_violation(request_: ListChunks, answer: Chunks) -> None:
    with pytest.raises(ProtocolViolation):
        read_chunks(request_, answer)


def test_an_empty_page_ends_a_file() -> None:
    assert read_chunks(asked(0, blocks=True), Chunks(b"")).chunks == []
    assert read_chunks(asked(BLOCK_SIZE + 1, BLOCK_SIZE + 1, blocks=True), Chunks(b"")).blocks == []


@given(
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 40),
    st.booleans(),
    st.sampled_from(list(Average)),
    st.binary(max_size=200) | st.lists(st.integers(0, 5 << 20), max_size=9).map(lambda sizes: listed(*sizes).chunks),
    st.binary(max_size=200) | st.integers(0, 4).map(lambda count: bytes(32 * count)),
)
def test_fuzz(size: int, offset: int, blocks: bool, average: Average, chunks: bytes, digests: bytes) -> None:
    request = asked(max(size, offset), offset, blocks=blocks, average=average)
    with contextlib.suppress(ProtocolViolation):
        page = read_chunks(request, Chunks(chunks, digests))
        assert offset <= page.end <= max(size, offset)
        assert page.end > offset or offset == max(size, offset)
        assert len(page.chunks) <= CHUNKS_PAGE_MAX
        assert all(0 < length <= cut_of(average).most for length, _digest in page.chunks)


@given(st.integers(0, 30 * BLOCK_SIZE), st.lists(st.integers(0, 30 * BLOCK_SIZE), max_size=5))
def test_pages_have_each_block_once(size: int, cuts: list[int]) -> None:
    places = sorted({0, size, *(cut for cut in cuts if cut < size)})
    pages = pairwise(places)
    assert [index for start, end in pages for index in block_ends(start, end, size)] == list(range(block_count(size)))


def test_larger_files_are_cut_more_coarsely_so_that_chunks_stay_few() -> None:
    for size in (1, 8 << 30, (8 << 30) + 1, 32 << 30, 128 << 30):
        average = average_for(size)
        assert average is not None
        assert size <= (1 << 17) * average
    assert average_for((128 << 30) + 1) is None
