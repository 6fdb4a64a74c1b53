"""Many connections at once, and one that counts."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gimmal.base.errors import PeerAbsent
from gimmal.protocol.places import Place, place_of
from gimmal.transport.punching import meeting, pace
from gimmal.transport.punching.meeting import meet
from gimmal.transport.punching.ports import Port, own_addresses, ports_of
from tests.patience import PATIENCE
from tests.transport.helpers import run
from tests.transport.punching.rig import HERE, listening


def closed_place() -> Place:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return place_of(*gone.getsockname()[:2])


async def keep(connection: socket.socket) -> socket.socket:
    return connection


async def turn_away(connection: socket.socket) -> socket.socket:
    connection.close()
    raise PeerAbsent("a stranger")


def test_the_first_that_is_taken_counts_and_the_others_end() -> None:
    async def main() -> None:
        async with listening() as (place, taken):
            with ports_of([HERE]) as ports:
                pairs = [(ports[HERE], closed_place()), (ports[HERE], place)]
                won = await meet(pairs, keep, socket.socket.close, asks=False, wait=0.0)
            assert won is not None
            assert won.getpeername() == (str(place.address), place.port)
            other = await taken.get()
            assert other.getpeername() == won.getsockname()
            won.close()
            other.close()

    run(main())


@pytest.mark.parametrize("place_is_open", [True, False])
def test_how_long_it_takes_says_nothing_of_what_was_met(monkeypatch: pytest.MonkeyPatch, place_is_open: bool) -> None:
    monkeypatch.setattr(pace, "PUNCH_SECONDS", 0.01)
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 100 * PATIENCE)

    async def main() -> None:
        async with listening() as (place, taken):
            with ports_of([HERE]) as ports:
                pairs = [(ports[HERE], place if place_is_open else closed_place())]
                meets = asyncio.create_task(meet(pairs, turn_away, socket.socket.close, asks=True, wait=0.0))
                if place_is_open:
                    (await taken.get()).close()
                # All tries are over long before that.
                done, _pending = await asyncio.wait([meets], timeout=0.3)
                assert not done
                meets.cancel()
                await asyncio.gather(meets, return_exceptions=True)

    run(main())


def test_in_vain_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 0.1)

    async def main() -> None:
        with ports_of([HERE]) as ports:
            assert await meet([(ports[HERE], closed_place())], keep, socket.socket.close, asks=True, wait=0.0) is None

    run(main())


def test_a_port_is_kept_from_others_and_used_again_and_again() -> None:
    async def main() -> None:
        async with listening() as (one, taken), listening() as (two, also_taken):
            port = Port(HERE)
            with socket.socket() as stranger, pytest.raises(OSError):
                stranger.bind(("127.0.0.1", port.number))
            for _ in range(3):
                with pytest.raises(OSError):
                    await port.connect(closed_place())
            connections = [await port.connect(one), await port.connect(two)]
            assert {connection.getsockname() for connection in connections} == {("127.0.0.1", port.number)}
            with pytest.raises(OSError):
                await port.connect(one)  # there is one from here to there already
            port.close()
            for queue in (taken, also_taken):
                (await queue.get()).close()
            for connection in connections:
                connection.close()

    run(main())


def test_an_address_that_is_not_this_computers_has_no_port() -> None:
    foreign = place_of("7.7.7.7", 1).address
    with ports_of([foreign, HERE]) as ports:
        assert list(ports) == [HERE]
    with pytest.raises(OSError):
        Port(foreign)


def test_of_each_version_one_own_address_towards_the_internet_or_none() -> None:
    versions = [address.version for address in own_addresses()]
    assert versions in ([], [4], [6], [4, 6])
