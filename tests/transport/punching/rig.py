"""Two sides of a session on one computer, whose doors are those of the loopback: the real ones never are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from gimmal.noise.channel import RecentHellos
from gimmal.protocol.features import PUNCH
from gimmal.protocol.places import Place, place_of
from gimmal.transport.link import Link, PathKind
from gimmal.transport.opening import accept
from gimmal.transport.punching.answering import PunchAnswerer
from gimmal.transport.punching.asking import Puncher
from gimmal.transport.punching.looking import Looking
from gimmal.transport.punching.places import Door, View
from tests.transport.helpers import Keys, identities, until
from tests.transport.sessions import HELLO, Pair

HERE = place_of("127.0.0.1", 1).address
A, B = identities("punching")


class Loopback(Looking):
    """Lets this computer be connected to, which the real one never does."""

    def __init__(self, views: Sequence[View] = (), door: bool = True) -> None:
        super().__init__(lambda: views)
        self.door = door

    async def doors(self) -> list[Door]:
        return [Door(HERE, HERE)] if self.door else []

    async def allowed(self, places: Sequence[Place], doors: Sequence[Door]) -> list[Place]:
        return list(places)


@dataclass
class Rig:
    """Side a asks, side b answers; they have one link, which is relayed."""

    pair: Pair
    here: Loopback
    there: Loopback
    puncher: Puncher
    answerer: PunchAnswerer
    greeted: list[Link] = field(default_factory=list)


@contextlib.asynccontextmanager
async def rig(here: Loopback | None = None, there: Loopback | None = None) -> AsyncIterator[Rig]:
    pair = Pair()
    left, right = pair.link()
    left.path = right.path = PathKind.RELAYED
    pair.a.peer = pair.b.peer = replace(HELLO, features=PUNCH)
    here, there = here or Loopback(), there or Loopback()
    keys, recent = Keys(B), RecentHellos(64)
    keys.add(pair.b.keys)

    async def greet(connection: socket.socket, path: PathKind) -> None:
        accepted = await accept(connection, B, keys, recent, path=path, pool=pair.pools[1])
        pair.b.attach(accepted.link)
        made.greeted.append(accepted.link)

    made = Rig(pair, here, there, Puncher(A, pair.pools[0], here), PunchAnswerer(there, greet))
    made.answerer.serve(pair.b)
    try:
        yield made
    finally:
        await pair.close()
        made.answerer.close()
        await until(lambda: not made.answerer.busy)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[Place, asyncio.Queue[socket.socket]]]:
    """A place that takes connections, and those."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        taken: asyncio.Queue[socket.socket] = asyncio.Queue()

        async def take() -> None:
            while True:
                taken.put_nowait((await loop.sock_accept(server))[0])

        taking = asyncio.create_task(take())
        try:
            yield place_of(*server.getsockname()[:2]), taken
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            while not taken.empty():
                taken.get_nowait().close()
