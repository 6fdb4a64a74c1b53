"""What is packed, what is left, and what is remembered of it."""

from __future__ import annotations

import random
from typing import cast

import pytest

from gimmal.base.errors import ProtocolViolation
from gimmal.base.zstandard import DENSER_LEVEL, LEVEL
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import Packing
from gimmal.transport import packing as packing_room
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import Piece
from gimmal.transport.link import Link
from gimmal.transport.packing import (
    DENSE_FILES_MAX,
    DENSE_RANGES,
    NOT,
    Packer,
    pack_buffer,
    packing_level,
    unpack_pieces,
    unpacked,
)
from gimmal.transport.slow_line import Pace

TEXT = b"".join(b"line %d of a text that shrinks\n" % number for number in range(40_000))[:BODY_MAX]
DENSE = random.Random(3).randbytes(BODY_MAX)


def piece_of(content: bytes, pool: BufferPool | None = None, at: int = 0) -> Piece:
    if pool is None:
        return Piece(memoryview(content), None, at)
    buffer = pool.take()
    buffer.body[: len(content)] = content
    return Piece(buffer.body[: len(content)], buffer, at)


@pytest.mark.parametrize("pool", [None, BufferPool()], ids=["bytes", "buffers"])
def test_a_range_is_packed_where_it_lies_and_unpacked_again(pool: BufferPool | None) -> None:
    pieces = [piece_of(TEXT, pool), piece_of(DENSE, pool, BODY_MAX), piece_of(TEXT[:70_000], pool, 2 * BODY_MAX)]
    Packer().pack_pieces("file", pieces)
    assert [piece.packed_from for piece in pieces] == [BODY_MAX, 0, 70_000]
    assert [piece.size for piece in pieces] == [BODY_MAX, BODY_MAX, 70_000]
    assert pieces[0].saved == BODY_MAX - len(pieces[0].body) > BODY_MAX // 2
    assert pieces[1].saved == 0
    copies = unpacked(pieces)
    unpack_pieces(pieces, pool or BufferPool())
    for some in (pieces, copies):
        assert [bytes(piece.body) for piece in some] == [TEXT, DENSE, TEXT[:70_000]]
        assert [piece.at for piece in some] == [0, BODY_MAX, 2 * BODY_MAX]
        assert not any(piece.packed_from for piece in some)


def test_unpacking_gives_back_the_buffers_of_what_was_packed() -> None:
    pool = BufferPool()
    pieces = [piece_of(TEXT, pool), piece_of(DENSE, pool)]
    first = pieces[0].owner
    Packer().pack_pieces("file", pieces)
    unpack_pieces(pieces, pool)
    assert pieces[0].owner is None
    assert pieces[1].owner is not None
    assert pool.take() is first


def test_a_piece_that_cannot_be_unpacked_still_belongs_to_the_caller() -> None:
    pool = BufferPool()
    bad = Piece(memoryview((1000).to_bytes(4, "big") + b"no frame"), None, 0, 1000)
    pieces = [piece_of(TEXT, pool), bad]
    with pytest.raises(ProtocolViolation):
        unpack_pieces(pieces, pool)
    assert pieces[0].owner is not None


def test_a_dense_file_costs_one_sample_and_another_after_many_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    sampled = []
    shrinks = packing_room.shrinks
    monkeypatch.setattr(packing_room, "shrinks", lambda views: sampled.append(len(views)) or shrinks(views))
    packer = Packer()
    for _ in range(DENSE_RANGES + 1):
        packer.pack_pieces("dense", [piece_of(DENSE)])
    assert len(sampled) == 1
    text = piece_of(TEXT)
    packer.pack_pieces("dense", [text])
    assert len(sampled) == 2
    assert text.packed_from == BODY_MAX
    packer.pack_pieces("dense", [piece_of(TEXT)])
    assert len(sampled) == 3


def test_what_is_remembered_of_one_file_is_not_of_another_and_is_bounded() -> None:
    packer = Packer()
    for number in range(DENSE_FILES_MAX + 50):
        assert packer.pack_record(number, memoryview(DENSE)[:5000]) is None
    assert len(packer._dense) == DENSE_FILES_MAX
    assert packer.pack_record("other", memoryview(TEXT)) is not None
    assert packer.pack_record(DENSE_FILES_MAX + 49, memoryview(TEXT)) is None
    assert packer.pack_record(0, memoryview(TEXT)) is not None


def test_a_bundle_is_packed_in_its_buffer_or_left_as_it_is() -> None:
    pool = BufferPool()
    buffer = pool.take()
    buffer.body[: len(TEXT)] = TEXT
    length = pack_buffer(buffer, len(TEXT))
    assert 0 < length < len(TEXT) // 2
    assert bytes(unpacked([Piece(buffer.body[:length], None, 0, len(TEXT))])[0].body) == TEXT
    buffer.body[: len(DENSE)] = DENSE
    assert pack_buffer(buffer, len(DENSE)) == 0
    assert bytes(buffer.body) == DENSE


@pytest.mark.parametrize("dense_files", [1, 4, 7])
def test_dense_files_do_not_spoil_a_bundle(dense_files: int) -> None:
    size = BODY_MAX // 8
    body = b"".join(DENSE[:size] if number < dense_files else TEXT[:size] for number in range(8))
    buffer = BufferPool().take()
    buffer.body[:] = body
    length = pack_buffer(buffer, BODY_MAX)
    assert 0 < length < dense_files * size + (8 - dense_files) * size // 3


def test_a_few_bytes_say_nothing_about_their_file() -> None:
    """Where a block is put together, the record of a gap may be a single byte."""
    packer, text = Packer(), b"a line of text\n" * 5000
    assert packer.pack_record(1, memoryview(b"x")) is None
    assert packer.pack_record(1, memoryview(text)) is not None
    few = [Piece(memoryview(b"y"), None, 0)]
    packer.pack_pieces(2, few)
    pieces = [Piece(memoryview(text), None, 0)]
    packer.pack_pieces(2, pieces)
    assert (few[0].packed_from, pieces[0].packed_from) == (0, len(text))


class OfPace:
    """A link of which only the pace of its line is asked."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace


@pytest.mark.parametrize(
    ("packing", "pace", "level"),
    [
        (Packing.NEVER, Pace.NARROW, NOT),
        (Packing.SLOW, Pace.FAST, NOT),
        (Packing.SLOW, Pace.SLOW, LEVEL),
        (Packing.SLOW, Pace.NARROW, DENSER_LEVEL),
        (Packing.ALWAYS, Pace.FAST, LEVEL),
        (Packing.ALWAYS, Pace.NARROW, DENSER_LEVEL),
    ],
)
def test_the_slower_the_line_the_more_thoroughly_is_packed(packing: Packing, pace: Pace, level: int) -> None:
    assert packing_level(packing, cast(Link, OfPace(pace))) == level


def test_what_is_packed_thoroughly_is_smaller_and_the_same() -> None:
    chance = random.Random(5)
    words = [chance.randbytes(chance.randint(2, 9)).hex() for _ in range(3000)]
    text = " ".join(chance.choices(words, k=60_000)).encode()[:BODY_MAX]
    quickly, thoroughly = [piece_of(text)], [piece_of(text)]
    Packer().pack_pieces("file", quickly, LEVEL)
    Packer().pack_pieces("file", thoroughly, DENSER_LEVEL)
    assert len(thoroughly[0].body) < 0.97 * len(quickly[0].body)
    assert bytes(unpacked(thoroughly)[0].body) == text
