"""Takes part in a punching that the other side asks for (docs/spec/paths.md, section 7)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

from gimmal.base.errors import ProtocolViolation
from gimmal.base.tasks import Tasks
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Answer, Failed, Punch, PunchPlaces
from gimmal.protocol.places import Place, pack_place, parse_place
from gimmal.transport.link import PathKind
from gimmal.transport.punching.looking import Looking
from gimmal.transport.punching.meeting import meet
from gimmal.transport.punching.pace import HALF_TRIP_MAX
from gimmal.transport.punching.places import changes_ports, pairs_of
from gimmal.transport.punching.ports import Port, ports_of
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.transport")

Greet = Callable[[socket.socket, PathKind], Awaitable[None]]
"""Runs the accepting side's handshake on a connection, which it owns; raises GimmalError."""

TURN_SECONDS = 0.25
"""How long a question waits for the punching before: its link may be joined at this very moment."""

AT_ONCE_MAX = 8
"""Punchings of all sessions at a time."""


class PunchAnswerer:
    """Answers for all sessions of a process.

    Args:
        looking: what this side looks like.
        greet: takes the connections.
    """

    def __init__(self, looking: Looking, greet: Greet) -> None:
        self._looking = looking
        self._greet = greet
        self._tasks = Tasks()

    def serve(self, session: Session) -> None:
        """Answer what the other side of this session asks, for as long as that lives."""

        async def answer(punch: Punch) -> Answer:
            return await self._answer(session, punch)

        session.answer_punching(answer)

    @property
    def busy(self) -> int:
        """How many punchings there are now."""
        return len(self._tasks)

    def close(self) -> None:
        """Connect to nobody any more; what waits for the other side is ended without waiting for it."""
        self._tasks.cancel()

    async def _answer(self, session: Session, punch: Punch) -> Answer:
        try:
            places = [parse_place(packed) for packed in punch.places]
        except ProtocolViolation:
            return Failed(Code.INVALID)
        stack = contextlib.ExitStack()
        try:
            await session.punch_turns.free(TURN_SECONDS)
            now = asyncio.get_running_loop().time()
            if self.busy >= AT_ONCE_MAX or not stack.enter_context(session.punch_turns.answering(now)):
                return Failed(Code.LIMIT)
            doors = await self._looking.doors()
            places = await self._looking.allowed(places, doors)
            ports = stack.enter_context(ports_of(door.own for door in doors))
            doors = [door for door in doors if door.own in ports]
            pairs = [(ports[door.own], place) for door, place in pairs_of(doors, places)]
            if pairs:
                wait = min(punch.round_trip / 2e6, HALF_TRIP_MAX)
                self._begin(session, pairs, wait, stack.pop_all())
            outside = [pack_place(Place(door.outside, ports[door.own].number)) for door in doors] if pairs else []
            return PunchPlaces(outside, changes_ports(self._looking.views(), doors))
        finally:
            stack.close()

    def _begin(
        self, session: Session, pairs: Sequence[tuple[Port, Place]], wait: float, held: contextlib.ExitStack
    ) -> None:
        """Connect while the answer is on its way; what is ``held`` is held until that is over."""
        meeting = self._tasks.start(self._meet(pairs, wait), "answer a punching")

        def cancel(_ended: asyncio.Future[None]) -> None:
            meeting.cancel()

        def ended(_meeting: asyncio.Task[None]) -> None:
            held.close()
            session.ended.remove_done_callback(cancel)

        meeting.add_done_callback(ended)
        session.ended.add_done_callback(cancel)

    async def _meet(self, pairs: Sequence[tuple[Port, Place]], wait: float) -> None:
        await meet(pairs, self._take, _keep, asks=False, wait=wait)

    async def _take(self, connection: socket.socket) -> bool:
        await self._greet(connection, PathKind.PUNCHED)
        return True


def _keep(_greeted: bool) -> None:
    """Whoever was greeted has joined its session."""
