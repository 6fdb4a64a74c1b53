"""The answering half of a session: requests of the other side, each done once and its answer remembered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from gimmal.base.errors import GimmalError, Interrupted, ProtocolViolation
from gimmal.base.tasks import Tasks
from gimmal.protocol import limits
from gimmal.protocol.codec import decode_request, encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import (
    CHANGING,
    STREAMED,
    AboutFilm,
    Answer,
    DigestFiles,
    Examine,
    Failed,
    FilmPart,
    List,
    ListChunks,
    ListTrash,
    Punch,
    ReadEdit,
    ReadFilmText,
    Request,
    Thumbnail,
    Tree,
)
from gimmal.protocol.session import Answering, Arrival
from gimmal.transport.asking import SMALL
from gimmal.transport.budgets import Budgets, Shares
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.exchange import Incoming, LinkLost
from gimmal.transport.link import Link

logger = logging.getLogger("gimmal.transport")

HELD_BUFFERS_MAX = 24
"""Buffers of streamed requests, or as many bytes, that wait to be worked on before their links are paused, unless told
otherwise."""

ANSWERS_BYTES_MAX = 8 << 20
"""Bytes of answers that wait for their links above which no further question is worked on."""

BODIES_MAX = 8 << 20
"""Bytes of requests that are worked on before their links are paused."""

ANSWER_ROOM: dict[type[Request], int] = {
    List: limits.BODY_MAX,
    Tree: limits.BODY_MAX,
    ListTrash: limits.BODY_MAX,
    Examine: 256 << 10,
    ListChunks: 128 << 10,
    DigestFiles: 128 << 10,
    ReadEdit: limits.BODY_MAX,
    Thumbnail: 130 << 10,
    AboutFilm: 130 << 10,
    FilmPart: 130 << 10,
    ReadFilmText: 130 << 10,
}
"""Questions whose answers may be long, and how many bytes; room is kept for each while it is worked on."""


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


class AnsweringSide:
    """Requests of the other side of a session.

    Args:
        opener: whether this side opened the session.
        handler: does the requests; None answers each with NOT_GRANTED.
        pool: record buffers.
        tasks: of the session; they end with it.
        carrier: a link for an answer whose own link has gone, None where there is none.
        held_max: buffers of streamed requests, or as many bytes, that may wait to be worked on.
        shares: what the session has of what all sessions may hold.
    """

    def __init__(
        self,
        *,
        opener: bool,
        handler: Handler | None,
        pool: BufferPool,
        tasks: Tasks,
        carrier: Callable[[], Link | None],
        held_max: int = HELD_BUFFERS_MAX,
        shares: Shares | None = None,
    ) -> None:
        self._shares = shares if shares is not None else Budgets().share()
        self.requests = Answering(opener=opener, remember=self._shares.remember)
        self.handler = handler
        self.on_punch: Callable[[Punch], Awaitable[Answer]] | None = None
        """Answers what is about links and not about files."""
        self.held = 0
        """How many buffers of streamed requests, or as many bytes, wait to be worked on."""
        self._held_bytes = 0
        self._bodies = 0
        self.paused: set[Link] = set()
        self._pool = pool
        self._tasks = tasks
        self._carrier = carrier
        self._held_max = held_max
        self._incoming: dict[int, Incoming] = {}
        self._repeats: dict[Link, tuple[int, int]] = {}
        self._answers_waiting = 0
        self._to_come = 0
        self._answers_left = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether something is being answered."""
        return bool(self._incoming)

    def answers_on(self, link: Link) -> bool:
        """Whether something that came on ``link`` is being answered."""
        return any(incoming.link is link for incoming in self._incoming.values())

    def on_record(
        self, link: Link, kind: RecordKind, number: int, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        """A record that follows a streamed request; True if ``owner`` is kept."""
        incoming = self._incoming.get(number)
        if incoming is None or incoming.link is not link or kind is RecordKind.ANSWER:
            return False
        return self._feed(incoming, kind, offset, body, owner)

    def lose(self, link: Link, lost: LinkLost) -> None:
        """``link`` is over: what it was bringing will not come, what it was to take will be asked for again."""
        self.paused.discard(link)
        self._repeats.pop(link, None)
        for incoming in list(self._incoming.values()):
            if incoming.link is not link:
                continue
            incoming.lose(lost)
            if incoming.task is not None and not isinstance(incoming.request, CHANGING):
                incoming.task.cancel()  # it will be asked again under another number

    def end(self, cause: GimmalError) -> None:
        """The session is over."""
        self._carrier = _no_link
        self.on_punch = None
        for incoming in list(self._incoming.values()):
            incoming.lose(cause)
        if self.handler is not None:
            self.handler.session_ended()
        self._shares.give_all()

    def on_announced_repeat(self, link: Link, number: int, tries: int) -> None:
        """A REPEAT record came in: the request of that number, which comes next on the link, was sent before."""
        self._repeats[link] = (number, tries)

    def on_request(self, link: Link, number: int, mark: int, body: memoryview) -> None:
        """A REQUEST record came in; raises ProtocolViolation for one that may not come."""
        request = decode_request(body)
        announced, tries = self._repeats.pop(link, (number, 0))
        tries = tries if announced == number else 0
        later = self._incoming.get(number)
        if later is not None and tries < later.tries:
            return  # it was overtaken by its own repeat: its link is over for the asker, who waits on another one
        arrival = self.requests.arrive(number, mark, changing=isinstance(request, CHANGING))
        if arrival is Arrival.ANSWERED:
            link.post(RecordKind.ANSWER, number, 0, self.requests.answer_of(number))
        elif request is None and arrival is Arrival.NEW:
            self.requests.drop(number)
            link.post(RecordKind.ANSWER, number, 0, encode(Failed(Code.UNSUPPORTED)))
        elif request is None:
            pass  # a number used twice, for two requests: only what came first counts
        elif arrival is Arrival.NEW:
            if isinstance(request, STREAMED) and self._open_streams() >= 2 * limits.WRITES_MAX:
                raise ProtocolViolation("the other side writes more streams at once than is allowed")
            incoming = Incoming(number, request, link, self._given_back, tries)
            self._incoming[number] = incoming
            if not isinstance(request, STREAMED):
                self._take_body(incoming, len(body))
            incoming.task = self._tasks.start(self._serve(incoming), f"request {type(request).__name__}")
        elif arrival is Arrival.RUNNING:
            self._on_repeat(link, number, request, tries)

    def _on_repeat(self, link: Link, number: int, request: Request, tries: int) -> None:
        running = self._incoming[number]
        if not isinstance(request, STREAMED):
            running.link, running.tries = link, tries
            return
        before = running.task
        assert before is not None
        running.lose(LinkLost("the request was sent again", ""))
        again = Incoming(number, request, link, self._given_back, tries)
        self._incoming[number] = again
        again.task = self._tasks.start(self._serve_again(before, again), f"request {type(request).__name__}")

    async def _serve_again(self, before: asyncio.Task[None], again: Incoming) -> None:
        await asyncio.wait([before])
        arrival = self.requests.arrive(again.number, 0, changing=True)
        if arrival is Arrival.NEW:
            await self._serve(again)
            return
        self._forget_incoming(again)
        if arrival is Arrival.ANSWERED:
            again.link.post(RecordKind.ANSWER, again.number, 0, self.requests.answer_of(again.number))

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
            self.requests.drop(incoming.number)
            self._forget_incoming(incoming)

    async def _handle(self, incoming: Incoming) -> Answer | None:
        try:
            if isinstance(incoming.request, Punch):
                return await self.on_punch(incoming.request) if self.on_punch else Failed(Code.UNSUPPORTED)
            return await self._handle_with_room(incoming)
        except (LinkLost, ProtocolViolation):
            raise
        except Exception as exc:
            if isinstance(exc, Interrupted) and incoming.link.over:
                raise LinkLost("the link was lost before the request was done") from exc
            # Whatever it is, the other side must not wait for ever.
            logger.exception("a request failed: %s", type(incoming.request).__name__)
            return Failed(Code.FAILED)

    async def _handle_with_room(self, incoming: Incoming) -> Answer | None:
        if self.handler is None:
            return Failed(Code.NOT_GRANTED)
        room = ANSWER_ROOM.get(type(incoming.request), 0)
        while not isinstance(incoming.request, STREAMED) and self._no_room(room):
            self._answers_left.clear()
            await self._answers_left.wait()
        self._to_come += room
        try:
            return await self.handler.handle(incoming)
        finally:
            self._to_come -= room
            self._answers_left.set()

    def _no_room(self, room: int) -> bool:
        """Whether the answers that wait, and for a long one those still to come, are as many bytes as may be."""
        more = self._to_come + room if room else 1
        return self._answers_waiting + more > ANSWERS_BYTES_MAX or not self._shares.waiting.may_take(more)

    async def _answer(self, incoming: Incoming, answer: Answer | None) -> None:
        if answer is None:
            return
        body = encode(answer)
        if len(body) > limits.BODY_MAX:
            logger.error("an answer to %s is too long for a record", type(incoming.request).__name__)
            body = encode(Failed(Code.TOO_LARGE))
        # Remembered before it is sent: what was done is not done twice, whatever becomes of the link.
        self.requests.answered(incoming.number, body)
        if len(body) > SMALL:
            self._answers_waiting += len(body)
            self._shares.waiting.take(len(body))
            try:
                await incoming.link.writable()
            finally:
                self._answers_waiting -= len(body)
                self._shares.waiting.give(len(body))
                self._answers_left.set()
        link = incoming.link
        carrier = self._carrier() if link.over else link
        if carrier is not None:
            carrier.post(RecordKind.ANSWER, incoming.number, 0, body)

    def on_cancel(self, number: int) -> None:
        """The other side wants no answer any more."""
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
        if incoming.held_bytes:  # of pieces that nobody gave back, because something broke off
            size, incoming.held_bytes = incoming.held_bytes, 0
            self._given_back(None, size)
        if incoming.body_bytes:
            self._bodies -= incoming.body_bytes
            self._shares.requests.give(incoming.body_bytes)
            incoming.body_bytes = 0
            self._ease()
        incoming.task = None  # whose frames hold this request

    def _feed(
        self, incoming: Incoming, kind: RecordKind, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        before = incoming.held_bytes
        kept = incoming.feed(kind, offset, body, owner)
        self._hold(incoming.held_bytes - before)
        self._press(incoming.link)
        return kept

    def _hold(self, more: int) -> None:
        """So many bytes of memory more, or less, are held for streamed requests."""
        self._held_bytes += more
        before, self.held = self.held, self._held_bytes // limits.BODY_MAX
        if self.held > before:
            self._shares.buffers.take(self.held - before)
        elif self.held < before:
            self._shares.buffers.give(before - self.held)

    def _take_body(self, incoming: Incoming, size: int) -> None:
        incoming.body_bytes = size
        self._bodies += size
        self._shares.requests.take(size)
        self._press(incoming.link)

    def _press(self, link: Link) -> None:
        """Read a link no more while too much of what came waits to be worked on."""
        if self._is_full():
            self.paused.add(link)
            link.pause()

    def _ease(self) -> None:
        """Something was worked off. What makes a session full is its own, so that it will be worked off, too."""
        if self.paused and not self._is_full():
            for link in self.paused:
                link.resume()
            self.paused.clear()

    def _is_full(self) -> bool:
        return (
            self.held >= self._held_max
            or self._bodies >= BODIES_MAX
            or not (self._shares.buffers.may_take(0) and self._shares.requests.may_take(0))
        )

    def _given_back(self, buffer: RecordBuffer | None, size: int) -> None:
        if buffer is not None:
            self._pool.give(buffer)
        self._hold(-size)
        self._ease()


def _no_link() -> Link | None:
    """A session that is over has none."""
    return None
