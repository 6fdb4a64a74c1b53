"""The dialler and hole punching: when it is tried, beside what, and what is said where it fails."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from gimmal.base.errors import GimmalError, PeerAbsent, RelayError
from gimmal.noise.channel import RecentHellos
from gimmal.protocol.candidates import candidate_key
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Answer, Failed, Punch, PunchPlaces
from gimmal.protocol.places import pack_place, place_of
from gimmal.transport import dial
from gimmal.transport.buffers import BufferPool
from gimmal.transport.dial import Dialler, Ways
from gimmal.transport.link import Link, PathKind
from gimmal.transport.opening import accept
from gimmal.transport.punching import asking, meeting, pace
from gimmal.transport.punching.asking import Puncher
from gimmal.transport.punching.places import View
from tests.patience import PATIENCE
from tests.transport.helpers import Keys, run, until
from tests.transport.punching.rig import A, B, Loopback, Rig, listening, rig

KEY = candidate_key(bytes(32))
PUNCHED, DIRECT, RELAYED, LAN = PathKind.PUNCHED, PathKind.DIRECT, PathKind.RELAYED, PathKind.LAN
BETTER = frozenset((LAN, DIRECT, PUNCHED))


class Relay:
    """Keeps no addresses, and gives no links."""

    leg_ways = None
    view: View | None = None
    asked = 0

    async def link(self, deadline: float) -> socket.socket:
        self.asked += 1
        raise RelayError("the relay gives none")

    async def candidates(self) -> bytes:
        return b""

    def check(self) -> None: ...


def dialler_of(made: Rig, relay: Relay | None = None) -> Dialler:
    dialler = Dialler(A, Ways(None, [relay or Relay()], KEY), made.pair.pools[0])
    dialler._puncher = Puncher(A, made.pair.pools[0], Loopback())
    return dialler


@contextlib.asynccontextmanager
async def open_door(made: Rig) -> AsyncIterator[list[Link]]:
    """The other side's door: whoever comes there is greeted; its ends of the links."""
    async with listening() as (place, taken):
        links: list[Link] = []
        keys, recent = Keys(B), RecentHellos(64)
        keys.add(made.pair.b.keys)

        async def on_punch(_punch: Punch) -> Answer:
            return PunchPlaces([pack_place(place)])

        async def greet() -> None:
            while True:
                accepted = await accept(
                    await taken.get(), B, keys, recent, path=PUNCHED, pool=made.pair.pools[1], deadline=PATIENCE
                )
                made.pair.b.attach(accepted.link)
                links.append(accepted.link)

        made.pair.b.answer_punching(on_punch)
        greeting = asyncio.create_task(greet())
        try:
            yield links
        finally:
            greeting.cancel()
            await asyncio.gather(greeting, return_exceptions=True)


@pytest.mark.parametrize(
    ("ways", "punches"),
    [
        (lambda relay: Ways(None, [relay], KEY), True),
        (lambda _relay: Ways(None, [], KEY), False),
        (lambda relay: Ways(("127.0.0.1", 1), [relay], KEY), False),
        (lambda relay: Ways(None, [relay], KEY, DIRECT), False),
        (lambda relay: Ways(None, [relay], KEY, RELAYED), False),
    ],
    ids=["relay", "no relay", "at", "direct", "relayed"],
)
def test_it_is_tried_where_a_session_may_begin_over_a_relay(ways: Callable[[Relay], Ways], punches: bool) -> None:
    async def main() -> None:
        assert (PUNCHED in Dialler(A, ways(Relay()), BufferPool()).dialable) is punches

    run(main())


def test_where_nothing_better_is_found_it_gives_a_link() -> None:
    async def main() -> None:
        async with rig() as made, open_door(made) as there:
            dialler = dialler_of(made)
            dialler.failures[PUNCHED] = "of the time before"
            link = await dialler.probe(made.pair.a, BETTER)
            made.pair.a.attach(link)
            assert link.path is PUNCHED and not link.bulk
            assert PUNCHED not in dialler.failures
            assert dialler.failures[DIRECT] == "the other side left no address to dial"
            bulk = await dialler._dial_link(made.pair.a, True)
            assert bulk.path is PUNCHED and bulk.bulk
            made.pair.a.attach(bulk)
            await until(lambda: len(there) == 2)

    run(main())


def test_bulk_of_a_punched_session_is_not_dialled_over_a_relay() -> None:
    async def main() -> None:
        async with rig() as made:
            made.pair.a.links[0].path = PUNCHED
            relay = Relay()
            dialler = dialler_of(made, relay)
            made.there.door = False
            with pytest.raises(PeerAbsent):
                await dialler._dial_link(made.pair.a, True)
            assert relay.asked == 0
            # One for questions is dialled over whatever there is.
            with pytest.raises(GimmalError):
                await dialler._dial_link(made.pair.a, False)
            assert relay.asked == 1

    run(main())


def test_why_there_is_none_is_kept_unless_the_other_side_is_only_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BUSY_SECONDS", ())

    async def main() -> None:
        async with rig() as made:
            dialler = dialler_of(made)
            answers: list[Answer] = [PunchPlaces([], True), Failed(Code.LIMIT)]

            async def on_punch(_punch: Punch) -> Answer:
                return answers.pop(0)

            made.pair.b.answer_punching(on_punch)
            for _ in range(2):
                with pytest.raises(PeerAbsent, match="left no address"):
                    await dialler.probe(made.pair.a, BETTER)
                assert dialler.failures[PUNCHED] == "the router there changes ports"
            assert answers == []

    run(main())


def test_one_that_fails_is_waited_for_although_a_relay_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "RELAY_SECONDS", 0.1)
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 0.5)

    async def main() -> None:
        async with rig() as made:
            with socket.create_server(("127.0.0.1", 0)) as server:
                closed = place_of(*server.getsockname()[:2])

            async def on_punch(_punch: Punch) -> Answer:
                return PunchPlaces([pack_place(closed)])

            made.pair.b.answer_punching(on_punch)
            dialler = dialler_of(made)
            with pytest.raises(GimmalError):
                await dialler.probe(made.pair.a, frozenset((PUNCHED,)))
            assert "nothing came through" in dialler.failures[PUNCHED]

    run(main())


def test_the_time_of_one_grows_with_the_round_trip_and_outlasts_the_meeting() -> None:
    async def main() -> None:
        async with rig() as made:
            (link,) = made.pair.a.links
            link.round_trip = 0.02
            seconds = asking.punching_seconds(made.pair.a)
            assert meeting.MEETING_SECONDS + pace.HALF_TRIP_MAX < seconds < 15
            link.round_trip = 2.0
            assert asking.punching_seconds(made.pair.a) > seconds

    run(main())


def test_who_looks_for_direct_paths_alone_punches_nothing() -> None:
    async def main() -> None:
        async with rig() as made, open_door(made) as there:
            with pytest.raises(PeerAbsent):
                await dialler_of(made).probe(made.pair.a, frozenset((LAN, DIRECT)))
            assert there == []

    run(main())
