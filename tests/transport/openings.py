"""Both ends of an opening link, and diallers that do as they like."""

from __future__ import annotations

import asyncio
import os
import socket

from gimmal.base.errors import GimmalError
from gimmal.noise.channel import ANSWER_SIZE, ChannelInitiator, RecentHellos
from gimmal.noise.keys import RootKeys
from gimmal.noise.link_cipher import LinkCipher
from gimmal.protocol.codec import encode
from gimmal.protocol.messages import Hello
from gimmal.transport.buffers import BufferPool
from gimmal.transport.link import PathKind
from gimmal.transport.opening import AcceptedLink, Identity, PreparedLink, accept, prepare
from tests.transport.helpers import Keys, Raw, identities

A, B = identities("opening")
ENDED = GimmalError("the test is over")


def dialling(
    connection: socket.socket, identity: Identity = A, keys: RootKeys | None = None, deadline: float = 5.0
) -> asyncio.Task[PreparedLink]:
    return asyncio.create_task(
        prepare(
            connection,
            identity,
            keys or identity.keys(),
            path=PathKind.DIRECT,
            pool=BufferPool(),
            deadline=deadline,
        )
    )


def accepting(
    connection: socket.socket,
    identity: Identity = B,
    lookup: Keys | None = None,
    recent: RecentHellos | None = None,
    deadline: float = 5.0,
) -> asyncio.Task[AcceptedLink]:
    return asyncio.create_task(
        accept(
            connection,
            identity,
            lookup or Keys(identity),
            recent or RecentHellos(64),
            path=PathKind.DIRECT,
            pool=BufferPool(),
            deadline=deadline,
        )
    )


def first_message(identity: Identity = A, keys: RootKeys | None = None) -> ChannelInitiator:
    return ChannelInitiator(
        identity.version,
        identity.pair_id,
        identity.side,
        identity.static_private,
        identity.peer_static_public,
        keys or identity.keys(),
        os.urandom(32),
    )


async def raw_dial(connection: socket.socket, identity: Identity = A, keys: RootKeys | None = None) -> Raw:
    """The handshake of a dialler that then does as it likes."""
    loop = asyncio.get_running_loop()
    initiator = first_message(identity, keys)
    await loop.sock_sendall(connection, initiator.hello)
    answer = b""
    while len(answer) < ANSWER_SIZE:
        more = await loop.sock_recv(connection, ANSWER_SIZE - len(answer))
        assert more
        answer += more
    return Raw(connection, LinkCipher(initiator.receive(answer)))


def hello(**changes: object) -> bytes:
    fields = {
        "version": 1,
        "program": "test",
        "features": 0,
        "random": bytes(32),
        "computer": bytes(16),
        "agent": False,
    }
    return encode(Hello(**{**fields, **changes}))


async def exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = await asyncio.get_running_loop().sock_recv(connection, size - len(got))
        assert more
        got += more
    return got
