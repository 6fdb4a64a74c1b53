"""Asking and answering in a network, each with real packets; the network is the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from ipaddress import IPv4Interface
from typing import Any, Self

import pytest

from gimmal.base.primitives import sha256
from gimmal.base.workers import Workers
from gimmal.protocol.lan_names import SECONDS_PER_DAY, label, lan_key, proof
from gimmal.protocol.lan_packets import (
    Place,
    encode_answer,
    encode_question,
    host_name,
    read_answer,
    read_question,
    service_name,
)
from gimmal.transport.lan import asking
from gimmal.transport.lan.answering import ANSWERS_A_SECOND, LanAnswerer, _Second
from gimmal.transport.lan.asking import LanSearch
from gimmal.transport.lan.networks import Interface, is_near
from gimmal.transport.lan.sockets import asking_socket, group_address, listening_socket
from tests.patience import PATIENCE
from tests.transport.helpers import until

LO = Interface("lo", socket.if_nametoindex("lo"), (IPv4Interface("127.0.0.1/8"),))
NOON = 20_784.5 * SECONDS_PER_DAY
DAY = 20_784
PORT = 4100
HERE = ("127.0.0.1", PORT)


def can_multicast() -> bool:
    with contextlib.suppress(OSError), listening_socket(LO, 4) as listening, asking_socket(LO, 4) as sending:
        sending.sendto(b"?", group_address(LO, 4))
        listening.settimeout(2.0)
        return bool(listening.recv(1))
    return False


pytestmark = pytest.mark.skipif(not can_multicast(), reason="this system has no multicast on its loopback interface")


@pytest.fixture
def key(request: pytest.FixtureRequest) -> bytes:
    """Of a pair of this test's own: others ask and answer on the same network at the same time."""
    return lan_key(sha256(request.node.nodeid.encode(), str(id(request)).encode()))


async def interfaces() -> tuple[Interface, ...]:
    return (LO,)


@contextlib.asynccontextmanager
async def answering(key: bytes, *, clock: float = NOON, listens: str = "") -> AsyncIterator[None]:
    """An agent of side a that can be found."""
    answerer = LanAnswerer(key, "a", listens, PORT, interfaces, Workers(), lambda: clock)
    task = asyncio.get_running_loop().create_task(answerer.run())
    await until(lambda: bool(answerer._stations))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert not answerer._stations


def search_of(key: bytes, *, clock: float = NOON, asks: bool = True, side: str = "a") -> LanSearch:
    return LanSearch(key, side, Workers(), asks=asks, clock=lambda: clock, read=lambda: (LO,))


@contextlib.asynccontextmanager
async def searching(search: LanSearch) -> AsyncIterator[list[tuple[str, int]]]:
    """What a search has found so far; it is repeated, for a busy machine may need more than one."""
    found: list[tuple[str, int]] = []

    async def search_on() -> None:
        while True:
            await search.search(lambda *place: found.append(place))

    task = asyncio.get_running_loop().create_task(search_on())
    try:
        yield found
    finally:
        task.cancel()
        await asyncio.wait([task])


async def first_found(search: LanSearch) -> tuple[str, int]:
    """What a search finds first."""
    async with searching(search) as found:
        await until(lambda: bool(found))
        return found[0]


async def all_found(search: LanSearch) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    await search.search(lambda *place: found.append(place))
    return found


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


class Bystander:
    """Somebody on the network with a socket of its own, and another that hears what is said to all."""

    def __init__(self) -> None:
        self.asking = asking_socket(LO, 4)
        self.hearing = listening_socket(LO, 4)

    def say(self, packet: bytes) -> None:
        self.asking.sendto(packet, group_address(LO, 4))

    async def heard(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.hearing, 2000), PATIENCE)

    async def told(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.asking, 2000), PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.asking.close()
        self.hearing.close()


@pytest.mark.parametrize("apart", [0.0, SECONDS_PER_DAY, -SECONDS_PER_DAY])
def test_the_other_side_is_found(key: bytes, apart: float) -> None:
    async def main() -> None:
        async with answering(key, clock=NOON + apart):
            assert await first_found(search_of(key)) == HERE

    run(main)


def test_nobody_else_is_answered(key: bytes) -> None:
    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        others = [
            service_name(label(key, "b", DAY)),
            service_name(label(key, "a", DAY + 2)),
            service_name(label(key, "a", DAY - 365)),
            service_name(label(lan_key(bytes(32)), "a", DAY)),
            (b"_gimmal", b"_tcp", b"local"),
            (b"_services", b"_dns-sd", b"_udp", b"local"),
            (*name[:1], b"local"),
        ]
        with Bystander() as somebody:
            async with answering(key):
                for other in others:
                    somebody.say(encode_question(other, unicast=False))
                somebody.say(b"\0" * 700)
                somebody.say(encode_question(name, unicast=False))
                # Packets keep their order here: an answer to one of the others would come before.
                answer = await somebody.told()
        assert read_answer(answer, name) != ()

    run(main)


def test_an_answer_is_proved_and_says_no_more_than_it_must(key: bytes) -> None:
    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        with Bystander() as somebody:
            async with answering(key):
                somebody.say(b"\0\7" + encode_question(name, unicast=False)[2:])
                answer = await somebody.told()
        mapped = bytes(10) + b"\xff\xff\x7f\0\0\1"
        place = Place(host_name(proof(key, "a", DAY, mapped, PORT)), mapped, PORT)
        assert answer == encode_answer(7, name, place)

    run(main)


def test_an_answer_also_goes_to_all_but_not_each(key: bytes) -> None:
    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        with Bystander() as somebody:
            async with answering(key):
                for number in range(3):
                    somebody.say(bytes([0, number]) + encode_question(name, unicast=False)[2:])
                ids = [(await somebody.told())[1] for _ in range(3)]
                assert ids == [0, 1, 2]
                somebody.say(b"the end")
                to_all = []
                while (packet := await somebody.heard()) != b"the end":
                    if read_answer(packet, name):
                        to_all.append(packet[1])
        # As many as seconds began meanwhile, and one in any case.
        assert to_all[:1] == [0]
        assert len(to_all) <= 3

    run(main)


def test_an_answer_goes_to_the_asker_alone_where_that_is_enough(key: bytes) -> None:
    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        with Bystander() as somebody:
            async with answering(key):
                somebody.say(encode_question(name, unicast=True))
                assert read_answer(await somebody.told(), name) != ()
                somebody.say(b"the end")
                while (packet := await somebody.heard()) != b"the end":
                    assert read_answer(packet, name) == ()

    run(main)


def test_who_hears_only_what_is_said_to_all_finds_the_other_side(key: bytes) -> None:
    """As behind a firewall: what is sent to the asker alone never arrives."""

    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        mapped = bytes(10) + b"\xff\xff\x7f\0\0\1"
        place = Place(host_name(proof(key, "a", DAY, mapped, PORT)), mapped, PORT)
        asked: list[bool] = []
        with listening_socket(LO, 4) as other_side, asking_socket(LO, 4) as mouth:

            def answer() -> None:
                question = read_question(other_side.recv(2000))
                if question is not None and name in question.names:
                    asked.append(question.unicast)
                    if not question.unicast:
                        mouth.sendto(encode_answer(0, name, place), group_address(LO, 4))

            loop = asyncio.get_running_loop()
            loop.add_reader(other_side.fileno(), answer)
            assert await first_found(search_of(key)) == HERE
            loop.remove_reader(other_side.fileno())
        assert asked[:2] == [True, False]

    run(main)


def test_an_agent_that_listens_elsewhere_says_nothing(key: bytes) -> None:
    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        with Bystander() as somebody:
            async with answering(key, listens="192.0.2.1"), answering(lan_key(b"other".ljust(32))):
                somebody.say(encode_question(name, unicast=False))
                other = service_name(label(lan_key(b"other".ljust(32)), "a", DAY))
                somebody.say(encode_question(other, unicast=False))
                answer = await somebody.told()
        assert read_answer(answer, name) == ()
        assert read_answer(answer, other) != ()

    run(main)


def test_a_liar_is_not_believed(key: bytes) -> None:
    """It hears each question and answers it before the other side can: nothing of it is told to who searches."""

    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        mapped = bytes(10) + b"\xff\xff\x0a\0\0\1"
        real = proof(key, "a", DAY, mapped, 9)
        lies = [
            encode_answer(0, name, Place(host_name("a" * 26), mapped, 9)),
            encode_answer(0, name, Place(host_name(real), mapped, 10)),
            encode_answer(0, name, Place(host_name(real), mapped[:-1] + b"\2", 9)),
            encode_answer(0, name, Place(host_name(proof(key, "b", DAY, mapped, 9)), mapped, 9)),
            encode_answer(0, name, Place(host_name(proof(key, "a", DAY - 1, mapped, 9)), mapped, 9)),
            encode_answer(0, name, Place((real.encode(), b"example", b"local"), mapped, 9)),
            encode_answer(0, name, Place(host_name(real), mapped, 9))[:-1],
            b"\xff" * 1500,
            b"",
        ]
        loop = asyncio.get_running_loop()
        with listening_socket(LO, 4) as liar, asking_socket(LO, 4) as mouth:
            answered = asyncio.Event()

            def lie() -> None:
                packet, source = liar.recvfrom(2000)
                question = read_question(packet)
                if question is not None and name in question.names:
                    for one in lies:
                        mouth.sendto(one, source)
                    answered.set()

            loop.add_reader(liar.fileno(), lie)
            async with searching(search_of(key)) as found:
                await asyncio.wait_for(answered.wait(), PATIENCE)
                async with answering(key):
                    await until(lambda: bool(found))
            loop.remove_reader(liar.fileno())
        assert set(found) == {HERE}

    run(main)


def test_who_may_not_ask_says_nothing(key: bytes) -> None:
    async def main() -> None:
        name = service_name(label(key, "a", DAY))
        with Bystander() as somebody:
            assert await all_found(search_of(key, asks=False)) == []
            somebody.say(b"the end")
            while (packet := await somebody.heard()) != b"the end":
                question = read_question(packet)
                assert question is None or name not in question.names

    run(main)


def test_what_was_found_is_told_again_at_once(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        search = search_of(key)
        async with answering(key):
            await first_found(search)
        search.asks = False
        assert await all_found(search) == [HERE]
        monkeypatch.setattr(asking, "REMEMBER_SECONDS", -1.0)
        assert await all_found(search) == []

    run(main)


def test_in_another_network_nothing_of_the_last_one_is_believed(key: bytes) -> None:
    async def main() -> None:
        search = search_of(key)
        async with answering(key):
            await first_found(search)
        assert search.seems_near(HERE[0]) is is_near(HERE[0], await interfaces())
        search.asks = False
        search.forget()
        assert await all_found(search) == []

    run(main)


def test_an_answerer_looks_at_the_interfaces_when_the_network_changes(key: bytes) -> None:
    async def main() -> None:
        looks = 0

        async def looked() -> tuple[Interface, ...]:
            nonlocal looks
            looks += 1
            return ()

        answerer = LanAnswerer(key, "a", "", PORT, looked, Workers(), lambda: NOON)
        task = asyncio.create_task(answerer.run())
        for number in (1, 2, 3):
            await until(lambda number=number: looks == number)
            answerer.changed()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main)


def test_where_too_much_is_said_a_search_ends(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PACKETS_MAX", 3)
    monkeypatch.setattr(asking, "PAUSES", (0.05, 0.05))

    async def main() -> None:
        with Bystander() as somebody:
            loop = asyncio.get_running_loop()
            search = search_of(key)
            task = loop.create_task(all_found(search))
            while not task.done():
                somebody.say(b"noise")
                await asyncio.sleep(0)
            assert await task == []

    run(main)


def test_without_an_interface_nothing_is_found_at_once(key: bytes) -> None:
    async def main() -> None:
        nowhere = Interface("gone", 9999, (IPv4Interface("192.0.2.1/24"),))
        for read in ((), (nowhere,)):
            search = LanSearch(key, "a", Workers(), asks=True, read=lambda read=read: read)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            assert await all_found(search) == []
            assert loop.time() - begun < sum(asking.PAUSES)

    run(main)


def test_so_many_a_second() -> None:
    limit = _Second(ANSWERS_A_SECOND)
    taken = [limit.take(10.0 + at / 1000) for at in range(100)]
    assert taken == [True] * ANSWERS_A_SECOND + [False] * (100 - ANSWERS_A_SECOND)
    assert limit.take(11.0)
