"""Bodies of requests: in pieces, bounded, and never taken for whole where they are not."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.frontends.dav.body import DRAIN_MAX, PIECE, BadBody, Body


def everything(body: Body, size: int = PIECE) -> bytes:
    pieces = []
    while piece := body.read(size):
        pieces.append(piece)
    return b"".join(pieces)


def chunked(pieces: list[bytes], end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece) + end


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 400), st.booleans())
def test_both_kinds_bring_the_same(pieces: list[bytes], size: int, trailer: bool) -> None:
    content = b"".join(pieces)
    end = b"0\r\nx: y\r\n\r\n" if trailer else b"0;z=1\r\n\r\n"
    source = io.BytesIO(chunked(pieces, end) + b"next")
    body = Body(source, None)
    assert everything(body, size) == content
    assert body.at_end
    assert source.read() == b"next"
    source = io.BytesIO(content + b"next")
    body = Body(source, len(content))
    assert everything(body, size) == content
    assert (body.at_end, source.read()) == (True, b"next")


@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=4), st.data())
def test_a_body_that_breaks_off_is_never_whole(pieces: list[bytes], data: st.DataObject) -> None:
    whole = chunked(pieces)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BadBody):
        everything(Body(io.BytesIO(whole[:cut]), None))
    content = b"".join(pieces)
    with pytest.raises(BadBody):
        everything(Body(io.BytesIO(content[:-1]), len(content)))


@given(st.binary(max_size=80))
def test_any_bytes_are_chunks_or_refused(data: bytes) -> None:
    try:
        everything(Body(io.BytesIO(data), None))
    except BadBody:
        return


@pytest.mark.parametrize(
    "start", [b"\r\n", b"-1\r\n", b"0x5\r\n", b"+5\r\n", b"5 5\r\n", b"f" * 16 + b"\r\n", b"5" * 5000 + b"\r\n"]
)
def test_a_length_is_plain_hexadecimal(start: bytes) -> None:
    with pytest.raises(BadBody):
        Body(io.BytesIO(start + b"abcde\r\n0\r\n\r\n"), None).read(10)


def test_trailers_are_bounded() -> None:
    with pytest.raises(BadBody):
        everything(Body(io.BytesIO(b"0\r\n" + b"a: b\r\n" * 5000 + b"\r\n"), None))


class Endless:
    """Sends for ever, and keeps count of the most that was asked for at once."""

    def __init__(self) -> None:
        self.most = self.sent = 0

    def read(self, size: int) -> bytes:
        self.most = max(self.most, size)
        self.sent += size
        return bytes(size)

    def readline(self, size: int) -> bytes:
        return b"fffffffffff\r\n"


@pytest.mark.parametrize("length", [None, 1 << 50])
def test_no_more_is_in_memory_than_a_piece(length: int | None) -> None:
    source = Endless()
    body = Body(source, length)
    assert len(body.read(1 << 40)) == PIECE
    assert not body.drain()
    assert source.most == source.sent == PIECE


def test_a_little_that_is_left_is_read_so_that_another_request_may_follow() -> None:
    source = io.BytesIO(bytes(DRAIN_MAX) + b"next")
    body = Body(source, DRAIN_MAX)
    assert body.drain()
    assert source.read() == b"next"
    assert not Body(io.BytesIO(b"1"), 2).drain()


def test_a_sender_that_waits_is_told_once_and_only_where_its_bytes_are_wanted() -> None:
    told: list[str] = []
    body = Body(io.BytesIO(b"12345"), 5, lambda: told.append("continue"))
    assert not body.drain()
    assert told == []
    assert body.read(2) == b"12"
    assert body.drain()
    assert told == ["continue"]
