"""Packed records inside a session: what may come, what ends it, and ranges in pieces over several links."""

from __future__ import annotations

import asyncio

import pytest
from blake3 import blake3

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.codec import encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX
from gimmal.protocol.messages import (
    Answer,
    Done,
    Failed,
    Packing,
    Read,
    ReadBundle,
    Stat,
    StreamEnd,
    Write,
    WriteBundle,
)
from gimmal.protocol.packed import pack
from gimmal.transport.exchange import BundleSink, Incoming, RangeSink
from gimmal.transport.packing import unpacked
from gimmal.transport.ranges import PIECE_FIRST, read_range
from tests.patience import PATIENCE
from tests.transport.helpers import run
from tests.transport.sessions import Notes, Pair, end, never, raw_session

TEXT = b"".join(b"%06d of many lines that are much alike\n" % number for number in range(120_000))[:BLOCK_SIZE]
PACKED, PACKED_BUNDLE, DATA = RecordKind.PACKED, RecordKind.PACKED_BUNDLE, RecordKind.DATA


def packed(size: int, at: int = 0) -> bytes:
    body = pack(memoryview(TEXT)[at : at + size])
    assert body is not None
    return body


def lying(size: int) -> bytes:
    """A body that says that it stands for so many bytes, and does not."""
    return size.to_bytes(4, "big") + packed(100_000)[4:]


SLOW, NEVER = Packing.SLOW, Packing.NEVER
FALSE_WRITES = {
    "where it is not allowed": (Write(1, 0, 200_000), [(PACKED, 0, packed(100_000))]),
    "more than announced": (Write(1, 0, 200_000, packing=SLOW), [(PACKED, 0, packed(200_001))]),
    "out of place": (Write(1, 0, 200_000, packing=SLOW), [(PACKED, 5, packed(100_000))]),
    "behind a short one": (
        Write(1, 0, 200_000, packing=SLOW),
        [(PACKED, 0, packed(65_535)), (PACKED, 65_535, packed(100_000))],
    ),
    "of no bytes": (Write(1, 0, 200_000, packing=SLOW), [(PACKED, 0, b"")]),
    "of a size that is none": (Write(1, 0, 200_000, packing=SLOW), [(PACKED, 0, bytes(100))]),
    "of more than a record": (Write(1, 0, BLOCK_SIZE, packing=SLOW), [(PACKED, 0, lying(BODY_MAX + 1))]),
    "inside a bundle": (WriteBundle("a", packing=SLOW), [(PACKED, 0, packed(100_000))]),
    "a bundle inside a write": (Write(1, 0, 200_000, packing=SLOW), [(PACKED_BUNDLE, 0, packed(100_000))]),
    "a bundle where it is not allowed": (WriteBundle("a"), [(PACKED_BUNDLE, 0, packed(100_000))]),
    "a bundle larger than a record": (WriteBundle("a", packing=SLOW), [(PACKED_BUNDLE, 0, lying(BODY_MAX + 1))]),
    "two bundles": (WriteBundle("a", packing=SLOW), [(PACKED_BUNDLE, 0, packed(100_000))] * 2),
    "for a question": (Stat("a"), [(PACKED, 0, packed(100_000))]),
}


@pytest.mark.parametrize("name", FALSE_WRITES)
def test_a_packed_record_that_may_not_come_ends_the_session(name: str) -> None:
    request, records = FALSE_WRITES[name]

    async def main() -> None:
        raw, session = raw_session(Notes({Stat: never, Write: never, WriteBundle: never}))
        await raw.put(RecordKind.REQUEST, 1, 1, encode(request))
        for kind, offset, body in records:
            await raw.put(kind, 1, offset, body)
        await asyncio.wait_for(asyncio.shield(session.ended), PATIENCE)
        assert isinstance(session.cause, ProtocolViolation)
        raw.close()

    run(main())


WHOLE = encode(StreamEnd(blake3(TEXT[:200_000]).digest()))
FALSE_READS = {
    "where it is not allowed": (NEVER, [(PACKED, 0, packed(200_000))]),
    "more than asked for": (SLOW, [(PACKED, 0, packed(200_001))]),
    "out of place": (SLOW, [(PACKED, 1, packed(100_000))]),
    "behind a short one": (SLOW, [(PACKED, 0, packed(65_535)), (DATA, 65_535, bytes(100_000))]),
    "no longer than itself": (SLOW, [(PACKED, 0, lying(1000))]),
    "a bundle": (SLOW, [(PACKED_BUNDLE, 0, packed(200_000))]),
    "an end that counts what came": (SLOW, [(PACKED, 0, packed(200_000)), (RecordKind.END, 40_000, WHOLE)]),
    "less in it than it says": (SLOW, [(PACKED, 0, lying(200_000)), (RecordKind.END, 200_000, WHOLE)]),
    "more in it than it says": (SLOW, [(PACKED, 0, lying(90_000)), (RecordKind.END, 90_000, WHOLE)]),
    "a frame cut short": (SLOW, [(PACKED, 0, packed(200_000)[:-5]), (RecordKind.END, 200_000, WHOLE)]),
    "bytes behind the frame": (SLOW, [(PACKED, 0, packed(200_000) + b"x"), (RecordKind.END, 200_000, WHOLE)]),
}


@pytest.mark.parametrize("name", FALSE_READS)
def test_a_false_packed_answer_ends_the_session_of_who_asked(name: str) -> None:
    packing, records = FALSE_READS[name]

    async def main() -> None:
        raw, session = raw_session()
        reading = asyncio.create_task(read_range(session, Read("a", 0, 200_000, packing=packing)))
        number = (await raw.get())[1]
        for kind, offset, body in records:
            await raw.put(kind, number, offset, body)
        with pytest.raises(ProtocolViolation):
            await reading
        assert isinstance(session.cause, ProtocolViolation)
        raw.close()
        await session._tasks.close()

    run(main())


@pytest.mark.parametrize("allowed", [False, True])
def test_a_packed_bundle_comes_only_where_it_is_allowed(allowed: bool) -> None:
    async def main() -> None:
        raw, session = raw_session()

        def make_sink(done: asyncio.Future[None]) -> BundleSink:
            return BundleSink(done, packed=allowed)

        asking = asyncio.create_task(session.exchange(ReadBundle("a", ["b"], packing=SLOW), make_sink))
        number = (await raw.get())[1]
        await raw.put(PACKED_BUNDLE, number, 7, packed(200_000))
        if allowed:
            sink = await asking
            assert sink.piece is not None
            assert (sink.header_length, sink.piece.size) == (7, 200_000)
            assert bytes(unpacked([sink.piece])[0].body) == TEXT[:200_000]
            await end(session, raw)
        else:
            with pytest.raises(ProtocolViolation):
                await asking
            raw.close()

    run(main())


def test_records_of_streams_nobody_knows_are_ignored() -> None:
    async def main() -> None:
        raw, session = raw_session()
        for kind in (PACKED, PACKED_BUNDLE):
            for number in (4, 5):
                await raw.put(kind, number, 0, b"body")
        await raw.put(RecordKind.PING, 0, 1)
        assert (await raw.get())[0] == RecordKind.PONG
        await end(session, raw)

    run(main())


def test_a_write_brings_its_pieces_as_they_came() -> None:
    async def main() -> None:
        got: list[tuple[RecordKind, int, int]] = []

        async def take(incoming: Incoming) -> Answer:
            while True:
                for kind, offset, piece in await incoming.records():
                    if kind is RecordKind.END:
                        return Done(sum(size for kind, _offset, size in got if kind is PACKED))
                    got.append((kind, offset, piece.saved))
                    incoming.give(piece)

        raw, session = raw_session(Notes({Write: take}))
        await raw.put(RecordKind.REQUEST, 1, 1, encode(Write(1, BLOCK_SIZE, 300_000, packing=SLOW)))
        first, last = packed(200_000), packed(1000)
        await raw.put(PACKED, 1, BLOCK_SIZE, first)
        await raw.put(DATA, 1, BLOCK_SIZE + 200_000, bytes(99_000))
        await raw.put(PACKED, 1, BLOCK_SIZE + 299_000, last)
        await raw.put(RecordKind.END, 1, 300_000, encode(StreamEnd(bytes(32))))
        saved = (200_000 - len(first), 1000 - len(last))
        assert (await raw.get())[3] == encode(Done(sum(saved)))
        assert got == [
            (PACKED, BLOCK_SIZE, saved[0]),
            (DATA, BLOCK_SIZE + 200_000, 0),
            (PACKED, BLOCK_SIZE + 299_000, saved[1]),
        ]
        await end(session, raw)

    run(main())


class Served:
    """A pair whose other side serves TEXT packed, every second record as it is; ``false`` spoils what is at a place."""

    def __init__(self, links: int, false: int | None = None) -> None:
        self._false = false
        self.asked: list[Read] = []
        self.pair = Pair(None, Notes({Read: self.serve}))
        self.pair.link()
        for _ in range(links):
            self.pair.link(bulk=True)

    async def serve(self, incoming: Incoming) -> Answer | None:
        request = incoming.request
        assert isinstance(request, Read)
        self.asked.append(request)
        if request.offset >= len(TEXT):
            return Failed(Code.NOT_FOUND)
        content = TEXT[request.offset : request.offset + request.length]
        step = 300_000
        for count, at in enumerate(range(0, len(content), step)):
            place = request.offset + at
            if count % 2 or len(content) - at < step:
                incoming.link.post(DATA, incoming.number, place, content[at : at + step])
            else:
                body = packed(step, place if place != self._false else place + 1)
                incoming.link.post(PACKED, incoming.number, place, body)
        incoming.link.post(RecordKind.END, incoming.number, len(content), encode(StreamEnd(blake3(content).digest())))
        return None


@pytest.mark.parametrize("plain", [True, False], ids=["unpacked", "as it came"])
@pytest.mark.parametrize("links", [0, 3])
def test_a_range_is_the_same_however_many_links_brought_it(links: int, plain: bool) -> None:
    async def main() -> None:
        served = Served(links)
        session = served.pair.a
        got = await read_range(session, Read("a", 0, BLOCK_SIZE, packing=SLOW), unpacked=plain)
        assert got.answer is None
        assert all(request.packing is SLOW for request in served.asked)
        assert len(served.asked) == (BLOCK_SIZE // PIECE_FIRST if links else 1)
        assert any(piece.packed_from for piece in got.pieces) is not plain
        assert (got.received, got.digest) == (BLOCK_SIZE, blake3(TEXT).digest())
        assert 0 < got.saved < BLOCK_SIZE
        content = bytearray(BLOCK_SIZE)
        for piece in unpacked(got.pieces):
            content[piece.at : piece.at + len(piece.body)] = piece.body
        assert content == TEXT
        for piece in got.pieces:
            if piece.owner is not None:
                session.pool.give(piece.owner)
        await served.pair.close()

    run(main())


def test_a_piece_that_is_not_what_was_read_makes_the_range_corrupt() -> None:
    async def main() -> None:
        served = Served(3, false=2 * PIECE_FIRST)
        got = await read_range(served.pair.a, Read("a", 0, BLOCK_SIZE, packing=SLOW), unpacked=False)
        assert (got.answer, got.pieces) == (Failed(Code.CORRUPT), [])
        await served.pair.close()

    run(main())


def test_small_packed_records_keep_no_whole_buffers() -> None:
    async def main() -> None:
        pair = Pair()
        sink = RangeSink(asyncio.get_running_loop().create_future(), pair.a.pool, 0, BLOCK_SIZE, packed=True)
        buffer = pair.a.pool.take()
        body = packed(BODY_MAX)
        buffer.body[: len(body)] = body
        assert not sink.on_record(PACKED, 0, buffer.body[: len(body)], buffer)
        assert sink.pieces[0].owner is None
        assert sink.received == BODY_MAX
        await pair.close()

    run(main())
