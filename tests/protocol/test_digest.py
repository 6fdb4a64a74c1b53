"""Digests of files."""

from __future__ import annotations

from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from gimmal.protocol.digest import block_count, block_length, file_digest, small_file_digest
from gimmal.protocol.limits import BLOCK_SIZE
from tests.vector_files import load


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("vector", load("protocol/digests.json"), ids=lambda vector: str(vector["size"]))
def test_vectors(vector: dict[str, Any]) -> None:
    size, content = vector["size"], pattern(vector["size"])
    blocks = [
        blake3(content[index * BLOCK_SIZE :][: block_length(size, index)]).digest()
        for index in range(block_count(size))
    ]
    assert file_digest(size, blocks).hex() == vector["digest"]
    if size <= BLOCK_SIZE:
        assert small_file_digest(content).hex() == vector["digest"]


@given(st.integers(0, (1 << 63) - 1))
def test_blocks_cover_a_file_exactly(size: int) -> None:
    count = block_count(size)
    if count:
        assert (count - 1) * BLOCK_SIZE + block_length(size, count - 1) == size
        assert 1 <= block_length(size, count - 1) <= BLOCK_SIZE
        assert block_length(size, 0) == min(size, BLOCK_SIZE)
    else:
        assert size == 0


def test_size_and_order_of_blocks_count() -> None:
    one, two = blake3(b"1").digest(), blake3(b"2").digest()
    size = BLOCK_SIZE + 1
    digests = {file_digest(size, [one, two]), file_digest(size, [two, one]), file_digest(size + 1, [one, two])}
    assert len(digests) == 3


def test_the_digests_of_all_blocks_are_needed() -> None:
    with pytest.raises(AssertionError):
        file_digest(BLOCK_SIZE + 1, [bytes(32)])
