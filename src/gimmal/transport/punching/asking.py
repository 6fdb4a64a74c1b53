"""Asks the other side to connect at the same time, and makes a link of what comes of it (docs/spec/paths.md, 7)."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from gimmal.base.errors import PeerAbsent, ProtocolViolation
from gimmal.protocol.codes import Code
from gimmal.protocol.features import PUNCH
from gimmal.protocol.messages import Failed, Punch, PunchPlaces
from gimmal.protocol.places import Place, pack_place, parse_place
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import PathKind
from gimmal.transport.opening import Identity, PreparedLink, prepare
from gimmal.transport.punching.answering import TURN_SECONDS
from gimmal.transport.punching.looking import Looking
from gimmal.transport.punching.meeting import MEETING_SECONDS, meet
from gimmal.transport.punching.pace import HALF_TRIP_MAX
from gimmal.transport.punching.places import Door, changes_ports, pairs_of
from gimmal.transport.punching.ports import ports_of
from gimmal.transport.second_look import LOOK_SECONDS
from gimmal.transport.session import Session

ASK_SECONDS = 5.0
"""For the other side's answer."""

BUSY_SECONDS = (0.2, 0.6)
"""After so long, about, one who was busy is asked again: where both sides ask at once, only one is answered."""

SHAKE_SECONDS = 3.0
"""For the handshake on a connection that was met."""

MOMENT_SECONDS = 0.5
"""For what the two computers do themselves."""

CHANGES_PORTS = "the router {} changes ports"


class BusyError(PeerAbsent):
    """The other side is at another punching, or has been at too many: it says nothing of the path."""


class Puncher:
    """Makes links of a session by hole punching.

    Args:
        identity: of this half and process.
        pool: record buffers.
        looking: what this side looks like.
    """

    def __init__(self, identity: Identity, pool: BufferPool, looking: Looking) -> None:
        self._identity = identity
        self._pool = pool
        self._looking = looking

    async def punch(self, session: Session) -> PreparedLink:
        """A further link of ``session``, ready to join it; waits for its turn. The caller holds the deadline.

        Raises:
            BusyError: the other side is at other punchings, of which it takes one at a time.
            PeerAbsent: none came; the message says why, as far as that is known.
            GimmalError: why the other side could not be asked.
        """
        if not session.peer.features & PUNCH:
            raise _none("gimmal there is too old for it", "update gimmal on the other computer")
        for pause in BUSY_SECONDS:
            try:
                return await self._in_turn(session)
            except BusyError:
                await asyncio.sleep(pause * (0.5 + random.random()))
        return await self._in_turn(session)

    async def _in_turn(self, session: Session) -> PreparedLink:
        async with session.punch_turns.asking():
            return await self._punch(session, await self._looking.doors())

    async def _punch(self, session: Session, doors: Sequence[Door]) -> PreparedLink:
        round_trip = _round_trip(session)
        with ports_of(door.own for door in doors) as ports:
            doors = [door for door in doors if door.own in ports]
            if not doors:
                raise _none(self._why_no_door())
            outside = [pack_place(Place(door.outside, ports[door.own].number)) for door in doors]
            asked = Punch(outside, min(int(round_trip * 1e6), (1 << 32) - 1))
            there = await self._ask(session, asked)
            allowed = await self._looking.allowed(there.places, doors)
            pairs = [(ports[door.own], place) for door, place in pairs_of(doors, allowed)]
            if not pairs:
                raise _none(self._why_no_pair(there, doors))
            link = await meet(pairs, self._shake_with(session), PreparedLink.abandon, asks=True, wait=0.0)
        if link is None:
            raise _none("both sides connected at the same time, and nothing came through")
        return link

    async def _ask(self, session: Session, punch: Punch) -> _There:
        answer = await session.call(punch, deadline=ASK_SECONDS)
        if isinstance(answer, Failed) and answer.code == Code.LIMIT:
            raise BusyError("the other side is at another punching", "it is tried again")
        if isinstance(answer, Failed):
            raise _none("the other side takes no part in it")
        try:
            if not isinstance(answer, PunchPlaces):
                raise ProtocolViolation("the other side answered another question")
            return _There([parse_place(packed) for packed in answer.places], answer.changes_ports)
        except ProtocolViolation as exc:
            session.fail(exc)
            raise

    def _shake_with(self, session: Session) -> Callable[[socket.socket], Awaitable[PreparedLink]]:
        async def shake(connection: socket.socket) -> PreparedLink:
            return await prepare(
                connection,
                self._identity,
                session.keys,
                path=PathKind.PUNCHED,
                pool=self._pool,
                deadline=SHAKE_SECONDS,
            )

        return shake

    def _why_no_door(self) -> str:
        if changes_ports(self._looking.views(), ()):
            return CHANGES_PORTS.format("here")
        return "no relay has said how it sees this computer from outside"

    def _why_no_pair(self, there: _There, doors: Sequence[Door]) -> str:
        if changes_ports(self._looking.views(), doors):
            return CHANGES_PORTS.format("here")
        if there.changes_ports:
            return CHANGES_PORTS.format("there")
        return "the other side named no address that leads there from here"


@dataclass(frozen=True)
class _There:
    """What the other side answered."""

    places: list[Place]
    changes_ports: bool


def punching_seconds(session: Session) -> float:
    """What ``Puncher.punch`` takes at most, where the other side answers as quickly as the line lets it.

    One that fails is over by then: before it connects, both sides may look at their relays a second time, and an other
    side that is at another punching is asked thrice.
    """
    trip = max(_round_trip(session), 2 * HALF_TRIP_MAX)
    asked = min(trip + TURN_SECONDS + LOOK_SECONDS, ASK_SECONDS)
    refused = min(trip + TURN_SECONDS, ASK_SECONDS)
    busy = sum(1.5 * pause + refused for pause in BUSY_SECONDS)
    return LOOK_SECONDS + busy + asked + MEETING_SECONDS + MOMENT_SECONDS


def _round_trip(session: Session) -> float:
    """Seconds; 0 where it is not known."""
    control = session.bulk.pick(bulk=False)
    return control.round_trip if control is not None and control.round_trip is not None else 0.0


def _none(reason: str, hint: str = "the relay is used") -> PeerAbsent:
    return PeerAbsent(reason, hint)
