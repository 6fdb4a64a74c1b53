"""One frame, of exactly the size it should have."""

from __future__ import annotations

import random

import pytest

from gimmal.base.zstandard import BadFrame, compress, decompress

TEXT = b"the quick brown fox jumps over the lazy dog; " * 4000


@pytest.mark.parametrize("content", [b"", b"x", TEXT, random.Random(1).randbytes(100_000)], ids=len)
def test_a_frame_holds_what_was_put_in(content: bytes) -> None:
    assert decompress(memoryview(compress(memoryview(content))), len(content), 20) == content


@pytest.mark.parametrize("size", [0, len(TEXT) - 1, len(TEXT) + 1, 1 << 30])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(BadFrame):
        decompress(memoryview(compress(memoryview(TEXT))), size, 20)


def test_what_is_cut_or_goes_on_is_refused() -> None:
    frame = compress(memoryview(TEXT))
    for wrong in (b"", frame[:-1], frame + b"\0", frame + frame):
        with pytest.raises(BadFrame):
            decompress(memoryview(wrong), len(TEXT), 20)


def test_a_window_is_no_larger_than_what_it_looks_back_on() -> None:
    content = memoryview(TEXT)[: 1 << 16]
    assert decompress(memoryview(compress(content)), len(content), 16) == content
    with pytest.raises(BadFrame):
        decompress(memoryview(compress(memoryview(TEXT))), len(TEXT), 16)
