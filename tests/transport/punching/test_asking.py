"""Asking for a punching: what is said, what comes of each answer, and who is let in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from gimmal.base.errors import GimmalError, PeerAbsent, ProtocolViolation
from gimmal.noise.channel import RecentHellos
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Answer, Done, Failed, Punch, PunchPlaces
from gimmal.protocol.places import pack_place, parse_place, place_of
from gimmal.transport.link import Link, PathKind
from gimmal.transport.opening import PreparedLink, accept
from gimmal.transport.punching import asking, meeting, pace
from gimmal.transport.punching.answering import PunchAnswerer
from gimmal.transport.punching.asking import BusyError, Puncher
from gimmal.transport.punching.places import View
from tests.patience import PATIENCE
from tests.transport.helpers import Keys, run, until
from tests.transport.punching.rig import HERE, B, Loopback, Rig, listening, rig
from tests.transport.sessions import HELLO

CHANGED = View(place_of("192.168.1.2", 40_000), place_of("7.7.1.2", 61_234))


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 0.5)


async def why_not(made: Rig) -> str:
    with pytest.raises(PeerAbsent) as failed:
        async with asyncio.timeout(PATIENCE):
            await made.puncher.punch(made.pair.a)
    return failed.value.message


def answering(made: Rig, answer: Answer) -> list[Punch]:
    """From now on the other side gives this answer; what it was asked."""
    asked: list[Punch] = []

    async def on_punch(punch: Punch) -> Answer:
        asked.append(punch)
        return answer

    made.pair.b.answer_punching(on_punch)
    return asked


def test_the_first_connection_whose_handshake_is_through_is_the_link() -> None:
    async def main() -> None:
        async with rig() as made, listening() as (place, taken), listening() as (stranger, _ignored):
            keys = Keys(B)
            keys.add(made.pair.b.keys)
            asked = answering(made, PunchPlaces([pack_place(stranger), pack_place(place)]))
            made.pair.a.links[0].round_trip = 0.025

            async def accepted() -> Link:
                connection = await taken.get()
                got = await accept(connection, B, keys, RecentHellos(4), path=PathKind.PUNCHED, pool=made.pair.pools[1])
                return got.link

            other = asyncio.create_task(accepted())
            prepared = await made.puncher.punch(made.pair.a)
            link = prepared.join(made.pair.a.keys, made.pair.a.next_link_number(), bulk=True)
            far = await other
            assert link.path is PathKind.PUNCHED
            (punch,) = asked
            assert punch.round_trip == 25_000
            own = parse_place(punch.places[0])
            # From the very port that was named: the other side's router lets nothing else in.
            assert far._socket.getpeername() == ("127.0.0.1", own.port)
            assert own.address == HERE and far.bulk
            for end in (link, far):
                end.fail(GimmalError("the test is over"))

    run(main())


def test_a_place_where_nobody_answers_is_tried_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "PUNCH_SECONDS", 0.2)

    async def main() -> None:
        async with rig() as made:
            with socket.create_server(("127.0.0.1", 0)) as gone:
                refused = place_of(*gone.getsockname()[:2])
            answering(made, PunchPlaces([pack_place(refused)]))
            assert "nothing came through" in await why_not(made)

    run(main())


def test_a_stranger_at_the_place_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SHAKE_SECONDS", 0.05)

    async def main() -> None:
        async with rig() as made, listening() as (place, taken):
            answering(made, PunchPlaces([pack_place(place)]))
            assert "nothing came through" in await why_not(made)
            assert taken.qsize() == 1

    run(main())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (PunchPlaces([], True), "the router there changes ports"),
        (PunchPlaces([]), "the other side named no address that leads there from here"),
        (PunchPlaces([pack_place(place_of("2600:7::2", 4000))]), "named no address"),
        (Failed(Code.UNSUPPORTED), "the other side takes no part in it"),
    ],
)
def test_why_there_is_none(answer: Answer, says: str) -> None:
    async def main() -> None:
        async with rig() as made:
            answering(made, answer)
            assert says in await why_not(made)

    run(main())


def test_one_with_a_door_does_not_blame_its_own_router_for_what_the_other_side_named() -> None:
    async def main() -> None:
        async with rig(Loopback([View(place_of("127.0.0.1", 4000), place_of("7.7.1.2", 61_234))])) as made:
            answering(made, PunchPlaces([]))
            assert "the other side named no address" in await why_not(made)

    run(main())


def test_one_who_is_busy_is_asked_again_and_says_nothing_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BUSY_SECONDS", (0.001, 0.001))

    async def main() -> None:
        async with rig() as made:
            asked = answering(made, Failed(Code.LIMIT))
            with pytest.raises(BusyError):
                await made.puncher.punch(made.pair.a)
            assert len(asked) == 3

    run(main())


def test_both_sides_that_ask_at_once_both_get_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The opener's punching stands; the other side's comes after it."""
    monkeypatch.setattr(pace, "PUNCH_SECONDS", 0.2)
    monkeypatch.setattr(asking, "BUSY_SECONDS", (0.1,) * 500)

    async def main() -> None:
        async with rig() as made:
            back = PunchAnswerer(Loopback(), _refuse)
            back.serve(made.pair.a)
            other = Puncher(B, made.pair.pools[1], Loopback())
            punchings = made.puncher.punch(made.pair.a), other.punch(made.pair.b)
            for came in await asyncio.gather(*punchings, return_exceptions=True):
                # On the loopback they hardly ever meet; a side that had no turn would call the other one busy.
                if isinstance(came, PreparedLink):
                    came.abandon()
                else:
                    assert isinstance(came, PeerAbsent) and not isinstance(came, BusyError)
            back.close()
            await until(lambda: not back.busy)

    run(main())


async def _refuse(connection: socket.socket, _path: PathKind) -> None:
    connection.close()
    raise PeerAbsent("nobody is to come")


@pytest.mark.parametrize("answer", [PunchPlaces([bytes(18)]), Done()], ids=["port 0", "another answer"])
def test_an_answer_that_is_none_ends_the_session(answer: Answer) -> None:
    async def main() -> None:
        async with rig() as made:
            answering(made, answer)
            with pytest.raises(ProtocolViolation):
                await made.puncher.punch(made.pair.a)
            assert isinstance(made.pair.a.cause, ProtocolViolation)

    run(main())


def test_a_side_that_cannot_is_not_asked() -> None:
    async def too_old(made: Rig) -> str:
        made.pair.a.peer = HELLO
        return await why_not(made)

    async def check(work: Callable[[Rig], Awaitable[str]], here: Loopback | None, says: str) -> None:
        async with rig(here) as made:
            asked = answering(made, PunchPlaces([]))
            assert says in await work(made)
            assert asked == []

    run(check(too_old, None, "too old"))
    run(check(why_not, Loopback(door=False), "no relay has said"))
    run(check(why_not, Loopback([CHANGED], door=False), "the router here changes ports"))


def test_one_that_is_broken_off_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with rig() as made, listening() as (place, taken):
            answering(made, PunchPlaces([pack_place(place)]))
            punching = asyncio.create_task(made.puncher.punch(made.pair.a))
            await until(lambda: taken.qsize() == 1)
            punching.cancel()
            await asyncio.gather(punching, return_exceptions=True)
            connection = await taken.get()
            connection.setblocking(False)
            while await asyncio.get_running_loop().sock_recv(connection, 4096):
                pass
            connection.close()

    run(main())
