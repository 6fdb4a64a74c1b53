"""What of a document changed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.frontends.edit.changes import EMPTY, PIECE, content_of, read_spans


def patched(old: bytes, size: int, ranges: list[tuple[int, bytes]]) -> bytes:
    """As the other side does it: zeros behind what is kept."""
    made = bytearray(old[:size].ljust(size, b"\0"))
    for start, data in ranges:
        made[start : start + len(data)] = data
    return bytes(made)


def test_ten_kilobytes_of_a_large_document_are_a_few_pieces(tmp_path: Path) -> None:
    document = tmp_path / "a"
    content = bytearray(random.Random(1).randbytes(5 << 20))
    document.write_bytes(content)
    before = content_of(document)
    content[3_000_000:3_010_240] = bytes(10_240)
    document.write_bytes(content)
    spans = content_of(document).spans(before)
    assert sum(end - start for start, end in spans) <= 10_240 + 2 * PIECE
    assert len(spans) == 1


@settings(max_examples=60, deadline=None)
@given(
    old=st.binary(max_size=4 * PIECE),
    writes=st.lists(st.tuples(st.integers(0, 5 * PIECE), st.binary(min_size=1, max_size=PIECE)), max_size=4),
    cut=st.integers(0, 5 * PIECE),
)
def test_what_changed_put_over_the_old_version_is_the_new_one(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, writes: list[tuple[int, bytes]], cut: int
) -> None:
    document = tmp_path_factory.mktemp("changes") / "a"
    document.write_bytes(old)
    before = content_of(document)
    with document.open("r+b") as file:
        for offset, data in writes:
            file.seek(offset)
            file.write(data)
        file.truncate(cut)
    new, after = document.read_bytes(), content_of(document)
    assert patched(old, len(new), read_spans(document, after.spans(before), after)) == new
    assert patched(b"", len(new), read_spans(document, after.spans(EMPTY), after)) == new
    assert after.spans(after) == []


def test_a_document_that_changes_meanwhile_is_not_mixed(tmp_path: Path) -> None:
    document = tmp_path / "a"
    document.write_bytes(bytes(10 * PIECE))
    content = content_of(document)
    document.write_bytes(b"x" * 10 * PIECE)
    with pytest.raises(ValueError, match="changed meanwhile"):
        read_spans(document, content.spans(EMPTY), content)
    document.write_bytes(b"")
    with pytest.raises(ValueError, match="changed meanwhile"):
        read_spans(document, content.spans(EMPTY), content)
