"""Two sessions that know each other, or one that has a peer without manners."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from blake3 import blake3

from gimmal.base.errors import GimmalError, Interrupted, ProtocolViolation
from gimmal.noise.keys import RootKeys
from gimmal.protocol import limits
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import Answer, Done, Hello, Read, StreamEnd, Write
from gimmal.protocol.messages import Request as AnyRequest
from gimmal.transport.answering import Handler
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import AnswerSink, Incoming, RangeSink
from gimmal.transport.link import Link
from gimmal.transport.session import Session, SessionLost
from tests.transport.helpers import Raw, ciphers, fixed, link_over, socket_pair, tcp_pair

HELLO = Hello(1, "test 0", 0, b"", bytes(16), False)


@dataclass
class Notes:
    """A handler that does what a table says and notes what it did."""

    todo: dict[type, Callable[[Incoming], Awaitable[Answer | None]]] = field(default_factory=dict)
    done: list[AnyRequest] = field(default_factory=list)
    ended: int = 0
    links: list[bool] = field(default_factory=list)

    async def handle(self, incoming: Incoming) -> Answer | None:
        work = self.todo.get(type(incoming.request))
        if work is None:
            self.done.append(incoming.request)
            return Done()
        return await work(incoming)

    def attached(self, attached: bool) -> None:
        self.links.append(attached)

    def session_ended(self) -> None:
        self.ended += 1


class Pair:
    """Two sessions that know each other, with as many links as a test adds.

    Args:
        wires: makes the connected sockets of a link; tests put a hostile middle here.
        redial: whether the opener may dial when all links are lost.
        budgets: of the other side, where it has several sessions.
    """

    def __init__(
        self,
        opener: Handler | None = None,
        other: Handler | None = None,
        *,
        wires: Callable[[], tuple[socket.socket, socket.socket]] = socket_pair,
        redial: bool = False,
        budgets: Budgets | None = None,
    ) -> None:
        self._wires = wires
        self._numbers = itertools.count()
        self.pools = BufferPool(), BufferPool()
        keys = RootKeys.from_root(fixed("session"))
        self.may_dial = True
        self.a = Session(
            keys, opener=True, peer=HELLO, pool=self.pools[0], handler=opener, dial=self._dial if redial else None
        )
        self.b = Session(keys, opener=False, peer=HELLO, pool=self.pools[1], handler=other, budgets=budgets)

    def link(self, *, bulk: bool = False) -> tuple[Link, Link]:
        left, right = self.unattached(bulk=bulk)
        self.a.attach(left)
        return left, right

    def unattached(self, *, bulk: bool = False) -> tuple[Link, Link]:
        """A link that only the other side has attached yet."""
        number = next(self._numbers)
        one, two = ciphers(f"link {number}")
        ends = self._wires()
        left = link_over(ends[0], one, dialler=True, pool=self.pools[0])
        right = link_over(ends[1], two, dialler=False, pool=self.pools[1])
        left.number = right.number = number
        left.bulk = right.bulk = bulk
        try:
            self.b.attach(right)
        except ProtocolViolation as refused:
            for end in (left, right):
                end.fail(refused)
            raise
        return left, right

    async def _dial(self, bulk: bool) -> Link:
        if not self.may_dial:
            raise SessionLost("the other side was started anew", "run the command again")
        return self.unattached(bulk=bulk)[0]

    async def close(self) -> None:
        """End both sessions and wait for what they own."""
        for session in (self.a, self.b):
            links = list(session.links)
            session.fail(GimmalError("the test is over"))
            for link in links:
                await link.ended
            await session._tasks.close()


CONTENT = random.Random(4).randbytes(limits.BLOCK_SIZE)


def cut(link: Link) -> None:
    link.fail(Interrupted("the test cut the link"))


async def serve_read(incoming: Incoming, pool: BufferPool, piece: int = BODY_MAX) -> None:
    request = incoming.request
    assert isinstance(request, Read)
    content = CONTENT[request.offset : request.offset + request.length]
    for at in range(0, len(content), piece):
        buffer = pool.take()
        part = content[at : at + piece]
        buffer.body[: len(part)] = part
        await incoming.link.send_buffer(RecordKind.DATA, incoming.number, request.offset + at, buffer, len(part))
    end = encode(StreamEnd(blake3(content).digest()))
    incoming.link.post(RecordKind.END, incoming.number, len(content), end)


async def read(session: Session, offset: int = 0, length: int = limits.BLOCK_SIZE) -> bytes:
    def make_sink(done: asyncio.Future[None]) -> RangeSink:
        return RangeSink(done, session.pool, offset, length)

    sink = await session.exchange(Read("a", offset, length), make_sink, bulk=True)
    assert sink.answer is None
    content = b"".join(piece.body for piece in sink.pieces)
    assert blake3(content).digest() == sink.digest
    sink.give_back()
    return content


async def collect(incoming: Incoming) -> bytes:
    """What a Write brings."""
    got = b""
    while True:
        for kind, _offset, piece in await incoming.records():
            if kind is RecordKind.END:
                return got
            got += piece.body
            incoming.give(piece)


async def write(session: Session, content: bytes, *, pace: Callable[[int], object] | None = None) -> Answer:
    async def send(link: Link, number: int) -> None:
        for at in range(0, len(content), BODY_MAX):
            buffer = session.pool.take()
            part = content[at : at + BODY_MAX]
            buffer.body[: len(part)] = part
            await link.send_buffer(RecordKind.DATA, number, at, buffer, len(part))
            if pace is not None:
                pace(at)
                await asyncio.sleep(0.005)
        link.post(RecordKind.END, number, len(content), encode(StreamEnd(blake3(content).digest())))

    sink = await session.exchange(Write(1, 0, len(content)), AnswerSink, send_more=send, bulk=True)
    assert sink.answer is not None
    return sink.answer


async def never(_incoming: Incoming) -> Answer:
    await asyncio.sleep(3600)
    return Done()


Ends = Callable[[], tuple[socket.socket, socket.socket]]


def raw_for(session: Session, seed: str = "link", ends: Ends = tcp_pair) -> tuple[Raw, Link]:
    left, right = ends()
    one, two = ciphers(seed)
    link = link_over(right, two, dialler=False, pool=session.pool)
    session.attach(link)
    return Raw(left, one), link


def raw_session(handler: Handler | None = None, ends: Ends = tcp_pair) -> tuple[Raw, Session]:
    """A session that the raw peer opened: the peer's requests are odd."""
    session = Session(
        RootKeys.from_root(fixed("session")), opener=False, peer=HELLO, pool=BufferPool(), handler=handler
    )
    return raw_for(session, ends=ends)[0], session


async def end(session: Session, raw: Raw) -> None:
    links = list(session.links)
    session.fail(GimmalError("the test is over"))
    for link in links:
        await link.ended
    await session._tasks.close()
    raw.close()
