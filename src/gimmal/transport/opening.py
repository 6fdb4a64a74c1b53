"""From a connected socket to a link: handshake, HELLO and JOIN, on either side (docs/spec/channel.md, section 5).

The dialler's work is split: ``prepare`` runs the handshake and reads the other side's HELLO, which costs the other
side nothing that lasts, so that several paths can be raced; ``PreparedLink.open_session`` or ``PreparedLink.join``
then sends HELLO and JOIN on the one that won.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from gimmal.base.errors import (
    AuthenticationFailed,
    DeadlinePassed,
    GimmalError,
    Interrupted,
    PeerAbsent,
    PeerSilent,
    ProtocolViolation,
    VersionMismatch,
)
from gimmal.base.primitives import random_bytes
from gimmal.noise.channel import (
    ANSWER_SIZE,
    HELLO_SIZE,
    NOTICE_SIZE,
    ChannelInitiator,
    ChannelSecrets,
    RecentHellos,
    check_gate,
    parse_hello,
    respond,
    version_notice,
)
from gimmal.noise.channel import Hello as FirstMessage
from gimmal.noise.keys import SESSION_RANDOM_SIZE, RootKeys, session_root
from gimmal.noise.link_cipher import LinkCipher
from gimmal.noise.renewal import RenewalMaterial
from gimmal.protocol.codec import decode_struct, encode
from gimmal.protocol.features import OFFERED
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import PROTOCOL_VERSION
from gimmal.protocol.messages import Hello, Join
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.link import Link, PathKind

HANDSHAKE_SECONDS = 5.0
"""What the accepting side waits for the whole opening of a link."""

DIAL_SECONDS = 8.0
"""What the dialling side waits for the other side's part of the opening."""

"""Feature bits of this program; none are defined in version 1."""


@dataclass(frozen=True)
class Identity:
    """What a process needs of its half to open links.

    Attributes:
        pair_id: 16 bytes.
        side: ``a`` or ``b``, this half's.
        static_private, peer_static_public: X25519 keys of the pair.
        root: the half's root, 32 bytes.
        program: name and version of this program.
        computer: id of this computer, 16 bytes, random at each boot.
        agent: whether this process is a running agent.
        name: of this computer, for people; empty where it is not told.
        version: protocol version spoken.
    """

    pair_id: bytes
    side: str
    static_private: bytes = field(repr=False)
    peer_static_public: bytes = field(repr=False)
    root: bytes = field(repr=False)
    program: str
    computer: bytes
    agent: bool
    name: str = ""
    version: int = PROTOCOL_VERSION

    def keys(self) -> RootKeys:
        """Keys of the half's root."""
        return RootKeys.from_root(self.root)

    def material(self) -> RenewalMaterial:
        """Keys for one renewal."""
        return RenewalMaterial(self.static_private, self.peer_static_public, random_bytes(32))

    def hello(self, random: bytes) -> bytes:
        """Body of this side's HELLO record."""
        return encode(Hello(self.version, self.program, OFFERED, random, self.computer, self.agent, self.name))


class _Greeting:
    """Receives the first records of a link, then stops its reading."""

    def __init__(self, last: RecordKind) -> None:
        self._last = last
        self.hello: Hello | None = None
        self.join: Join | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_record(
        self, link: Link, kind: RecordKind, stream: int, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        if kind is RecordKind.HELLO:
            self.hello = decode_struct(Hello, body)
        elif kind is RecordKind.JOIN:
            self.join = decode_struct(Join, body)
        else:
            raise Interrupted("the other side closed the connection", "run the command again")
        if kind is self._last:
            link.pause()
            if not self.done.done():
                self.done.set_result(None)
        return False

    def on_link_ended(self, link: Link, cause: GimmalError | None) -> None:
        if not self.done.done():
            self.done.set_exception(cause or Interrupted("the other side closed the connection", "try again"))
            self.done.exception()


@dataclass
class PreparedLink:
    """A dialled link whose handshake is through and whose other side has greeted."""

    link: Link
    secrets: ChannelSecrets
    identity: Identity
    greeting: Hello

    def open_session(self) -> RootKeys:
        """Send HELLO and JOIN of a session's first link; returns the keys of the session root."""
        if len(self.greeting.random) != SESSION_RANDOM_SIZE:
            raise self._refuse()
        random = random_bytes(SESSION_RANDOM_SIZE)
        self.link.post(RecordKind.HELLO, body=self.identity.hello(random))
        self.link.post(RecordKind.JOIN, body=encode(Join(0, bulk=False)))
        root = session_root(self.secrets.handshake_hash, self.identity.root, random, self.greeting.random)
        keys = RootKeys.from_root(root)
        _enable_renewal(self.link, self.identity, keys)
        return keys

    def join(self, keys: RootKeys, number: int, *, bulk: bool) -> Link:
        """Send HELLO and JOIN of a further link of the session whose keys were used; returns the link."""
        if self.greeting.random:
            raise self._refuse()
        self.link.number, self.link.bulk = number, bulk
        self.link.post(RecordKind.HELLO, body=self.identity.hello(b""))
        self.link.post(RecordKind.JOIN, body=encode(Join(number, bulk=bulk)))
        _enable_renewal(self.link, self.identity, keys)
        return self.link

    def _refuse(self) -> ProtocolViolation:
        violation = ProtocolViolation("the other side greeted with a wrong amount of randomness", "update gimmal there")
        self.link.fail(violation)
        return violation

    def abandon(self) -> None:
        """Another path won."""
        self.link.fail(Interrupted("another path was quicker"))


@dataclass
class _Opening:
    """What there is of a link while it opens."""

    link: Link | None = None


@asynccontextmanager
async def _opening(connection: socket.socket, deadline: float) -> AsyncIterator[_Opening]:
    """At most ``deadline`` seconds; where it fails, for whatever reason, neither link nor connection stays open."""
    opening = _Opening()
    try:
        async with asyncio.timeout(deadline):
            yield opening
    except BaseException:
        if opening.link is not None:
            opening.link.fail(Interrupted("the link was not opened"))
        else:
            connection.close()
        raise


async def prepare(
    connection: socket.socket,
    identity: Identity,
    keys: RootKeys,
    *,
    path: PathKind,
    pool: BufferPool,
    deadline: float = DIAL_SECONDS,
) -> PreparedLink:
    """Run the dialling side's handshake on a connected, non-blocking socket, which is owned from now on.

    Args:
        keys: of the half's root for a session's first link, of the session root for a further one.
        deadline: seconds for the other side's answer and HELLO.

    Raises:
        PeerSilent: closed without a byte.
        PeerAbsent: no answer in time, or cut.
        VersionMismatch, AuthenticationFailed, ProtocolViolation: as the channel's specification says.
    """
    try:
        async with _opening(connection, deadline) as opening:
            secrets = await _initiate(connection, identity, keys)
            link = opening.link = Link(connection, LinkCipher(secrets), dialler=True, path=path, pool=pool)
            greeting = _Greeting(RecordKind.HELLO)
            link.start(greeting)
            await greeting.done
    except TimeoutError:
        raise PeerAbsent("the other side did not answer in time", "see that gimmal runs there") from None
    except (OSError, Interrupted) as exc:
        raise PeerAbsent("the connection to the other side was cut", "try again") from exc
    assert greeting.hello is not None
    if greeting.hello.version != identity.version:
        link.fail(VersionMismatch(identity.version, greeting.hello.version))
        raise VersionMismatch(identity.version, greeting.hello.version)
    return PreparedLink(link, secrets, identity, greeting.hello)


async def _initiate(connection: socket.socket, identity: Identity, keys: RootKeys) -> ChannelSecrets:
    loop = asyncio.get_running_loop()
    initiator = ChannelInitiator(
        identity.version,
        identity.pair_id,
        identity.side,
        identity.static_private,
        identity.peer_static_public,
        keys,
        random_bytes(32),
    )
    await loop.sock_sendall(connection, initiator.hello)
    try:
        first = await loop.sock_recv(connection, 1)
    except ConnectionResetError:
        first = b""
    if not first:
        raise PeerSilent
    answer = bytearray(first)
    size = initiator.answer_size(first[0])
    assert size in (ANSWER_SIZE, NOTICE_SIZE)
    while len(answer) < size:
        more = await loop.sock_recv(connection, size - len(answer))
        if not more:
            raise PeerAbsent("the connection to the other side was cut", "try again")
        answer += more
    return initiator.receive(bytes(answer))


class Lookup(Protocol):
    """What the accepting side knows of key ids."""

    def keys_of(self, key_id: bytes) -> RootKeys | None:
        """Keys whose id a caller named, or None for a stranger's."""


@dataclass
class AcceptedLink:
    """A link that was dialled to us and has shown HELLO and JOIN.

    Attributes:
        session_keys: keys of the new session's root where the half's root was used, else None.
        key_id: what the caller named.
    """

    link: Link
    greeting: Hello
    join: Join
    key_id: bytes
    session_keys: RootKeys | None


async def accept(
    connection: socket.socket,
    identity: Identity,
    lookup: Lookup,
    recent: RecentHellos,
    *,
    path: PathKind,
    pool: BufferPool,
    deadline: float = HANDSHAKE_SECONDS,
) -> AcceptedLink:
    """Run the accepting side's handshake on a connected, non-blocking socket, which is owned from now on.

    Not a byte is sent to a caller whose gate tag is wrong.

    Raises:
        GimmalError: the caller is no friend, or was cut or too slow; the socket is closed.
    """
    try:
        async with _opening(connection, deadline) as opening:
            first = await _read_first(connection)
            keys = lookup.keys_of(first.key_id)
            if keys is None:
                raise AuthenticationFailed("a caller named unknown keys", "nothing was answered")
            secrets = await _respond(connection, identity, keys, first, recent)
            link = opening.link = Link(connection, LinkCipher(secrets), dialler=False, path=path, pool=pool)
            opens_session = keys.key_id == identity.keys().key_id
            random = random_bytes(SESSION_RANDOM_SIZE) if opens_session else b""
            greeting = _Greeting(RecordKind.JOIN)
            link.post(RecordKind.HELLO, body=identity.hello(random))
            link.start(greeting)
            await greeting.done
    except TimeoutError:
        raise DeadlinePassed("a caller was too slow", "nothing was done for it") from None
    except OSError as exc:
        raise Interrupted("a caller was cut", "nothing was done for it") from exc
    hello, join = greeting.hello, greeting.join
    assert hello is not None
    assert join is not None
    zero = join.number == 0
    if len(hello.random) != len(random) or hello.version != identity.version or zero is not opens_session:
        violation = ProtocolViolation("a caller broke the rules of opening a link")
        link.fail(violation)
        raise violation
    link.number, link.bulk = join.number, join.bulk
    session_keys = None
    if opens_session:
        root = session_root(secrets.handshake_hash, identity.root, hello.random, random)
        session_keys = RootKeys.from_root(root)
    _enable_renewal(link, identity, session_keys or keys)
    return AcceptedLink(link, hello, join, first.key_id, session_keys)


async def _read_first(connection: socket.socket) -> FirstMessage:
    loop = asyncio.get_running_loop()
    message = bytearray()
    while len(message) < HELLO_SIZE:
        more = await loop.sock_recv(connection, HELLO_SIZE - len(message))
        if not more:
            raise Interrupted("a caller left", "nothing was answered")
        message += more
    return parse_hello(bytes(message))


async def _respond(
    connection: socket.socket, identity: Identity, keys: RootKeys, first: FirstMessage, recent: RecentHellos
) -> ChannelSecrets:
    loop = asyncio.get_running_loop()
    check_gate(first, keys.gate_key)
    if not recent.admit(first):
        raise AuthenticationFailed("a caller repeated an old first message", "nothing was answered")
    try:
        answer, secrets = respond(
            first,
            identity.version,
            identity.pair_id,
            identity.side,
            identity.static_private,
            identity.peer_static_public,
            keys,
            random_bytes(32),
        )
    except VersionMismatch:
        await loop.sock_sendall(connection, version_notice(first, keys.gate_key, identity.version))
        raise
    await loop.sock_sendall(connection, answer)
    return secrets


def _enable_renewal(link: Link, identity: Identity, keys: RootKeys) -> None:
    link.enable_renewal(identity.version, identity.pair_id, identity.side, keys, identity.material)
