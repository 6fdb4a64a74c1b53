"""Taking part in a punching: whom it connects to, how often, and how it ends."""

from __future__ import annotations

import asyncio
import random

import pytest

from gimmal.base.errors import GimmalError
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import PUNCH_PLACES_MAX
from gimmal.protocol.messages import Answer, Failed, Punch, PunchPlaces, Stat
from gimmal.protocol.places import Place, pack_place, parse_place, place_of
from gimmal.transport.link import PathKind
from gimmal.transport.opening import prepare
from gimmal.transport.punching import meeting, pace
from gimmal.transport.punching.looking import Looking
from gimmal.transport.punching.places import Door, View
from tests.patience import PATIENCE
from tests.transport.helpers import run, until
from tests.transport.punching.rig import A, Loopback, Rig, listening, rig

KEPT = View(place_of("127.0.0.1", 40_000), place_of("7.7.1.2", 40_000))
CHANGED = View(KEPT.own, place_of("7.7.1.2", 61_234))


async def ask(made: Rig, *places: Place, round_trip: int = 0) -> Answer:
    return await made.pair.a.call(Punch([pack_place(place) for place in places], round_trip))


def test_it_connects_from_the_place_it_named_and_takes_the_other_side_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 100 * PATIENCE)

    async def main() -> None:
        async with rig() as made, listening() as (place, taken):
            answer = await ask(made, place)
            assert isinstance(answer, PunchPlaces)
            async with asyncio.timeout(PATIENCE):
                connection = await taken.get()
            named = parse_place(answer.places[0])
            assert connection.getpeername() == (str(named.address), named.port)
            connection.setblocking(False)
            keys = made.pair.a.keys
            prepared = await prepare(connection, A, keys, path=PathKind.PUNCHED, pool=made.pair.pools[0])
            link = prepared.join(keys, 2, bulk=False)
            made.pair.a.attach(link)
            await until(lambda: len(made.greeted) == 1)
            assert made.greeted[0].path is PathKind.PUNCHED
            assert made.greeted[0] in made.pair.b.links
            await until(lambda: not made.answerer.busy)

    run(main())


def test_it_waits_while_its_answer_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with rig() as made, listening() as (place, taken):
            asked = loop.time()
            await ask(made, place, round_trip=400_000)
            async with asyncio.timeout(PATIENCE):
                (await taken.get()).close()
            assert loop.time() - asked >= 0.2

    run(main())


@pytest.mark.parametrize(("views", "changes"), [([CHANGED], True), ([], False)])
def test_without_a_door_it_says_so_and_connects_to_nobody(views: list[View], changes: bool) -> None:
    async def main() -> None:
        async with rig(there=Loopback(views, door=False)) as made, listening() as (place, taken):
            assert await ask(made, place) == PunchPlaces([], changes)
            assert not made.answerer.busy
            assert taken.empty()

    run(main())


def test_one_that_has_a_door_names_no_router_although_a_relay_sees_another_port() -> None:
    async def main() -> None:
        async with rig(there=Loopback([KEPT, CHANGED])) as made, listening() as (place, taken):
            answer = await ask(made, place)
            assert isinstance(answer, PunchPlaces)
            assert answer.places and not answer.changes_ports
            async with asyncio.timeout(PATIENCE):
                (await taken.get()).close()

    run(main())


def test_the_real_one_connects_to_nothing_of_this_computer() -> None:
    async def main() -> None:
        async with rig() as made, listening() as (place, taken):
            real = Looking(lambda: [KEPT])
            made.answerer._looking = real
            answer = await ask(made, place, place_of("127.0.0.1", 22), place_of("7.7.1.2", 40_001))
            assert answer == PunchPlaces([])
            assert not made.answerer.busy and taken.empty()

    run(main())


def test_one_at_a_time_and_it_ends_with_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PUNCH_SECONDS", PATIENCE)

    async def main() -> None:
        async with rig() as made, listening() as (place, taken):
            assert isinstance(await ask(made, place), PunchPlaces)
            assert await ask(made, place) == Failed(Code.LIMIT)
            await until(lambda: taken.qsize() == 1)
            # Neither has said a word: the connection is kept for its handshake, and ended with the session.
            made.pair.b.fail(GimmalError("the test is over"))
            await until(lambda: not made.answerer.busy)
            made.pair.a.fail(GimmalError("the test is over"))

    run(main())


def test_the_next_question_waits_while_the_link_before_is_joined() -> None:
    async def main() -> None:
        async with rig() as made, listening() as (place, taken):
            with made.pair.b.punch_turns.answering(0.0) as may:
                assert may
                asked = asyncio.create_task(ask(made, place))
                await until(lambda: made.pair.b._answering.busy)
            assert isinstance(await asked, PunchPlaces)
            (await taken.get()).close()

    run(main())


def test_a_session_that_takes_no_part_says_so() -> None:
    async def main() -> None:
        async with rig() as made, listening() as (place, _taken):
            assert await made.pair.b.call(Punch([pack_place(place)])) == Failed(Code.UNSUPPORTED)
            assert await made.pair.a.call(Stat("a")) == Failed(Code.NOT_GRANTED)

    run(main())


@pytest.mark.parametrize("failure", [OSError("a disk"), KeyError()])
def test_one_that_fails_is_answered_so_that_nobody_waits(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with rig() as made, listening() as (place, _taken):

            async def fail() -> list[Door]:
                raise failure

            monkeypatch.setattr(made.there, "doors", fail)
            assert await ask(made, place) == Failed(Code.FAILED)
            monkeypatch.undo()
            assert isinstance(await ask(made, place), PunchPlaces)

    run(main())


def test_nonsense_is_answered_and_reaches_nobody() -> None:
    drawn = random.Random(9)

    async def main() -> None:
        async with rig() as made:
            made.answerer._looking = Looking(lambda: [KEPT])
            for _ in range(200):
                places = [drawn.randbytes(16) + drawn.choice([b"\0\0", b"\x00\x16"]) for _ in range(PUNCH_PLACES_MAX)]
                answer = await made.pair.a.call(Punch(places, drawn.randrange(1 << 32)))
                assert answer in (Failed(Code.INVALID), Failed(Code.LIMIT), PunchPlaces([]))
            assert not made.answerer.busy
            assert not made.pair.a.over and not made.pair.b.over

    run(main())
