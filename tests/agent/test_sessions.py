"""How many sessions an agent keeps, which gives way, and what it does for them besides the shares."""

from __future__ import annotations

import asyncio
import socket

from gimmal.agent.plugged import identity_of
from gimmal.agent.sessions import SESSIONS_MAX
from gimmal.base.errors import GimmalError
from gimmal.half.reading import open_half
from gimmal.protocol.messages import CloseReason, Punch, PunchPlaces
from gimmal.protocol.places import pack_place, place_of
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import Link, PathKind
from gimmal.transport.opening import Identity, prepare
from gimmal.transport.session import Session
from tests.endtoend.world import new_world, plug_in


async def open_session(identity: Identity, address: tuple[str, int]) -> Link:
    """The first link of a new session, as a command opens it."""
    connection = socket.create_connection(address)
    connection.setblocking(False)
    prepared = await prepare(connection, identity, identity.keys(), path=PathKind.DIRECT, pool=BufferPool())
    prepared.open_session()
    await asyncio.sleep(0.01)
    return prepared.link


def test_commands_that_were_killed_shut_out_no_other() -> None:
    with new_world() as world:
        plugged = plug_in(world, relay=False)
        identity = identity_of(open_half(world.b.half / "GIMMAL", None), agent=False)

        async def kill_many() -> None:
            for _ in range(SESSIONS_MAX + 4):
                link = await open_session(identity, ("127.0.0.1", plugged.agent_a.port))
                link.fail(GimmalError("killed"))

        asyncio.run(kill_many())
        assert world.run(world.b, "ls", ":", "--at", plugged.agent_a.address).lines == ["shared/"]


def test_sessions_that_live_do_not_give_way() -> None:
    with new_world() as world:
        plugged = plug_in(world, relay=False)
        identity = identity_of(open_half(world.b.half / "GIMMAL", None), agent=False)

        async def fill() -> None:
            links = [await open_session(identity, ("127.0.0.1", plugged.agent_a.port)) for _ in range(SESSIONS_MAX)]
            result = await asyncio.to_thread(world.run, world.b, "ls", ":", "--at", plugged.agent_a.address, code=None)
            assert result.error == "the other side has too many sessions"
            for link in links:
                link.fail(GimmalError("killed"))

        asyncio.run(fill())


def test_an_agent_takes_part_in_hole_punching_and_connects_to_nothing_of_its_own_computer() -> None:
    with new_world() as world:
        plugged = plug_in(world, relay=False)
        identity = identity_of(open_half(world.b.half / "GIMMAL", None), agent=False)

        async def ask(connection: socket.socket, place: bytes) -> object:
            connection.setblocking(False)
            pool = BufferPool()
            prepared = await prepare(connection, identity, identity.keys(), path=PathKind.DIRECT, pool=pool)
            session = Session(prepared.open_session(), opener=True, peer=prepared.greeting, pool=pool)
            session.attach(prepared.link)
            try:
                return await session.call(Punch([place]))
            finally:
                session.close(CloseReason.DONE)
                await session.finished()

        with socket.create_server(("127.0.0.1", 0)) as near:
            place = pack_place(place_of(*near.getsockname()[:2]))
            connection = socket.create_connection(("127.0.0.1", plugged.agent_a.port))
            assert asyncio.run(ask(connection, place)) == PunchPlaces([])
