"""A session dials links for its bulk, asks evenly of them, and lets go what it does not need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from gimmal.protocol.limits import LINKS_MAX
from gimmal.protocol.messages import Answer, Read, Stat
from gimmal.transport import bulk_links
from gimmal.transport.exchange import Incoming
from gimmal.transport.link import Link, PathKind
from gimmal.transport.link_growth import BULK_MAX, BULK_RELAYED_MAX, Advice, LinkGrowth
from tests.transport.helpers import run, until
from tests.transport.sessions import Notes, Pair, read, serve_read


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Looks come often, and far sides begin with four as ever, though the test's links are near.

    Whether more would help (test_link_growth.py) a busy machine measures otherwise each time: here nobody asks.
    """
    monkeypatch.setattr(bulk_links, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(LinkGrowth, "look", lambda *_: Advice())
    monkeypatch.setattr(bulk_links, "first_links", lambda _round_trip, most, relayed: min(1 if relayed else 4, most))
    yield


def pair_that_serves() -> Pair:
    async def serve(incoming: Incoming) -> Answer | None:
        await serve_read(incoming, pair.pools[1])
        return None

    pair = Pair(None, Notes({Read: serve}), redial=True)
    pair.link()
    return pair


def bulk(pair: Pair) -> list[Link]:
    return [link for link in pair.a.links if link.bulk and not link.retiring]


def test_near_sides_have_one_link_for_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        # As on a machine that does nothing else: this process is what holds the bulk up.
        monkeypatch.setattr(bulk_links, "time", SimpleNamespace(thread_time=asyncio.get_running_loop().time))
        pair = pair_that_serves()
        await read(pair.a, length=100_000)
        await until(lambda: pair.a.links[0].round_trip is not None)
        assert len(pair.a.links) == 1
        pair.a.bulk.ponged(0.0001)  # whatever a busy machine measures
        await asyncio.gather(*(read(pair.a) for _ in range(4)))
        await until(lambda: len(pair.a.links) == 2)
        for _ in range(20):
            await asyncio.gather(*(read(pair.a) for _ in range(4)))
        assert [link.bulk for link in pair.a.links] == [False, True]
        await pair.close()

    run(main())


def test_far_sides_begin_with_several_and_questions_stay_off_them(quick: None) -> None:
    async def main() -> None:
        pair = pair_that_serves()
        await asyncio.gather(*(read(pair.a) for _ in range(3)))
        await until(lambda: len(bulk(pair)) == 4)
        control = pair.a.links[0]
        before = control.bytes_received
        busy = [asyncio.create_task(read(pair.a)) for _ in range(12)]
        await asyncio.sleep(0)
        assert {link.outstanding for link in bulk(pair)} == {3}
        await pair.a.call(Stat("a"))
        await asyncio.gather(*busy)
        assert control.bytes_received - before < 2000
        assert all(link.bytes_received > 0 for link in bulk(pair))
        await pair.close()

    run(main())


@pytest.mark.parametrize(("size", "links"), [(8 << 20, 4), (1 << 20, 0)])
def test_links_are_dialled_for_bulk_that_is_foreseen(quick: None, size: int, links: int) -> None:
    async def main() -> None:
        pair = pair_that_serves()
        pair.a.expect_bulk(size)
        await until(lambda: len(bulk(pair)) == links)
        await read(pair.a, length=1000)
        assert len(bulk(pair)) == links
        await pair.close()

    run(main())


def test_links_nobody_uses_are_let_go_but_one(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        pair = pair_that_serves()
        await asyncio.gather(*(read(pair.a) for _ in range(3)))
        await until(lambda: len(bulk(pair)) == 4)
        monkeypatch.setattr(bulk_links, "UNUSED_SECONDS", 0.0)
        await until(lambda: len(pair.a.links) == 2)
        assert len(bulk(pair)) == 1
        assert len(await read(pair.a)) > 0
        await pair.close()

    run(main())


def test_a_retiring_link_ends_once_its_answers_are_there(quick: None) -> None:
    async def main() -> None:
        pair = pair_that_serves()
        await asyncio.gather(*(read(pair.a) for _ in range(3)))
        await until(lambda: len(bulk(pair)) == 4)
        busy = [asyncio.create_task(read(pair.a)) for _ in range(8)]
        await asyncio.sleep(0)
        last = bulk(pair)[-1]
        last.retiring = True
        assert last.outstanding == 2
        more = asyncio.create_task(read(pair.a))
        await asyncio.gather(*busy, more)
        await until(lambda: last.over)
        assert last.ended.done() or last.outstanding == 0
        await pair.close()

    run(main())


def test_limits_of_links() -> None:
    async def main() -> None:
        pair = pair_that_serves()
        control = pair.a.links[0]
        assert pair.a.bulk._most() == BULK_MAX
        control.path = PathKind.RELAYED
        assert pair.a.bulk._most() == BULK_RELAYED_MAX
        direct, _ = pair.link(bulk=True)
        assert pair.a.bulk._most() == BULK_MAX
        direct.path = PathKind.RELAYED
        assert pair.a.bulk._most() == BULK_RELAYED_MAX
        control.path = direct.path = PathKind.DIRECT
        while len(pair.a.links) < LINKS_MAX - 2:
            pair.link()
        assert pair.a.bulk._most() == 3
        await pair.close()

    run(main())


def test_a_side_that_cannot_dial_asks_on_what_there_is() -> None:
    async def main() -> None:
        pair = pair_that_serves()
        pair.may_dial = False
        await asyncio.gather(*(read(pair.a) for _ in range(6)))
        await asyncio.sleep(0.05)
        assert len(pair.a.links) == 1
        assert not pair.a.over
        await pair.close()

    run(main())
