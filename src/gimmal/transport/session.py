"""What two processes, one per side, share from the first handshake to CLOSE (docs/spec/protocol.md, section 4).

Requests belong to the session; a link only carries them. A request whose link is lost is repeated on another: one
that changes something under its old number, so that it is answered and not done twice, any other under a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from gimmal.base.errors import GimmalError, Interrupted, PeerAbsent, PeerError, ProtocolViolation
from gimmal.base.tasks import Tasks
from gimmal.noise.keys import RootKeys
from gimmal.protocol import limits
from gimmal.protocol.codec import decode_struct, encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Answer, Close, CloseReason, Hello, Punch, Request
from gimmal.transport.answering import HELD_BUFFERS_MAX, AnsweringSide, Handler
from gimmal.transport.asking import AskingSide, size_of
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.bulk_links import BulkLinks
from gimmal.transport.exchange import AnswerSink, LinkLost, Sink
from gimmal.transport.frames import again, forget_frames
from gimmal.transport.link import Link
from gimmal.transport.link_care import WATCH_SECONDS, LinkCare
from gimmal.transport.punching.turns import Turns
from gimmal.transport.pushed import PushedStreams
from gimmal.transport.traffic import Traffic

logger = logging.getLogger("gimmal.transport")

TICK_SECONDS = 5.0
REDIAL_FIRST_SECONDS = 0.2
REDIAL_MOST_SECONDS = 3.0
"""Between two tries to get a link again, of which half is drawn: what many lost at once does not come back at once."""

FORGOTTEN_TRIES, FORGOTTEN_SECONDS = 2, 1.0
"""So often in a row, about so long apart, the other side has to meet a session with silence until it counts as lost."""

SinkT = TypeVar("SinkT", bound=Sink)


class SessionLost(Interrupted):
    """The other side does not know the session any more; another one has to be opened."""


class LinkWatcher(Protocol):
    """Who chooses between the links of a session: path_keeper.PathKeeper."""

    def on_links(self) -> None:
        """Links came, went, fell under suspicion, or are trusted again."""

    def on_link_lost(self, link: Link) -> None:
        """A link is over, and not in good order."""


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
        budgets: what all sessions of this program may hold together; None where this is the only one.

    ``ended`` completes once. Then ``closed_for`` is the reason of CLOSE, or ``cause`` what broke the session, and
    nothing inside leads back to the session: it is freed with its last user.
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
        budgets: Budgets | None = None,
    ) -> None:
        self._shares = (budgets if budgets is not None else Budgets()).share()
        self._loop = asyncio.get_running_loop()
        self.keys = keys
        self.opener = opener
        self.peer = peer
        self.pool = pool
        self.handler = handler
        self.dial = dial
        self.links: list[Link] = []
        self.streams = PushedStreams()
        """What is pushed in it, either way."""
        self.cause: GimmalError | None = None
        self.closed_for: CloseReason | None = None
        self.redial_failure: GimmalError | None = None
        """Why the last try to get a link again failed; None where none did, or since there is one."""
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._tasks = Tasks()
        self.punch_turns = Turns(opener)
        """Whose turn it is to punch."""
        self.bulk = BulkLinks(self.links, self._tasks, self._add_bulk, self.ping, self.unanswered_on)
        self._asking = AskingSide(opener=opener, find_link=self._link)
        self._answering = AnsweringSide(
            opener=opener,
            handler=handler,
            pool=pool,
            tasks=self._tasks,
            carrier=lambda: self.bulk.pick(bulk=False),
            held_max=held_max,
            shares=self._shares,
        )
        self._care = LinkCare(self.links, self._answering.paused, self.ping, self._links_changed)
        self._stirred = asyncio.Event()
        """Set when something begins to wait for the other side, which has to be watched from now on."""
        self.watcher: LinkWatcher | None = None
        self.used_at = self._loop.time()
        """When, on the event loop's clock, something was asked in it last, by either side."""
        self._traffic = Traffic()
        self._sent_by_gone = self._received_by_gone = 0
        self._link_came = asyncio.Event()
        self._heard = asyncio.Event()
        self._records = 0
        self._links_dialled = 0
        self._without_links_since = self._loop.time()
        self._redialling: asyncio.Task[None] | None = None
        self._hurried = asyncio.Event()
        self._tasks.start(self._keep_alive(), "session keep-alive")

    # Links -----------------------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether the session has ended."""
        return self.ended.done()

    @property
    def without_links_since(self) -> float | None:
        """Since when, on the event loop's clock, it has had no link; None while it has one."""
        return None if self.links else self._without_links_since

    @property
    def leads_there(self) -> bool:
        """Whether it has a link that is not suspected of leading nowhere."""
        now = self._loop.time()
        return any(not self._care.is_silent(link, now) for link in self.links)

    @property
    def asks(self) -> bool:
        """Whether this side waits for an answer."""
        return self._asking.busy

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
        if self.over or len(self.links) >= limits.LINKS_MAX or not self._shares.links.try_take(1):
            raise ProtocolViolation("too many links in one session", "close other programs that use this half")
        if self.handler is not None and not self.links:
            self.handler.attached(True)
        self.links.append(link)
        self.redial_failure = None
        link.start(self)
        if self.dial is not None and not link.bulk:
            self.bulk.measure()
        self._link_came.set()
        self._links_changed()
        self._stir()

    def answer_punching(self, answer: Callable[[Punch], Awaitable[Answer]]) -> None:
        """Answer so what the other side asks about hole punching; without it that is not supported."""
        self._answering.on_punch = answer

    def hurry(self) -> None:
        """There may be a way again: where the session has no link, one is tried now."""
        self._hurried.set()

    async def linked(self, deadline: float) -> bool:
        """Wait until it has a link, ``deadline`` seconds at most; whether it has one."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while not self.links and not self.over:
                    self._link_came.clear()
                    await self._link_came.wait()
        return bool(self.links) and not self.over

    def doubt(self) -> None:
        """The network may have changed: ask each link for a sign of life now, and be quick to give up one without."""
        self._care.doubt(self._loop.time())
        self._stirred.set()

    @property
    def moved(self) -> tuple[int, int]:
        """Bytes sent and received on all links so far, handshakes excluded."""
        sent = self._sent_by_gone + sum(link.bytes_sent for link in self.links)
        return sent, self._received_by_gone + sum(link.bytes_received for link in self.links)

    @property
    def rates(self) -> tuple[float, float]:
        """Bytes a second, sent and received, of the last seconds."""
        return self._traffic.rates(self._loop.time(), *self.moved)

    def unanswered_on(self, link: Link) -> bool:
        """Whether something that was asked on a link, by either side, waits for its answer."""
        return link.outstanding > 0 or self._answering.answers_on(link)

    def _links_changed(self) -> None:
        if self.watcher is not None:
            self.watcher.on_links()

    async def hears(self, deadline: float) -> bool:
        """Whether the other side answers on any link within ``deadline`` seconds."""
        if self._answering.paused:
            return True  # it sends more than is worked off
        before = self._records
        for link in self.links:
            self.ping(link)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                while self._records == before:
                    self._heard.clear()
                    await self._heard.wait()
        return self._records != before and not self.over

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

    async def _add_bulk(self) -> Link:
        return await self.add_link(bulk=True)

    async def _link(self, bulk: bool) -> Link:
        while True:
            if self.over:
                raise self.why_over()
            link = self.bulk.pick(bulk=bulk)
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

    def expect_bulk(self, size: int) -> None:
        """About so many bytes of bulk will soon be asked for: dial links for them."""
        if self.dial is not None:
            self.bulk.wanted(self._loop.time(), size)

    async def exchange(
        self,
        request: Request,
        make_sink: Callable[[asyncio.Future[None]], SinkT],
        *,
        send_more: Callable[[Link, int], Awaitable[None]] | None = None,
        deadline: float | None = None,
        bulk: bool = False,
    ) -> SinkT:
        """As AskingSide.exchange; bulk makes the session dial links for it."""
        if bulk and self.dial is not None:
            self.bulk.wanted(self._loop.time(), size_of(request))
        self._stir()
        return await self._asking.exchange(request, make_sink, send_more=send_more, deadline=deadline, bulk=bulk)

    def is_awaited(self, number: int) -> bool:
        """Whether this side still wants what it sends for a request: it is not answered, and its link is there."""
        return self._asking.is_awaited(number)

    # Receiving -------------------------------------------------------------------------------------------------------

    def on_record(
        self, link: Link, kind: RecordKind, stream: int, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        """See Receiver."""
        if self.over:
            return False
        self._records += 1
        self._heard.set()
        if kind in _STREAM_KINDS:
            if self._asking.is_pending(stream):
                return self._asking.on_record(kind, stream, offset, body, owner)
            return self._answering.on_record(link, kind, stream, offset, body, owner)
        if kind is RecordKind.REQUEST:
            self._stir()
            self._answering.on_request(link, stream, offset, body)
        elif kind is RecordKind.REPEAT:
            self._answering.on_announced_repeat(link, stream, offset)
        elif kind is RecordKind.CANCEL:
            if not self.streams.on_cancel(stream):
                self._answering.on_cancel(stream)
        elif kind is RecordKind.NOTICES:
            self.streams.on_notices(link, stream, offset, body)
        elif kind is RecordKind.CREDIT:
            self.streams.on_credit(stream, offset)
        elif kind is RecordKind.PING:
            link.post(RecordKind.PONG, offset=offset)
        elif kind is RecordKind.PONG:
            if offset == link.pings > 0:
                link.round_trip, link.proved_at = self._loop.time() - link.pinged_at, link.pinged_at
                self.bulk.ponged(link.round_trip)
        elif kind is RecordKind.CLOSE:
            reason = decode_struct(Close, body).reason
            self._end(None, CloseReason(reason) if reason in _REASONS else CloseReason.DONE)
        # LEAVE has done its work in the link.
        return False

    def on_link_ended(self, link: Link, cause: GimmalError | None) -> None:
        """See Receiver."""
        if link in self.links:
            self.links.remove(link)
            self._sent_by_gone += link.bytes_sent
            self._received_by_gone += link.bytes_received
            self._shares.links.give(1)
            self.bulk.gone(link)
        self._answering.paused.discard(link)
        self.streams.lose(link)
        if self.over:
            return
        if isinstance(cause, PeerError):
            self._end(cause, None)
            return
        lost = LinkLost("the connection to the other side was cut", "run the command again")
        lost.__cause__ = cause
        self._asking.lose(link, lost)
        self._answering.lose(link, lost)
        if cause is not None and self.watcher is not None:
            self.watcher.on_link_lost(link)
        self._links_changed()
        if not self.links:
            self._without_links_since = self._loop.time()
            if self.handler is not None:
                self.handler.attached(False)
            if self.dial is not None and self._redialling is None:
                self._redialling = self._tasks.start(self._redial(), "session redial")

    # Life ------------------------------------------------------------------------------------------------------------

    def _stir(self) -> None:
        self.used_at = self._loop.time()
        if not self._care.waits:
            self._stirred.set()

    async def _keep_alive(self) -> None:
        slowly = self._loop.time() + TICK_SECONDS
        while True:
            pause = min(WATCH_SECONDS, TICK_SECONDS) if self._care.waits else TICK_SECONDS
            due = self._loop.time() + pause
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._stirred.wait()
            self._stirred.clear()
            now = self._loop.time()
            self._care.look(now, due)
            self._traffic.look(now, *self.moved)
            if now >= slowly:
                slowly = now + TICK_SECONDS
                self._care.look_slowly(now)
            if not self.links and now - self._without_links_since > limits.SESSION_KEPT_SECONDS:
                self._end(Interrupted("the other side did not come back", "run the command again"), None)

    def ping(self, link: Link) -> None:
        """Ask a link for a sign of life; its answer measures the round trip."""
        link.pings += 1
        link.pinged_at = self._loop.time()
        link.post(RecordKind.PING, offset=link.pings)

    async def _redial(self) -> None:
        wait, forgotten = 0.0, 0
        try:
            while not self.links and not self.over:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait * (0.5 + random.random() / 2)):
                        await self._hurried.wait()
                self._hurried.clear()  # here, so that news which comes during a try brings the next one at once
                wait = min(max(2 * wait, REDIAL_FIRST_SECONDS), REDIAL_MOST_SECONDS)
                try:
                    await self.add_link(bulk=False)
                except PeerError as exc:
                    self._end(exc, None)
                except GimmalError as exc:
                    # A relay that ends closes its legs without a byte too: only the second silence is believed.
                    forgotten = forgotten + 1 if isinstance(exc, SessionLost) else 0
                    if forgotten >= FORGOTTEN_TRIES:
                        self._end(exc, None)
                        return
                    if forgotten:
                        wait = max(wait, FORGOTTEN_SECONDS)
                    forget_frames(exc)
                    self.redial_failure = exc
                    logger.debug("redial failed: %s", exc)
        finally:
            self._redialling = None

    def close(self, reason: CloseReason) -> None:
        """End the session in good order; ``finished`` waits until the last record is out."""
        if self.over:
            return
        # A side that answers may have a request on its way to it, which it has not seen.
        drain = self.handler is not None or self._asking.busy or self._asking.gave_up
        body = encode(Close(reason))
        best = self.bulk.pick(bulk=False)  # one that leads nowhere would take the CLOSE with it
        links = sorted(self.links, key=lambda link: link is not best)
        self._end(None, reason)
        for index, link in enumerate(links):
            if index == 0:
                link.close(body, drain=drain)
            else:
                link.leave(drain=drain)

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
            return again(self.cause)
        if self.closed_for is CloseReason.UNPLUGGED:
            return PeerAbsent("a half was pulled out", "plug it in again")
        if self.closed_for is CloseReason.LIMIT:
            return PeerAbsent("the other side has too many sessions", "close other programs that use this half")
        return Interrupted("the session was closed", "run the command again")

    def _end(self, cause: GimmalError | None, reason: CloseReason | None) -> None:
        if self.over:
            return
        if cause is not None:
            forget_frames(cause)
        self.cause, self.closed_for = cause, reason
        self.dial = None  # it leads back to the session
        self.bulk.end()
        self._care.end()
        self.watcher = None
        self.ended.set_result(None)
        self.streams.end()
        self._asking.end(self.why_over())
        self._link_came.set()
        self._tasks.cancel()
        for link in list(self.links):
            if cause is not None:
                link.fail(cause)
            else:
                link.expire()
        self._answering.end(self.why_over())
        if cause is not None or reason is not None:
            logger.debug("session over: %s", cause or reason)


_STREAM_KINDS = frozenset(
    (
        RecordKind.DATA,
        RecordKind.END,
        RecordKind.BUNDLE,
        RecordKind.ANSWER,
        RecordKind.PACKED,
        RecordKind.PACKED_BUNDLE,
    )
)
_REASONS = frozenset(CloseReason)
