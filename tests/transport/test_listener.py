"""Accepting connections, most of them from strangers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import statistics
from collections.abc import Awaitable, Callable

import pytest

from gimmal.base.errors import GimmalError, LocalError
from gimmal.noise.channel import HELLO_SIZE, RecentHellos
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import PathKind
from gimmal.transport.listener import WAITING_MAX, WAITING_PER_SOURCE_MAX, Listener, bind
from gimmal.transport.opening import accept, prepare
from tests.figures import figure
from tests.transport.helpers import FULL, Keys, Recorder, identities, read_all, run, until

A, B = identities("listener")
ENDED = GimmalError("the test is over")

Greet = Callable[[socket.socket], Awaitable[None]]


class Door:
    """A listener that greets as an agent does and drops the links it gets."""

    def __init__(self, deadline: float = 5.0) -> None:
        self.deadline = deadline
        self.keys, self.recent, self.pool = Keys(B), RecentHellos(4096), BufferPool()
        self.opened = 0
        self.listener = Listener(bind("127.0.0.1", 0), self.greet)

    async def greet(self, connection: socket.socket) -> None:
        accepted = await accept(
            connection, B, self.keys, self.recent, path=PathKind.DIRECT, pool=self.pool, deadline=self.deadline
        )
        self.opened += 1
        accepted.link.fail(ENDED)

    async def caller(self, source: str) -> socket.socket:
        """A connection from an address of 127.0.0.0/8 that says nothing."""
        connection = socket.socket()
        connection.setblocking(False)
        try:
            connection.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.listener.port))
        except BaseException:
            connection.close()
            raise
        return connection

    async def honest(self, source: str) -> float:
        """Seconds that a friend needs to open a link."""
        begun = asyncio.get_running_loop().time()
        connection = await self.caller(source)
        prepared = await prepare(connection, A, A.keys(), path=PathKind.DIRECT, pool=self.pool)
        prepared.open_session()
        taken = asyncio.get_running_loop().time() - begun
        prepared.link.start(Recorder())
        await prepared.link.ended
        return taken


def closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


class TestBinding:
    def test_a_free_port_of_one_address(self) -> None:
        (listener,) = bind("127.0.0.1", 0)
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.getsockname()[1] > 0
        assert not listener.getblocking()
        listener.close()

    def test_all_addresses_of_both_families(self) -> None:
        async def main() -> None:
            met: list[str] = []

            async def greet(connection: socket.socket) -> None:
                met.append(connection.getpeername()[0])
                connection.close()

            listener = Listener(bind("", 0), greet)
            hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
            for host in hosts:
                socket.create_connection((host, listener.port), 5).close()
            await until(lambda: len(met) == len(hosts))
            await listener.close()

        run(main())

    def test_a_port_that_is_taken(self) -> None:
        (listener,) = bind("127.0.0.1", 0)
        with pytest.raises(LocalError):
            bind("127.0.0.1", listener.getsockname()[1])
        listener.close()

    @pytest.mark.parametrize(
        ("host", "port"),
        [("192.0.2.1", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1), ("a" * 70, 0), ("1::2::3", 0)],
    )
    def test_what_cannot_be_listened_on(self, host: str, port: int) -> None:
        with pytest.raises(LocalError):
            bind(host, port)


class TestLimits:
    def test_one_source_holds_so_many_places_and_its_oldest_gives_way(self) -> None:
        async def main() -> None:
            door = Door()
            callers = [await door.caller("127.0.0.2") for _ in range(WAITING_PER_SOURCE_MAX + 3)]
            other = await door.caller("127.0.0.3")
            await until(lambda: [closed(caller) for caller in callers] == [True] * 3 + [False] * WAITING_PER_SOURCE_MAX)
            assert not closed(other)
            assert len(door.listener._waiting) == WAITING_PER_SOURCE_MAX + 1
            await door.listener.close()
            for caller in [*callers, other]:
                assert closed(caller)
                caller.close()

        run(main())

    def test_all_sources_hold_so_many_places_and_a_new_caller_is_never_refused(self) -> None:
        async def main() -> None:
            door = Door()
            callers = [await door.caller(f"127.0.1.{1 + index // 4}") for index in range(WAITING_MAX)]
            await until(lambda: len(door.listener._waiting) == WAITING_MAX)
            assert await door.honest("127.0.2.1") < 5
            assert sum(closed(caller) for caller in callers) == 1
            await door.listener.close()
            for caller in callers:
                caller.close()

        run(main())

    def test_a_burst_larger_than_all_places_leaves_no_socket_open(self) -> None:
        async def main() -> None:
            door = Door()
            callers = [socket.create_connection(("127.0.0.1", door.listener.port)) for _ in range(200)]  # in one turn
            for caller in callers:
                caller.setblocking(False)
            await until(lambda: sum(closed(caller) for caller in callers) == 200 - WAITING_PER_SOURCE_MAX)
            assert not door.listener._unmet
            await door.listener.close()
            for caller in callers:
                caller.close()

        run(main())

    def test_a_silent_caller_is_closed_at_the_deadline_and_frees_its_place(self) -> None:
        async def main() -> None:
            door = Door(deadline=0.1)
            caller = await door.caller("127.0.0.2")
            assert await read_all(caller) == b""
            await until(lambda: not len(door.listener._waiting))
            caller.close()
            await door.listener.close()

        run(main())

    def test_an_opened_link_holds_no_place(self) -> None:
        async def main() -> None:
            door = Door()
            await asyncio.gather(*(door.honest("127.0.0.2") for _ in range(5)))
            assert door.opened == 5
            assert not len(door.listener._waiting)
            await door.listener.close()

        run(main())

    def test_a_shortage_of_descriptors_passes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            door = Door()
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            caller = socket.socket()
            spare = os.open("/dev/null", os.O_RDONLY)
            os.close(spare)
            resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))  # accept fails from now on
            try:
                caller.setblocking(False)
                await asyncio.get_running_loop().sock_connect(caller, ("127.0.0.1", door.listener.port))
                await asyncio.sleep(0.05)
                assert not len(door.listener._waiting)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await until(lambda: len(door.listener._waiting) == 1)
            await door.listener.close()
            caller.close()

        run(main())


@pytest.mark.campaign
def test_an_honest_caller_is_served_beside_a_crowd() -> None:
    """Half-open strangers, junk and dribblers from other addresses slow a friend down to at most twice the time."""
    crowd = 1000 if FULL else 100
    # Each round is compared with itself, quiet and crowded in turn: a slow turn of the machine spoils a round, not the
    # median of them. On a machine that does much else more rounds are needed to tell, and the campaign alone judges.
    least, most, tries = (9, 21, 60) if FULL else (3, 3, 24)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 4 * crowd + 256)

    async def main() -> tuple[list[float], int]:
        door = Door()
        for _ in range(5):
            await door.honest("127.0.9.9")
        strangers: dict[int, socket.socket] = {}
        answered = 0

        async def crowd_in() -> None:
            nonlocal answered
            index = 0
            while True:
                place = index % crowd
                old = strangers.pop(place, None)
                if old is not None:
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        answered += len(old.recv(1000))
                    old.close()
                try:
                    caller = await door.caller(f"127.1.{place % 200}.{1 + place // 200}")
                    strangers[place] = caller
                    if index % 3:
                        caller.send(os.urandom(HELLO_SIZE if index % 3 == 1 else 20))
                except OSError:
                    pass
                index += 1
                await asyncio.sleep(0 if len(strangers) < crowd else 0.005)

        async def paced() -> list[float]:
            # Pauses, so that no call meets what the one before it left to do.
            taken = []
            for _ in range(tries):
                taken.append(await door.honest("127.0.9.9"))
                await asyncio.sleep(0.01)
            return taken

        async def one_round() -> float:
            idle = await paced()
            crowding = asyncio.create_task(crowd_in())
            await until(lambda: len(strangers) == crowd)
            busy = await paced()
            crowding.cancel()
            await asyncio.gather(crowding, return_exceptions=True)
            for stranger in strangers.values():
                stranger.close()
            strangers.clear()
            return _p95(busy) / _p95(idle)

        ratios: list[float] = []
        while len(ratios) < least or (len(ratios) < most and statistics.median(ratios) > 2):
            ratios.append(await one_round())
        assert door.opened == 2 * len(ratios) * tries + 5
        await door.listener.close()
        return ratios, answered

    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        ratios, answered = run(main(), debug=False)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    figure(
        f"honest connect beside {crowd} half-open callers: p95 / idle, median of {len(ratios)} rounds",
        round(statistics.median(ratios), 2),
        "<= 2",
    )
    figure("bytes answered to the crowd", answered, "0")
    assert answered == 0
    assert statistics.median(ratios) <= 2 or not FULL, ratios


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def test_a_port_that_is_taken_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError) as caught:
            bind("127.0.0.1", port)
    assert caught.value.message == f"cannot listen on 127.0.0.1 port {port}: address already in use"
