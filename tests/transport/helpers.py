"""Two sides over real sockets in one event loop, and what a test needs around them."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar

from gimmal.base.errors import GimmalError
from gimmal.base.primitives import x25519_public
from gimmal.noise.channel import ChannelSecrets, RecentHellos
from gimmal.noise.keys import RootKeys
from gimmal.noise.link_cipher import LinkCipher
from gimmal.protocol.kinds import RecordKind
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.link import Link, PathKind
from gimmal.transport.opening import AcceptedLink, Identity, accept, prepare
from tests.patience import PATIENCE

ResultT = TypeVar("ResultT")
FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"


def run(coroutine: Coroutine[Any, Any, ResultT], seconds: float = 300.0, *, debug: bool = True) -> ResultT:
    """Run a test; fail on a task or socket left behind and on a swallowed exception.

    Args:
        coroutine: the test.
        seconds: after which it fails.
        debug: asyncio's debug mode, which keeps a traceback for every future: not where memory or time is measured.
    """
    swallowed: list[str] = []

    async def main() -> ResultT:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 5.0
        loop.set_exception_handler(lambda _loop, context: swallowed.append(repr(context)))
        async with asyncio.timeout(seconds):
            result = await coroutine
        for _ in range(20):
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left behind: {left}"
        return result

    gc.collect()  # not to blame this test for what an earlier one that failed left behind
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = asyncio.run(main(), debug=debug)
        gc.collect()
    leaks = [str(warning.message) for warning in caught if issubclass(warning.category, ResourceWarning)]
    assert not leaks, leaks
    assert not swallowed, swallowed
    return result


# Identities ----------------------------------------------------------------------------------------------------------


def fixed(label: str) -> bytes:
    return sha256(label.encode()).digest()


def identities(seed: str | None = None) -> tuple[Identity, Identity]:
    """Sides a and b of one pair."""
    name = seed or os.urandom(8).hex()
    privates = fixed(name + " a"), fixed(name + " b")
    publics = x25519_public(privates[0]), x25519_public(privates[1])
    pair_id, root = fixed(name + " pair")[:16], fixed(name + " root")

    def identity(index: int) -> Identity:
        return Identity(
            pair_id=pair_id,
            side="ab"[index],
            static_private=privates[index],
            peer_static_public=publics[1 - index],
            root=root,
            program="test 0",
            computer=bytes([index]) * 16,
            agent=bool(index),
        )

    return identity(0), identity(1)


def but(identity: Identity, **changes: Any) -> Identity:
    return replace(identity, **changes)


class Keys:
    """Lookup of the accepting side: the half's root and the sessions it knows."""

    def __init__(self, identity: Identity) -> None:
        self.known: dict[bytes, RootKeys] = {}
        self.add(identity.keys())

    def add(self, keys: RootKeys) -> None:
        self.known[keys.key_id] = keys

    def keys_of(self, key_id: bytes) -> RootKeys | None:
        return self.known.get(key_id)


# Sockets -------------------------------------------------------------------------------------------------------------


def socket_pair() -> tuple[socket.socket, socket.socket]:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    return left, right


def tcp_pair(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    with socket.create_server((host, 0)) as server:
        left = socket.create_connection(server.getsockname())
        right, _address = server.accept()
    for end in (left, right):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return left, right


async def read_all(connection: socket.socket, seconds: float = PATIENCE) -> bytes:
    """What arrives until the other end closes; a reset counts as a close."""
    loop = asyncio.get_running_loop()
    got = b""
    async with asyncio.timeout(seconds):
        while True:
            try:
                more = await loop.sock_recv(connection, 65536)
            except ConnectionError:
                return got
            if not more:
                return got
            got += more


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for what other callbacks of the loop bring about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


# Links ---------------------------------------------------------------------------------------------------------------


def ciphers(seed: str = "link") -> tuple[LinkCipher, LinkCipher]:
    one, two, handshake_hash = fixed(seed + " one"), fixed(seed + " two"), fixed(seed + " hash")
    return (
        LinkCipher(ChannelSecrets(one, two, handshake_hash)),
        LinkCipher(ChannelSecrets(two, one, handshake_hash)),
    )


@dataclass
class Recorder:
    """A receiver that keeps a copy of everything."""

    records: list[tuple[RecordKind, int, int, bytes]] = field(default_factory=list)
    ended: list[GimmalError | None] = field(default_factory=list)
    keep: bool = False
    kept: list[tuple[memoryview, RecordBuffer]] = field(default_factory=list)
    pause_every: int = 0

    def on_record(
        self, link: Link, kind: RecordKind, stream: int, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        self.records.append((kind, stream, offset, bytes(body)))
        if self.pause_every and len(self.records) % self.pause_every == 0:
            link.pause()
            asyncio.get_running_loop().call_soon(link.resume)
        if self.keep and owner is not None:
            self.kept.append((body, owner))
            return True
        return False

    def on_link_ended(self, link: Link, cause: GimmalError | None) -> None:
        self.ended.append(cause)


def link_over(
    connection: socket.socket,
    cipher: LinkCipher,
    *,
    dialler: bool,
    pool: BufferPool | None = None,
    greeted: bool = True,
) -> Link:
    return Link(connection, cipher, dialler=dialler, path=PathKind.DIRECT, pool=pool or BufferPool(), greeted=greeted)


def link_pair(ends: tuple[socket.socket, socket.socket] | None = None, seed: str = "link") -> tuple[Link, Link]:
    """Two links that have greeted; neither has a receiver yet."""
    left, right = ends or socket_pair()
    one, two = ciphers(seed)
    return link_over(left, one, dialler=True), link_over(right, two, dialler=False)


async def opened(
    dialler: Identity,
    acceptor: Identity,
    *,
    lookup: Keys | None = None,
    ends: tuple[socket.socket, socket.socket] | None = None,
    recent: RecentHellos | None = None,
) -> tuple[Link, RootKeys, AcceptedLink]:
    """A session's first link, opened from both sides."""
    left, right = ends or socket_pair()
    pool = BufferPool()

    async def dial() -> tuple[Link, RootKeys]:
        prepared = await prepare(left, dialler, dialler.keys(), path=PathKind.DIRECT, pool=pool)
        keys = prepared.open_session()
        return prepared.link, keys

    accepting = accept(
        right, acceptor, lookup or Keys(acceptor), recent or RecentHellos(64), path=PathKind.DIRECT, pool=pool
    )
    (link, keys), accepted = await asyncio.gather(dial(), accepting)
    return link, keys, accepted


class Raw:
    """A peer without manners: one end of a link driven record by record.

    Args:
        connection: non-blocking socket.
        cipher: of its side.
    """

    def __init__(self, connection: socket.socket, cipher: LinkCipher) -> None:
        self.connection = connection
        self.cipher = cipher

    def seal(self, kind: int, stream: int = 0, offset: int = 0, body: bytes = b"") -> bytes:
        return self.cipher.seal(kind, stream, offset, body)

    async def send(self, *records: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.connection, b"".join(records))

    async def put(self, kind: int, stream: int = 0, offset: int = 0, body: bytes = b"") -> None:
        await self.send(self.seal(kind, stream, offset, body))

    async def get(self, seconds: float = PATIENCE) -> tuple[int, int, int, bytes]:
        """The next record; raises EOFError where there is none."""
        async with asyncio.timeout(seconds):
            prefix = await self._read(4)
            rest = bytearray(await self._read(self.cipher.check_length(memoryview(prefix))))
        out = bytearray(len(rest) - 16)
        kind, stream, offset, size = self.cipher.open_into(memoryview(prefix), memoryview(rest), memoryview(out))
        return kind, stream, offset, bytes(out[13 : 13 + size])

    async def _read(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            try:
                more = await asyncio.get_running_loop().sock_recv(self.connection, size - len(got))
            except ConnectionError as exc:
                raise EOFError from exc
            if not more:
                raise EOFError
            got += more
        return got

    def close(self) -> None:
        self.connection.close()


def raw_and_link(seed: str = "link") -> tuple[Raw, Link]:
    """A raw end and a link that has greeted, without a receiver yet."""
    left, right = socket_pair()
    one, two = ciphers(seed)
    return Raw(left, one), link_over(right, two, dialler=False)
