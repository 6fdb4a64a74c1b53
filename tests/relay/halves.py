"""Halves for relay tests, and a relay on port 0 in the same loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from gimmal.base.primitives import random_bytes, sign_public
from gimmal.base.side import Side
from gimmal.protocol.relay.messages import Role
from gimmal.protocol.relay.proof import RelayIdentity, pair_id_of
from gimmal.protocol.relay.url import RelayUrl
from gimmal.relay.certificate import load_or_make_certificate, server_context
from gimmal.relay.ledger_sqlite import SqliteLedger
from gimmal.relay.ledger_thread import LedgerThread
from gimmal.relay.limits import RelayLimits
from gimmal.relay.listening import listen
from gimmal.relay.server import RelayServer
from gimmal.transport.relay_client import OfferTaken, RelayClient
from gimmal.transport.relay_ways import LegWay, RelayWays
from tests.patience import PATIENCE

DEADLINE = PATIENCE


@dataclass(frozen=True)
class PairOfHalves:
    a: RelayIdentity
    b: RelayIdentity

    @property
    def pair_id(self) -> bytes:
        return self.a.pair_id


def new_pair() -> PairOfHalves:
    private_a, private_b, lock = random_bytes(32), random_bytes(32), random_bytes(32)
    sign_a, sign_b = sign_public(private_a), sign_public(private_b)
    pair_id = pair_id_of(lock, sign_a, sign_b)
    return PairOfHalves(
        RelayIdentity(pair_id, Side.A, lock, sign_a, sign_b, private_a),
        RelayIdentity(pair_id, Side.B, lock, sign_a, sign_b, private_b),
    )


@dataclass
class RunningRelay:
    server: RelayServer
    url: RelayUrl
    ledger: SqliteLedger


@contextlib.asynccontextmanager
async def running_relay(
    state: Path,
    limits: RelayLimits | None = None,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    clock: Callable[[], float] | None = None,
    splice: bool | None = None,
    files: tuple[Path, Path] | None = None,
    behind: frozenset[str] = frozenset(),
) -> AsyncIterator[RunningRelay]:
    limits = limits or RelayLimits()
    context, pin = server_context(*(files or load_or_make_certificate(state)))
    ledger = SqliteLedger(state / "ledger.sqlite", limits.pairs)
    listeners = listen(host, port)
    url = RelayUrl(host, listeners[0].getsockname()[1], None if files else pin)
    more = {"clock": clock} if clock else {}
    server = RelayServer(listeners, context, pin, LedgerThread(ledger), limits, splice=splice, behind=behind, **more)
    server.start()
    try:
        yield RunningRelay(server, url, ledger)
    finally:
        await server.stop()


def answering(
    relay: RunningRelay | RelayUrl, identity: RelayIdentity, on_link: OfferTaken | None = None, **more: object
) -> RelayClient:
    return client(relay, identity, Role.ANSWERS, on_link, **more)


def asking(relay: RunningRelay | RelayUrl, identity: RelayIdentity, **more: object) -> RelayClient:
    return client(relay, identity, Role.ASKS, None, **more)


def client(
    relay: RunningRelay | RelayUrl,
    identity: RelayIdentity,
    role: Role,
    on_link: OfferTaken | None,
    **more: object,
) -> RelayClient:
    url = relay.url if isinstance(relay, RunningRelay) else relay
    more.setdefault("instance", random_bytes(16))
    more.setdefault("ways", proven_ways())
    return RelayClient(url, identity, role, program="test", on_link=on_link, **more)


def proven_ways() -> RelayWays:
    """As after a first link: an answerer then does not wait for the asker to speak first."""
    ways = RelayWays()
    ways.connected("127.0.0.1", False, 0.0).worked(LegWay.RAW, 0.0)
    return ways


class LinkQueue:
    """Data legs as the answerer gets them."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[socket.socket, bytes]] = asyncio.Queue()

    def __call__(self, sock: socket.socket, instance: bytes, _way: LegWay) -> None:
        self.queue.put_nowait((sock, instance))

    async def next(self) -> socket.socket:
        async with asyncio.timeout(DEADLINE):
            return (await self.queue.get())[0]


@contextlib.asynccontextmanager
async def joined_link(relay: RunningRelay, pair: PairOfHalves) -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """The asker's and the answerer's socket of one link through the relay."""
    links = LinkQueue()
    agent, command = answering(relay, pair.a, links), asking(relay, pair.b)
    await agent.connect(DEADLINE)
    near = await command.dial_link(DEADLINE)
    far = await links.next()
    try:
        yield near, far
    finally:
        near.close()
        far.close()
        await command.close()
        await agent.close()


async def read_exactly(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = bytearray()
    async with asyncio.timeout(DEADLINE):
        while len(data) < count:
            part = await loop.sock_recv(sock, min(1 << 18, count - len(data)))
            if not part:
                raise EOFError(f"ended after {len(data)} of {count} bytes")
            data += part
    return bytes(data)


async def read_to_end(sock: socket.socket) -> bytes:
    """All bytes until the far end closes or resets."""
    loop = asyncio.get_running_loop()
    data = bytearray()
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                part = await loop.sock_recv(sock, 1 << 18)
            except ConnectionError:
                return bytes(data)
            if not part:
                return bytes(data)
            data += part


async def eventually(condition: Callable[[], bool], deadline: float = DEADLINE) -> None:
    """Wait until a condition of another task or process holds."""
    async with asyncio.timeout(deadline):
        while not condition():
            await asyncio.sleep(0.005)
