"""A range asked for in pieces over several links is the same range."""

from __future__ import annotations

import asyncio

import pytest
from blake3 import blake3

from gimmal.base.errors import Interrupted
from gimmal.protocol.codec import encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Answer, Failed, Read, StreamEnd
from gimmal.transport.bulk_links import ASIDES_MAX
from gimmal.transport.exchange import Incoming
from gimmal.transport.link import Link
from gimmal.transport.ranges import PIECE_FIRST, PIECE_MIN, SMALL_READ, piece_size, read_range
from tests.transport.helpers import run, until
from tests.transport.sessions import CONTENT, Notes, Pair, cut, serve_read

PIECES = BLOCK_SIZE // PIECE_FIRST


class Served:
    """A pair with links for bulk whose other side serves CONTENT and notes on which links."""

    def __init__(self, links: int = 3) -> None:
        self.asked: list[tuple[int, int, int]] = []
        self.pair = Pair(None, Notes({Read: self.serve}))
        self.pair.link()
        self.links = [self.pair.link(bulk=True)[0] for _ in range(links)]

    async def serve(self, incoming: Incoming) -> Answer | None:
        request = incoming.request
        assert isinstance(request, Read)
        self.asked.append((request.offset, request.length, incoming.link.number))
        return await self.answer(incoming, request)

    async def answer(self, incoming: Incoming, request: Read) -> Answer | None:
        await serve_read(incoming, self.pair.pools[1], piece=100_000)
        return None


class Failing(Served):
    async def answer(self, incoming: Incoming, request: Read) -> Answer | None:
        return Failed(Code.CHANGED) if request.offset == PIECE_FIRST else await super().answer(incoming, request)


class Corrupt(Served):
    async def answer(self, incoming: Incoming, request: Read) -> Answer | None:
        if request.offset != 2 * PIECE_FIRST:
            return await super().answer(incoming, request)
        incoming.link.post(RecordKind.DATA, incoming.number, request.offset, bytes(request.length))
        end = encode(StreamEnd(blake3(b"other").digest()))
        incoming.link.post(RecordKind.END, incoming.number, request.length, end)
        return None


class Short(Served):
    """The file ends inside the second piece."""

    async def answer(self, incoming: Incoming, request: Read) -> Answer | None:
        there = CONTENT[: PIECE_FIRST + 70_000][request.offset : request.offset + request.length]
        if there:
            incoming.link.post(RecordKind.DATA, incoming.number, request.offset, there)
        end = encode(StreamEnd(blake3(there).digest()))
        incoming.link.post(RecordKind.END, incoming.number, len(there), end)
        return None


class Hanging(Served):
    async def answer(self, incoming: Incoming, request: Read) -> Answer | None:
        if request.offset:
            await asyncio.Event().wait()
        return await super().answer(incoming, request)


async def whole(served: Served) -> tuple[bytes, bytes, Answer | None]:
    read = await read_range(served.pair.a, Read("a", 0, BLOCK_SIZE))
    content = b"".join(piece.body for piece in read.pieces)
    for piece in read.pieces:
        if piece.owner is not None:
            served.pair.a.pool.give(piece.owner)
    assert read.received == len(content)
    at = 0
    for piece in read.pieces:
        assert piece.at == at
        at += len(piece.body)
    return content, read.digest, read.answer


def test_pieces_travel_over_all_links_for_bulk_and_no_other() -> None:
    async def main() -> None:
        served = Served()
        content, digest, answer = await whole(served)
        assert (content, digest, answer) == (CONTENT, blake3(CONTENT).digest(), None)
        offsets = sorted((offset, length) for offset, length, _link in served.asked)
        assert offsets == [(number * PIECE_FIRST, PIECE_FIRST) for number in range(PIECES)]
        assert {link for _, _, link in served.asked} == {link.number for link in served.links}
        assert [link.asked_bytes for link in served.pair.a.links] == [0] * 4
        await served.pair.close()

    run(main())


def test_one_link_is_asked_for_the_whole() -> None:
    async def main() -> None:
        served = Served(links=1)
        content, digest, _answer = await whole(served)
        assert (content, digest) == (CONTENT, blake3(CONTENT).digest())
        assert [(offset, length) for offset, length, _link in served.asked] == [(0, BLOCK_SIZE)]
        await served.pair.close()

    run(main())


@pytest.mark.parametrize("length", [1, SMALL_READ, SMALL_READ + 1])
def test_a_few_bytes_stay_off_the_links_for_bulk(length: int) -> None:
    async def main() -> None:
        served = Served()
        read = await read_range(served.pair.a, Read("a", 5, length))
        assert b"".join(piece.body for piece in read.pieces) == CONTENT[5 : 5 + length]
        for piece in read.pieces:
            if piece.owner is not None:
                served.pair.a.pool.give(piece.owner)
        bulk = {link.number for link in served.links}
        assert [link in bulk for _offset, _length, link in served.asked] == [length > SMALL_READ]
        await served.pair.close()

    run(main())


def test_without_a_link_for_bulk_a_few_bytes_count_as_bulk_too() -> None:
    async def main() -> None:
        served = Served(links=0)
        wanted: list[int] = []
        served.pair.a.dial = cannot_dial
        served.pair.a.bulk.wanted = lambda _now, size: wanted.append(size)  # type: ignore[method-assign]
        for piece in (await read_range(served.pair.a, Read("a", 0, 1000))).pieces:
            if piece.owner is not None:
                served.pair.a.pool.give(piece.owner)
        assert wanted == [1000]
        await served.pair.close()

    run(main())


async def cannot_dial(_bulk: bool) -> Link:
    raise AssertionError


def test_only_so_many_are_asked_for_beside_questions_at_a_time() -> None:
    """A copy that asks for few bytes at a time must not fill the link that questions need."""

    async def main() -> None:
        served = Hanging()
        asking = [asyncio.create_task(read_range(served.pair.a, Read("a", 1, 10))) for _ in range(20)]
        await until(lambda: len(served.asked) == len(asking))
        bulk = {link.number for link in served.links}
        assert sum(link not in bulk for _offset, _length, link in served.asked) == ASIDES_MAX
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        with served.pair.a.bulk.aside() as again:
            assert again
        await served.pair.close()

    run(main())


def test_a_sparse_range_is_asked_for_whole() -> None:
    async def main() -> None:
        served = Served()
        read = await read_range(served.pair.a, Read("a", 0, BLOCK_SIZE, None, True))
        assert read.received == BLOCK_SIZE
        assert [(offset, length) for offset, length, _link in served.asked] == [(0, BLOCK_SIZE)]
        for piece in read.pieces:
            if piece.owner is not None:
                served.pair.a.pool.give(piece.owner)
        await served.pair.close()

    run(main())


@pytest.mark.parametrize(("kind", "code"), [(Failing, Code.CHANGED), (Corrupt, Code.CORRUPT)])
def test_one_bad_piece_spoils_the_range(kind: type[Served], code: Code) -> None:
    async def main() -> None:
        served = kind()
        assert await whole(served) == (b"", b"", Failed(code))
        await served.pair.close()

    run(main())


def test_a_range_behind_the_end_is_short() -> None:
    async def main() -> None:
        served = Short()
        there = CONTENT[: PIECE_FIRST + 70_000]
        assert await whole(served) == (there, blake3(there).digest(), None)
        await served.pair.close()

    run(main())


def test_a_lost_link_costs_only_its_pieces() -> None:
    async def main() -> None:
        served = Served(links=2)
        reading = asyncio.create_task(whole(served))
        while not served.asked:
            await asyncio.sleep(0)
        cut(served.links[0])
        assert (await reading)[0] == CONTENT
        await served.pair.close()

    run(main())


def test_a_session_that_ends_ends_all_pieces() -> None:
    async def main() -> None:
        served = Hanging()
        reading = asyncio.create_task(whole(served))
        while len(served.asked) < PIECES:
            await asyncio.sleep(0)
        served.pair.a.fail(Interrupted("the test ends it"))
        with pytest.raises(Interrupted, match="the test ends it"):
            await reading
        await served.pair.close()

    run(main())


def test_pieces_are_as_large_as_links_are_fast() -> None:
    assert piece_size(0, 1e9) is None
    assert piece_size(1, None) is None
    assert piece_size(4, None) == PIECE_FIRST
    assert piece_size(4, 120e6) == BLOCK_SIZE
    assert piece_size(4, 25e6) == 1 << 20
    assert piece_size(8, 1e5) == PIECE_MIN
