"""What two processes, one per side, share from the first handshake to CLOSE (docs/spec/protocol.md, section 4).

Requests belong to the session; a link only carries them. A request whose link is lost is repeated on another: one
that changes something under its old number, so that it is answered and not done twice, any other under a new one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from gimmal.base.errors import (
    DeadlinePassed,
    GimmalError,
    Interrupted,
    PeerAbsent,
    PeerError,
    ProtocolViolation,
)
from gimmal.base.tasks import Tasks
from gimmal.noise.keys import RootKeys
from gimmal.protocol import limits
from gimmal.protocol.codec import decode_request, decode_struct, encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import (
    CHANGING,
    STREAMED,
    Answer,
    Close,
    CloseReason,
    Failed,
    Hello,
    Request,
)
from gimmal.protocol.session import Answering, Arrival, Asking
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.exchange import AnswerSink, Incoming, LinkLost, Sink
from gimmal.transport.link import Link, PathKind

logger = logging.getLogger("gimmal.transport")

HELD_BUFFERS_MAX = 24
"""Buffers of streamed requests that wait to be worked on before their links are paused, unless told otherwise."""

ANSWERS_BYTES_MAX = 8 << 20
"""Bytes of answers that wait for their links above which no further question is worked on."""

SMALL = 4096
"""Bytes up to which a message is queued at once, however much bulk waits on its link."""

BULK_AFTER = 3
"""Exchanges of bulk after which a session without a link for bulk dials one; over a relay the first is enough."""

BULK_AGAIN_SECONDS = 30.0
"""How long to wait after a link for bulk could not be had."""

TICK_SECONDS = 5.0
REDIAL_FIRST_SECONDS = 0.2
REDIAL_MOST_SECONDS = 5.0

SinkT = TypeVar("SinkT", bound=Sink)


class SessionLost(Interrupted):
    """The other side does not know the session any more; another one has to be opened."""


class Handler(Protocol):
    """Who answers the other side's requests in one session."""

    async def handle(self, incoming: Incoming) -> Answer | None:
        """Do one request. Returns the answer, or None where records sent on ``incoming.link`` were the answer.

        Raises Interrupted where the request's link went before it did anything that lasts, ProtocolViolation to end
        the session; anything else is answered with FAILED. May be cancelled where the request changes nothing.
        """

    def attached(self, attached: bool) -> None:
        """The session has links now, or has none until one comes back."""

    def session_ended(self) -> None:
        """Nothing more will be asked."""


class _Pending:
    __slots__ = ("done", "link", "sink")

    def __init__(self, link: Link, sink: Sink, done: asyncio.Future[None]) -> None:
        self.link = link
        self.sink = sink
        self.done = done


class Session:
    """One side of a session.

    Args:
        keys: of the session root, for every further handshake of this session.
        opener: whether this side opened it.
        peer: the other side's first HELLO.
        pool: record buffers.
        handler: answers the other side's requests; None answers each with NOT_GRANTED.
        dial: makes a further link of this session (its argument: bulk or not); None where only the other side
            can. Raises SessionLost where the other side does not know the session any more.
        held_max: buffers of streamed requests that may wait to be worked on.

    ``ended`` completes once. Then ``closed_for`` is the reason of CLOSE, or ``cause`` what broke the session.
    """

    def __init__(
        self,
        keys: RootKeys,
        *,
        opener: bool,
        peer: Hello,
        pool: BufferPool,
        handler: Handler | None = None,
        dial: Callable[[bool], Awaitable[Link]] | None = None,
        held_max: int = HELD_BUFFERS_MAX,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.keys = keys
        self.opener = opener
        self.peer = peer
        self.pool = pool
        self.handler = handler
        self.dial = dial
        self.links: list[Link] = []
        self.cause: GimmalError | None = None
        self.closed_for: CloseReason | None = None
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._asking = Asking(opener=opener)
        self._answering = Answering(opener=opener)
        self._pending: dict[int, _Pending] = {}
        self._incoming: dict[int, Incoming] = {}
        self._held = 0
        self._held_max = held_max
        self._paused: set[Link] = set()
        self._streams = asyncio.Semaphore(limits.WRITES_MAX)
        self._settled = asyncio.Event()
        self._answers_waiting = 0
        self._answers_left = asyncio.Event()
        self._link_came = asyncio.Event()
        self._links_dialled = 0
        self._without_links_since = self._loop.time()
        self._redialling: asyncio.Task[None] | None = None
        self._bulk_exchanges = 0
        self._bulk_not_before = 0.0
        self._tasks = Tasks()
        self._tasks.start(self._keep_alive(), "session keep-alive")

    # Links -----------------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether the session has ended."""
        return self.ended.done()

    def next_link_number(self) -> int:
        """A number for a further link dialled by this side; the first link of a session has number 0."""
        self._links_dialled += 1
        return self._links_dialled * 2 + (0 if self.opener else 1)

    def attach(self, link: Link) -> None:
        """Carry requests over ``link`` too.

        Raises:
            ProtocolViolation: the session has as many links as it may have, or is over.
            Interrupted: the link is over already.
        """
        if link.over:
            raise Interrupted("the connection to the other side was cut", "run the command again")
        if self.over or len(self.links) >= limits.LINKS_MAX:
            raise ProtocolViolation("too many links in one session", "close other programs that use this half")
        if self.handler is not None and not self.links:
            self.handler.attached(True)
        self.links.append(link)
        link.start(self)
        self._link_came.set()

    async def add_link(self, *, bulk: bool) -> Link:
        """Dial a further link and attach it.

        Raises:
            Interrupted: this side cannot dial.
            GimmalError: what the dialling raises.
        """
        if self.dial is None:
            raise Interrupted("this side cannot open links", "run the command on the other computer")
        link = await self.dial(bulk)
        try:
            self.attach(link)
        except ProtocolViolation:
            link.leave()
            raise
        return link

    def _pick(self, *, bulk: bool) -> Link | None:
        usable = [link for link in self.links if not link.over]
        preferred = [link for link in usable if link.bulk is bulk] or usable
        return min(preferred, key=lambda link: (link.outstanding, link.queued), default=None)

    async def _link(self, *, bulk: bool) -> Link:
        while True:
            if self.over:
                raise self.why_over()
            link = self._pick(bulk=bulk)
            if link is not None:
                return link
            self._link_came.clear()
            await self._link_came.wait()

    # Asking ----------------------------------------------------------------------------------------------------------

    async def call(self, request: Request, *, deadline: float | None = limits.CALL_SECONDS) -> Answer:
        """Ask one question.

        Args:
            request: the message.
            deadline: seconds; None for a question that may take any time.

        Raises:
            DeadlinePassed: no answer in time; whether a request that changes something was done is not known.
            GimmalError: why the session is over.
        """
        sink = await self.exchange(request, AnswerSink, deadline=deadline)
        assert sink.answer is not None
        return sink.answer

    async def exchange(
        self,
        request: Request,
        make_sink: Callable[[asyncio.Future[None]], SinkT],
        *,
        send_more: Callable[[Link, int], Awaitable[None]] | None = None,
        deadline: float | None = None,
        bulk: bool = False,
    ) -> SinkT:
        """Send a request, and again whenever its link is lost, until its sink is complete.

        Args:
            request: the message.
            make_sink: makes what takes the answer's records and completes the future given to it.
            send_more: sends the records that follow a streamed request, on the link and under the number given.
            deadline: seconds for all of it; None waits as long as the session lives.
            bulk: prefer links for bulk.

        Returns:
            the complete sink.
        """
        if bulk:
            self._want_bulk()
        try:
            async with asyncio.timeout(deadline) as timeout:
                if send_more is None:
                    return await self._exchange(request, make_sink, None, bulk=bulk)
                async with self._streams:
                    return await self._exchange(request, make_sink, send_more, bulk=bulk)
        except TimeoutError:
            if deadline is None or not timeout.expired():
                raise
            raise DeadlinePassed(
                f"the other side did not answer within {deadline:g} s",
                "try again; `gimmal status` shows the connection",
            ) from None

    async def _exchange(
        self,
        request: Request,
        make_sink: Callable[[asyncio.Future[None]], SinkT],
        send_more: Callable[[Link, int], Awaitable[None]] | None,
        *,
        bulk: bool,
    ) -> SinkT:
        changing = isinstance(request, CHANGING)
        body = encode(request)
        number = await self._begin()
        try:
            while True:
                link = await self._link(bulk=bulk)
                sink = make_sink(self._loop.create_future())
                if await self._try(link, number, body, sink, send_more):
                    return sink
                if not changing:
                    self._settle(number)
                    number = await self._begin()
        finally:
            self._settle(number)

    async def _begin(self) -> int:
        while self._asking.full and not self.over:
            self._settled.clear()
            await self._settled.wait()
        if self.over:
            raise self.why_over()
        return self._asking.begin()

    def _settle(self, number: int) -> None:
        self._asking.settle(number)
        self._settled.set()

    async def _try(
        self,
        link: Link,
        number: int,
        body: bytes,
        sink: Sink,
        send_more: Callable[[Link, int], Awaitable[None]] | None,
    ) -> bool:
        """One try over one link; False where the link was lost."""
        done = sink.done
        self._pending[number] = _Pending(link, sink, done)
        link.outstanding += 1
        complete = False
        try:
            if len(body) > SMALL:
                await link.writable()
            link.post(RecordKind.REQUEST, number, self._asking.mark, body)
            if send_more is not None:
                await send_more(link, number)
            await done
            complete = True
        except LinkLost:
            pass
        except Interrupted:
            if self.over or not link.over:
                raise
        finally:
            link.outstanding -= 1
            del self._pending[number]
            if not complete:
                sink.reset()
                if done.done() and not done.cancelled():
                    done.exception()
                elif not link.over:
                    link.post(RecordKind.CANCEL, number)
        return complete

    def _want_bulk(self) -> None:
        """Dial a link for bulk where that helps: a direct one beside a relay, one that holds up no listing."""
        self._bulk_exchanges += 1
        if self.dial is None or self.over or self._loop.time() < self._bulk_not_before:
            return
        relayed = any(link.path is PathKind.RELAYED for link in self.links)
        if any(link.bulk for link in self.links) or self._bulk_exchanges < (1 if relayed else BULK_AFTER):
            return
        self._bulk_not_before = self._loop.time() + BULK_AGAIN_SECONDS
        self._tasks.start(self._dial_bulk(), "dial for bulk")

    async def _dial_bulk(self) -> None:
        try:
            await self.add_link(bulk=True)
        except GimmalError as exc:
            logger.debug("no link for bulk: %s", exc)

    # Receiving -------------------------------------------------------------------------------------------------------

    def on_record(
        self, link: Link, kind: RecordKind, stream: int, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        """See Receiver."""
        if self.over:
            return False
        if kind in _STREAM_KINDS:
            pending = self._pending.get(stream)
            if pending is not None:
                return pending.sink.on_record(kind, offset, body, owner)
            incoming = self._incoming.get(stream)
            if incoming is not None and incoming.link is link and kind is not RecordKind.ANSWER:
                return self._feed(incoming, kind, offset, body, owner)
        elif kind is RecordKind.REQUEST:
            self._on_request(link, stream, offset, body)
        elif kind is RecordKind.CANCEL:
            self._on_cancel(stream)
        elif kind is RecordKind.PING:
            link.post(RecordKind.PONG, offset=offset)
        elif kind is RecordKind.PONG:
            if offset == link.pings > 0:
                link.round_trip = self._loop.time() - link.pinged_at
        elif kind is RecordKind.CLOSE:
            reason = decode_struct(Close, body).reason
            self._end(None, CloseReason(reason) if reason in _REASONS else CloseReason.DONE)
        # CREDIT concerns pushed streams, of which this side has none open; LEAVE has done its work in the link.
        return False

    def on_link_ended(self, link: Link, cause: GimmalError | None) -> None:
        """See Receiver."""
        if link in self.links:
            self.links.remove(link)
        self._paused.discard(link)
        if self.over:
            return
        if isinstance(cause, PeerError):
            self._end(cause, None)
            return
        lost = LinkLost("the connection to the other side was cut", "run the command again")
        lost.__cause__ = cause
        for pending in list(self._pending.values()):
            if pending.link is link and not pending.done.done():
                pending.done.set_exception(lost)
        for incoming in list(self._incoming.values()):
            if incoming.link is not link:
                continue
            incoming.lose(lost)
            if incoming.task is not None and not isinstance(incoming.request, CHANGING):
                incoming.task.cancel()  # it will be asked again under another number
        if not self.links:
            self._without_links_since = self._loop.time()
            if self.handler is not None:
                self.handler.attached(False)
            if self.dial is not None and self._redialling is None:
                self._redialling = self._tasks.start(self._redial(), "session redial")

    def _on_request(self, link: Link, number: int, mark: int, body: memoryview) -> None:
        request = decode_request(body)
        arrival = self._answering.arrive(number, mark, changing=isinstance(request, CHANGING))
        if arrival is Arrival.ANSWERED:
            link.post(RecordKind.ANSWER, number, 0, self._answering.answer_of(number))
        elif request is None and arrival is Arrival.NEW:
            self._answering.drop(number)
            link.post(RecordKind.ANSWER, number, 0, encode(Failed(Code.UNSUPPORTED)))
        elif request is None:
            pass  # a number used twice, for two requests: only what came first counts
        elif arrival is Arrival.NEW:
            if isinstance(request, STREAMED) and self._open_streams() >= 2 * limits.WRITES_MAX:
                raise ProtocolViolation("the other side writes more streams at once than is allowed")
            incoming = Incoming(number, request, link, self._given_back)
            self._incoming[number] = incoming
            incoming.task = self._tasks.start(self._serve(incoming), f"request {type(request).__name__}")
        elif arrival is Arrival.RUNNING:
            self._on_repeat(link, number, request)

    def _on_repeat(self, link: Link, number: int, request: Request) -> None:
        running = self._incoming[number]
        if not isinstance(request, STREAMED):
            running.link = link
            return
        running.lose(LinkLost("the request was sent again", ""))
        again = Incoming(number, request, link, self._given_back)
        self._incoming[number] = again
        again.task = self._tasks.start(self._serve_again(running, again), f"request {type(request).__name__}")

    async def _serve_again(self, running: Incoming, again: Incoming) -> None:
        assert running.task is not None
        await asyncio.wait([running.task])
        arrival = self._answering.arrive(again.number, 0, changing=True)
        if arrival is Arrival.NEW:
            await self._serve(again)
            return
        self._forget_incoming(again)
        if arrival is Arrival.ANSWERED:
            again.link.post(RecordKind.ANSWER, again.number, 0, self._answering.answer_of(again.number))

    def _open_streams(self) -> int:
        return sum(isinstance(incoming.request, STREAMED) for incoming in self._incoming.values())

    async def _serve(self, incoming: Incoming) -> None:
        try:
            await self._answer(incoming, await self._handle(incoming))
        except LinkLost:
            pass
        except ProtocolViolation as exc:
            incoming.link.fail(exc)
        finally:
            self._answering.drop(incoming.number)
            self._forget_incoming(incoming)

    async def _handle(self, incoming: Incoming) -> Answer | None:
        if self.handler is None:
            return Failed(Code.NOT_GRANTED)
        while self._answers_waiting >= ANSWERS_BYTES_MAX and not isinstance(incoming.request, STREAMED):
            self._answers_left.clear()
            await self._answers_left.wait()
        try:
            return await self.handler.handle(incoming)
        except (LinkLost, ProtocolViolation):
            raise
        except Exception as exc:
            if isinstance(exc, Interrupted) and incoming.link.over:
                raise LinkLost("the link was lost before the request was done") from exc
            # Whatever it is, the other side must not wait for ever.
            logger.exception("a request failed: %s", type(incoming.request).__name__)
            return Failed(Code.FAILED)

    async def _answer(self, incoming: Incoming, answer: Answer | None) -> None:
        if answer is None:
            return
        body = encode(answer)
        if len(body) > limits.BODY_MAX:
            logger.error("an answer to %s is too long for a record", type(incoming.request).__name__)
            body = encode(Failed(Code.TOO_LARGE))
        # Remembered before it is sent: what was done is not done twice, whatever becomes of the link.
        self._answering.answered(incoming.number, body)
        if len(body) > SMALL:
            self._answers_waiting += len(body)
            try:
                await incoming.link.writable()
            finally:
                self._answers_waiting -= len(body)
                self._answers_left.set()
        link = incoming.link
        carrier = self._pick(bulk=False) if link.over else link
        if carrier is not None:
            carrier.post(RecordKind.ANSWER, incoming.number, 0, body)

    def _on_cancel(self, number: int) -> None:
        incoming = self._incoming.get(number)
        if incoming is None or incoming.task is None:
            return
        if isinstance(incoming.request, STREAMED):
            incoming.lose(LinkLost("the request was cancelled", ""))
        elif not isinstance(incoming.request, CHANGING):
            incoming.task.cancel()

    def _forget_incoming(self, incoming: Incoming) -> None:
        if self._incoming.get(incoming.number) is incoming:
            del self._incoming[incoming.number]
        incoming.drop_records()

    def _feed(
        self, incoming: Incoming, kind: RecordKind, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        kept = incoming.feed(kind, offset, body, owner)
        if kept:
            self._held += 1
            if self._held >= self._held_max:
                self._paused.add(incoming.link)
                incoming.link.pause()
        return kept

    def _given_back(self, buffer: RecordBuffer) -> None:
        self.pool.give(buffer)
        self._held -= 1
        if self._held < self._held_max and self._paused:
            for link in self._paused:
                link.resume()
            self._paused.clear()

    # Life ------------------------------------------------------------------------------------------------------------

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._loop.time()
            for link in list(self.links):
                silent = now - link.last_received
                if silent > limits.SILENCE_SECONDS and link not in self._paused:
                    link.fail(Interrupted("the other side fell silent", "run the command again"))
                elif link.renewal_stuck:
                    link.fail(Interrupted("the other side does not renew the keys", "run the command again"))
                elif silent > limits.PING_SECONDS:
                    link.pings += 1
                    link.pinged_at = now
                    link.post(RecordKind.PING, offset=link.pings)
            if not self.links and now - self._without_links_since > limits.SESSION_KEPT_SECONDS:
                self._end(Interrupted("the other side did not come back", "run the command again"), None)

    async def _redial(self) -> None:
        wait = 0.0
        try:
            while not self.links and not self.over:
                await asyncio.sleep(wait)
                wait = min(max(2 * wait, REDIAL_FIRST_SECONDS), REDIAL_MOST_SECONDS)
                try:
                    await self.add_link(bulk=False)
                except (SessionLost, PeerError) as exc:
                    self._end(exc, None)
                except GimmalError as exc:
                    logger.debug("redial failed: %s", exc)
        finally:
            self._redialling = None

    def close(self, reason: CloseReason) -> None:
        """End the session in good order; ``finished`` waits until the last record is out."""
        if self.over:
            return
        drain = bool(self._pending or self._incoming)
        body = encode(Close(reason))
        links = list(self.links)
        self._end(None, reason)
        for index, link in enumerate(links):
            if index == 0:
                link.close(body, drain=drain)
            else:
                link.leave()

    def fail(self, cause: GimmalError) -> None:
        """End the session at once because of ``cause``; nothing more is sent."""
        self._end(cause, None)

    async def finished(self) -> None:
        """Wait until the session and all its links are over; bounded by the links' own closing deadline."""
        await asyncio.shield(self.ended)
        for link in list(self.links):
            await asyncio.shield(link.ended)

    def why_over(self) -> GimmalError:
        """The error for whoever asks something of a session that is over."""
        if self.cause is not None:
            return self.cause
        if self.closed_for is CloseReason.UNPLUGGED:
            return PeerAbsent("a half was pulled out", "plug it in again")
        if self.closed_for is CloseReason.LIMIT:
            return PeerAbsent("the other side has too many sessions", "close other programs that use this half")
        return Interrupted("the session was closed", "run the command again")

    def _end(self, cause: GimmalError | None, reason: CloseReason | None) -> None:
        if self.over:
            return
        self.cause, self.closed_for = cause, reason
        self.ended.set_result(None)
        for pending in list(self._pending.values()):
            if not pending.done.done():
                pending.done.set_exception(self.why_over())
        for incoming in list(self._incoming.values()):
            incoming.lose(self.why_over())
        self._link_came.set()
        self._settled.set()
        self._tasks.cancel()
        for link in list(self.links):
            if cause is not None:
                link.fail(cause)
            else:
                link.expire()
        if self.handler is not None:
            self.handler.session_ended()
        if cause is not None or reason is not None:
            logger.debug("session over: %s", cause or reason)


_STREAM_KINDS = frozenset((RecordKind.DATA, RecordKind.END, RecordKind.BUNDLE, RecordKind.ANSWER))
_REASONS = frozenset(CloseReason)
