"""Streams that are pushed: no byte more than was granted, in order, on their own link, and over with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import NOTICES_BYTES_MAX
from gimmal.protocol.messages import Answer, Done, OpenNotices
from gimmal.transport.exchange import AnswerSink, Incoming
from gimmal.transport.link import Link
from gimmal.transport.pushed import Pushing, Receiving
from tests.patience import PATIENCE
from tests.transport.helpers import run, until
from tests.transport.sessions import Notes, Pair, cut, raw_session

CREDIT = NOTICES_BYTES_MAX


class Streamed:
    """A stream that the far side pushes."""

    def __init__(self) -> None:
        self.notes = Notes({OpenNotices: self._open})
        self.pair = Pair(None, self.notes)
        self.pair.link()
        self.bodies: list[bytes] = []
        self.over = 0
        self.pushing: Pushing
        self.receiving: Receiving

    async def _open(self, incoming: Incoming) -> Answer:
        self.pushing = self.pair.b.streams.open(incoming.link, incoming.number, CREDIT)
        return Done()

    async def open(self) -> None:
        async def sent(link: Link, number: int) -> None:
            self.receiving = self.pair.a.streams.expect(link, number, CREDIT, self._take, self._over)

        await self.pair.a.exchange(OpenNotices(CREDIT), AnswerSink, send_more=sent)

    def _take(self, body: memoryview) -> None:
        self.bodies.append(bytes(body))

    def _over(self) -> None:
        self.over += 1


def streamed(work: Callable[[Streamed], Awaitable[None]]) -> None:
    async def main() -> None:
        world = Streamed()
        await world.open()
        await work(world)
        await world.pair.close()

    run(main())


def test_bodies_arrive_in_order_and_no_more_than_was_granted() -> None:
    async def work(world: Streamed) -> None:
        assert await world.pushing.has_room(CREDIT)
        world.pushing.push(b"one")
        world.pushing.push(b"two")
        waiting = asyncio.create_task(world.pushing.has_room(CREDIT))
        await until(lambda: world.bodies == [b"one", b"two"])
        assert not waiting.done()
        world.receiving.grant(6)
        assert await waiting
        assert world.receiving.received == world.pushing.pushed == 6

    streamed(work)


def test_opening_a_stream_waits_for_no_upload_and_is_none() -> None:
    async def main() -> None:
        world = Streamed()
        uploads = world.pair.a._asking._streams
        while not uploads.locked():
            await uploads.acquire()
        seen: list[int] = []
        opened = world._open

        async def open_stream(incoming: Incoming) -> Answer:
            seen.append(world.pair.a.links[0].streams)
            return await opened(incoming)

        world.notes.todo[OpenNotices] = open_stream
        async with asyncio.timeout(PATIENCE):
            await world.open()
        assert seen == [0]
        await world.pair.close()

    run(main())


@pytest.mark.parametrize("how", ["cut", "left", "cancelled", "ended", "closed"])
def test_a_stream_is_over_on_both_sides(how: str) -> None:
    async def work(world: Streamed) -> None:
        told: list[str] = []
        world.pushing.on_over = lambda: told.append("over")
        if how == "cut":
            cut(world.pair.a.links[0])
        elif how == "left":
            world.pair.a.links[0].leave()
        elif how == "cancelled":
            world.receiving.close()
        elif how == "ended":
            world.pushing.end()
        else:
            world.pair.a.close(0)  # type: ignore[arg-type]
        await until(lambda: world.pushing.over and world.receiving.over)
        assert told == ["over"]
        assert world.over == (0 if how == "cancelled" else 1)
        assert not world.pair.a.streams.into
        assert not world.pair.b.streams.out
        world.pushing.push(b"nothing")
        assert not await world.pushing.has_room(1)

    streamed(work)


@pytest.mark.parametrize(
    ("offset", "size"),
    [(1, 1), (0, NOTICES_BYTES_MAX + 1), (3, CREDIT - 2)],
    ids=["out of order", "too long", "more than granted"],
)
def test_what_may_not_come_ends_the_session(offset: int, size: int) -> None:
    async def main() -> None:
        raw, session = raw_session()

        async def sent(link: Link, number: int) -> None:
            session.streams.expect(link, number, CREDIT, lambda _body: None, lambda: None)

        asking = asyncio.create_task(session.exchange(OpenNotices(CREDIT), AnswerSink, send_more=sent))
        number = (await raw.get())[1]
        await raw.put(RecordKind.NOTICES, number + 2, 77, b"of a stream nobody knows")
        if offset == 3:
            await raw.put(RecordKind.NOTICES, number, 0, b"abc")
        await raw.put(RecordKind.NOTICES, number, offset, bytes(size))
        await asyncio.wait_for(asyncio.shield(session.ended), PATIENCE)
        assert isinstance(session.cause, ProtocolViolation)
        with pytest.raises(ProtocolViolation):
            await asking
        raw.close()

    run(main())
