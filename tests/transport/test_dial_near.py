"""The race of paths where the other side is near."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import pytest

from gimmal.base.errors import GimmalError, PeerAbsent, PeerSilent, RelayError, UsageError
from gimmal.noise.channel import RecentHellos
from gimmal.protocol.candidates import Candidates, candidate_key, seal_candidates
from gimmal.protocol.limits import PROTOCOL_VERSION
from gimmal.transport import dial
from gimmal.transport.buffers import BufferPool
from gimmal.transport.dial import Dialler, RelaySource, Ways
from gimmal.transport.link import Link, PathKind
from gimmal.transport.listener import Listener, bind
from gimmal.transport.opening import Identity, accept
from gimmal.transport.tcp_connect import connect_tcp
from tests.patience import PATIENCE
from tests.transport.helpers import Keys, identities

A, B = identities("near")
KEY = candidate_key(bytes(32))
ENDED = GimmalError("the test is over")


class Near:
    """A network in which these addresses are found, and those of ``hosts`` lie."""

    asks = True

    def __init__(self, *found: tuple[str, int], hosts: Sequence[str] = ()) -> None:
        self.found = found
        self.hosts = hosts
        self.searches = 0

    async def is_near(self, host: str) -> bool:
        return host in self.hosts

    async def is_here(self, host: str) -> bool:
        return host in self.hosts

    async def search(self, found: Callable[[str, int], None]) -> None:
        self.searches += 1
        for place in self.found:
            found(*place)


@dataclass
class Relay:
    """One that gives no links and keeps these addresses of the other side."""

    addresses: list[tuple[str, int]]
    asked = 0
    looked = 0

    async def link(self, deadline: float) -> socket.socket:
        self.asked += 1
        raise RelayError("the relay gives none")

    async def candidates(self) -> bytes:
        self.looked += 1
        candidates = Candidates(PROTOCOL_VERSION, "test", self.addresses)
        return seal_candidates(KEY, A.pair_id, "b", candidates, bytes(12))


@contextlib.asynccontextmanager
async def answering(identity: Identity = B) -> AsyncIterator[int]:
    """The port of one who answers as ``identity``."""
    keys, recent, pool = Keys(identity), RecentHellos(64), BufferPool()
    links: list[Link] = []

    async def greet(connection: socket.socket) -> None:
        accepted = await accept(connection, identity, keys, recent, path=PathKind.DIRECT, pool=pool)
        links.append(accepted.link)

    listener = Listener(bind("127.0.0.1", 0), greet)
    try:
        yield listener.port
    finally:
        await listener.close()
        for link in links:
            link.fail(ENDED)


async def path_of(near: Near, *relays: RelaySource, only: PathKind | None = None) -> PathKind:
    """How a session's first link came to be; raises why there is none."""
    dialler = Dialler(A, Ways(None, relays, KEY, only, near), BufferPool())
    session = await dialler.open_session(None, PATIENCE)
    path = session.links[0].path
    session.fail(ENDED)
    return path


@pytest.mark.parametrize("only", [None, PathKind.LAN, PathKind.DIRECT])
def test_found_without_a_relay(only: PathKind | None) -> None:
    async def main() -> None:
        async with answering() as port:
            assert await path_of(Near(("127.0.0.1", port)), only=only) is PathKind.LAN

    asyncio.run(main())


@pytest.mark.parametrize("only", [None, PathKind.LAN])
def test_not_found_without_a_relay(only: PathKind | None) -> None:
    with pytest.raises(PeerAbsent, match="not found in this network"):
        asyncio.run(path_of(Near(), only=only))


def test_who_insists_on_a_relay_does_not_look_near() -> None:
    near = Near()
    with pytest.raises(UsageError, match="no relay"):
        asyncio.run(path_of(near, only=PathKind.RELAYED))
    with pytest.raises(RelayError):
        asyncio.run(path_of(near, Relay([]), only=PathKind.RELAYED))
    assert near.searches == 0


def test_what_a_relay_says_tells_more_than_that_nobody_is_near() -> None:
    with pytest.raises(RelayError):
        asyncio.run(path_of(Near(), Relay([])))


@pytest.mark.parametrize(("hosts", "path"), [((), PathKind.DIRECT), (("127.0.0.1",), PathKind.LAN)])
def test_an_address_left_with_a_relay_may_be_near(hosts: tuple[str, ...], path: PathKind) -> None:
    async def main() -> None:
        async with answering() as port:
            relay = Relay([("127.0.0.1", port)])
            assert await path_of(Near(hosts=hosts), relay, only=PathKind.DIRECT) is path

    asyncio.run(main())


class Dead(Relay):
    """One that cannot be reached."""

    async def link(self, deadline: float) -> socket.socket:
        raise RelayError("the relay cannot be reached")

    async def candidates(self) -> bytes:
        raise RelayError("the relay cannot be reached")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_dead_relay_beside_one_that_answers_is_not_why_there_is_no_direct_path(order: tuple[int, int]) -> None:
    relays = [(Dead([]), Relay([]))[place] for place in order]
    with pytest.raises(PeerAbsent, match="left no address to dial"):
        asyncio.run(path_of(Near(), *relays, only=PathKind.DIRECT))

    async def failures(relays: Sequence[RelaySource]) -> dict[PathKind, str]:
        dialler = Dialler(A, Ways(None, relays, KEY, None, None), BufferPool())
        with pytest.raises(RelayError):
            await dialler.open_session(None, PATIENCE)
        return dialler.failures

    assert asyncio.run(failures(relays))[PathKind.DIRECT] == "the other side left no address to dial"
    assert asyncio.run(failures([Dead([]), Dead([])]))[PathKind.DIRECT] == "the relay cannot be reached"


def test_who_insists_on_the_local_network_dials_nothing_else() -> None:
    async def main() -> None:
        async with answering() as port:
            relay = Relay([("127.0.0.1", port)])
            with pytest.raises(PeerAbsent, match="not found in this network"):
                await path_of(Near(), relay, only=PathKind.LAN)
            assert await path_of(Near(hosts=["127.0.0.1"]), relay, only=PathKind.LAN) is PathKind.LAN
            assert relay.asked == 0

    asyncio.run(main())


def test_a_stranger_at_that_address_is_not_the_other_side() -> None:
    async def main() -> None:
        stranger = identities("stranger")[1]
        async with answering(stranger) as wrong, answering() as port:
            places = ("127.0.0.1", wrong), ("127.0.0.1", port)
            assert await path_of(Near(*places)) is PathKind.LAN
            with pytest.raises(PeerSilent):
                await path_of(Near(places[0]))

    asyncio.run(main())


def test_a_relay_is_not_troubled_for_what_is_near(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that is given up before its proof counts as an offence there."""
    monkeypatch.setattr(dial, "NEAR_DIAL_SECONDS", PATIENCE)

    async def main() -> None:
        async with answering() as port:
            relay = Relay([("127.0.0.1", port)])
            assert await path_of(Near(("127.0.0.1", port)), relay) is PathKind.LAN
            assert relay.asked == relay.looked == 0
            # Where the one who was found does not answer, the relay is asked at once.
            with socket.create_server(("127.0.0.1", 0)) as gone:
                refused = gone.getsockname()[1]
            assert await path_of(Near(("127.0.0.1", refused)), relay) is PathKind.DIRECT
            assert relay.looked == 1

    asyncio.run(main())


def test_what_is_found_while_the_race_ends_is_left_alone() -> None:
    class Late(Near):
        async def search(self, found: Callable[[str, int], None]) -> None:
            found(*self.found[0])
            try:
                await asyncio.Event().wait()
            finally:
                found("127.0.0.1", 1)

    async def main() -> None:
        async with answering() as port:
            assert await path_of(Late(("127.0.0.1", port))) is PathKind.LAN

    asyncio.run(main())


@pytest.mark.parametrize("scope", ["lo", str(socket.if_nametoindex("lo"))])
def test_a_scope_is_part_of_an_address(scope: str) -> None:
    async def main() -> None:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            (await connect_tcp(f"::1%{scope}", server.getsockname()[1])).close()

    if socket.has_ipv6:
        asyncio.run(main())


@pytest.mark.parametrize("scope", ["no-such", "9999999999999", "\0", "2147483646"])
def test_a_scope_that_is_none(scope: str) -> None:
    with pytest.raises(OSError):
        asyncio.run(connect_tcp(f"fe80::1%{scope}", 4100))
