"""The asking half of a session: requests sent, and sent again until their answers are whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gimmal.base.errors import DeadlinePassed, GimmalError, Interrupted
from gimmal.protocol import limits
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import (
    CHANGING,
    STREAMED,
    Measure,
    Measured,
    MeasureUp,
    QuickEdit,
    Read,
    ReadBundle,
    ReadEdit,
    Request,
    Write,
    WriteBundle,
    WriteEdit,
)
from gimmal.protocol.reused import reused_bytes
from gimmal.protocol.session import Asking
from gimmal.transport.buffers import RecordBuffer
from gimmal.transport.exchange import LinkLost, Sink
from gimmal.transport.frames import again
from gimmal.transport.link import Link

SMALL = 4096
"""Bytes up to which a message is queued at once, however much bulk waits on its link."""

SinkT = TypeVar("SinkT", bound=Sink)


class _Pending:
    __slots__ = ("cause", "done", "left", "link", "sink", "tries")

    def __init__(self, link: Link, sink: Sink, size: int, tries: int = 0) -> None:
        self.link = link
        self.tries = tries
        """How often it was sent before under its number."""
        self.left = size
        """Bytes that the request still moves."""
        link.asked_bytes += size
        self.sink = sink
        self.done = sink.done
        self.cause: GimmalError | None = None

    def came(self, size: int) -> None:
        size = min(size, self.left)
        self.left -= size
        self.link.asked_bytes -= size

    def lose(self, cause: GimmalError) -> None:
        # Not as the future's exception: that would be raised through frames that hold the future.
        if not self.done.done():
            self.cause = cause
            self.done.set_result(None)


class AskingSide:
    """Requests of this side of a session.

    Args:
        opener: whether this side opened the session.
        find_link: a link to send on (its argument: for bulk or not); waits for one, raises once the session is over.
            Let go by ``end``.
    """

    def __init__(
        self,
        *,
        opener: bool,
        find_link: Callable[[bool], Awaitable[Link]],
    ) -> None:
        self.numbers = Asking(opener=opener)
        self._find_link: Callable[[bool], Awaitable[Link]] | None = find_link
        self._cause: GimmalError | None = None
        self._pending: dict[int, _Pending] = {}
        self._streams = asyncio.Semaphore(limits.WRITES_MAX)
        self._settled = asyncio.Event()
        self.gave_up = False
        """Something was asked that nobody waits for any more; its answer may be on its way."""

    @property
    def busy(self) -> bool:
        """Whether something waits for an answer."""
        return bool(self._pending)

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
            send_more: called when the request was sent, with its link and number: sends the records that follow a
                streamed one.
            deadline: seconds for all of it; None waits as long as the session lives.
            bulk: prefer links for bulk.

        Returns:
            the complete sink.
        """
        try:
            async with asyncio.timeout(deadline) as timeout:
                if not isinstance(request, STREAMED):
                    return await self._exchange(request, make_sink, send_more, bulk=bulk)
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
        streams = isinstance(request, STREAMED)
        body = encode(request)
        number = await self._begin()
        tries = 0
        try:
            while True:
                link = await self._link(bulk)
                sink = make_sink(asyncio.get_running_loop().create_future())
                pending = _Pending(link, sink, size_of(request), tries)
                if await self._try(pending, number, body, send_more, streams=streams):
                    return sink
                tries += 1
                if not changing:
                    self._settle(number)
                    number = await self._begin()
                    tries = 0
        finally:
            self._settle(number)

    async def _begin(self) -> int:
        while self.numbers.full and self._cause is None:
            self._settled.clear()
            await self._settled.wait()
        if self._cause is not None:
            raise again(self._cause)
        return self.numbers.begin()

    async def _link(self, bulk: bool) -> Link:
        if self._find_link is None:
            assert self._cause is not None
            raise again(self._cause)
        return await self._find_link(bulk)

    def _settle(self, number: int) -> None:
        self.numbers.settle(number)
        self._settled.set()

    async def _try(
        self,
        pending: _Pending,
        number: int,
        body: bytes,
        send_more: Callable[[Link, int], Awaitable[None]] | None,
        *,
        streams: bool,
    ) -> bool:
        """One try over one link; False where the link was lost."""
        self._pending[number] = pending
        link, sink, done = pending.link, pending.sink, pending.done
        link.outstanding += 1
        link.streams += streams
        complete = False
        try:
            if len(body) > SMALL:
                await link.writable()
            if pending.tries:
                link.post(RecordKind.REPEAT, number, pending.tries)
            link.post(RecordKind.REQUEST, number, self.numbers.mark, body)
            if send_more is not None:
                await send_more(link, number)
            await done
            if pending.cause is not None:
                raise again(pending.cause)
            complete = True
        except LinkLost:
            pass
        except Interrupted:
            if self._cause is not None or not link.over:
                raise
        finally:
            link.outstanding -= 1
            link.streams -= streams
            pending.came(pending.left)
            del self._pending[number]
            if not complete:
                sink.reset()
                if (not done.done() or done.cancelled()) and not link.over:
                    self.gave_up = True
                    link.post(RecordKind.CANCEL, number)
        return complete

    def is_pending(self, number: int) -> bool:
        """Whether records under this number answer a request that waits."""
        return number in self._pending

    def is_awaited(self, number: int) -> bool:
        """Whether a request still waits: neither answered nor to be asked anew."""
        pending = self._pending.get(number)
        return pending is not None and not pending.done.done()

    def on_record(
        self, kind: RecordKind, number: int, offset: int, body: memoryview, owner: RecordBuffer | None
    ) -> bool:
        """A record of an answer; True if ``owner`` is kept."""
        pending = self._pending[number]
        pending.came(len(body))
        if pending.done.cancelled():
            return False  # whoever waited was cancelled in this turn of the loop; CANCEL is about to be sent
        return pending.sink.on_record(kind, offset, body, owner)

    def lose(self, link: Link, lost: LinkLost) -> None:
        """What was asked over ``link`` has to be asked again."""
        for pending in list(self._pending.values()):
            if pending.link is link:
                pending.lose(lost)

    def end(self, cause: GimmalError) -> None:
        """The session is over: nobody gets an answer any more, whoever asks gets ``cause``."""
        self._cause, self._find_link = cause, None
        for pending in list(self._pending.values()):
            pending.lose(cause)
        self._settled.set()


def size_of(request: Request) -> int:
    """About how many bytes of contents a request moves."""
    if isinstance(request, Read | MeasureUp | ReadEdit):
        return request.length
    if isinstance(request, WriteEdit | QuickEdit):
        return len(request.data)
    if isinstance(request, Write):
        return request.length - reused_bytes(request.reused)
    if isinstance(request, Measure):
        return request.length if request.what is Measured.LINE else 0
    return BODY_MAX if isinstance(request, ReadBundle | WriteBundle) else 0
