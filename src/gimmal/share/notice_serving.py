"""Streams of notices, pushed over the session: OpenNotices, Watch and Unwatch answered, and what changes told.

The first change is told at once, what follows within GATHER_SECONDS together. As with all of ``serving``, files are
looked at in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from msgspec.structs import replace

from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import NOTICES_BYTES_MAX
from gimmal.protocol.messages import Answer, Done, Failed, OpenNotices, Unwatch, Watch, Watched
from gimmal.share.service import ShareSession
from gimmal.transport.exchange import Incoming
from gimmal.transport.pushed import PushedStreams, Pushing

GATHER_SECONDS = 0.05
"""Between two looks at what changed."""

NOTICES = (OpenNotices, Watch, Unwatch)


class NoticeServing:
    """The streams that one session of the peer has open.

    Args:
        share: the session's share side.
        workers: threads.
        calls: taken while a question of this session is in a thread.
    """

    def __init__(self, share: ShareSession, workers: Workers, calls: asyncio.Semaphore) -> None:
        self._share = share
        self._calls = calls
        self._workers = workers
        self._tasks = Tasks()
        self._open: dict[int, _Stream] = {}
        self.streams: PushedStreams | None = None
        """Of the session; without them nothing is watched."""

    async def handle(self, incoming: Incoming) -> Answer:
        """See transport.answering.Handler."""
        request = incoming.request
        if isinstance(request, OpenNotices):
            return await self._open_stream(incoming, request)
        async with self._calls:
            answer = await self._workers.call(self._share.answer, request)
        if isinstance(request, Watch) and isinstance(answer, Watched):
            stream = self._open.get(request.stream)
            if stream is None or not await stream.tell_all():
                return Failed(Code.INVALID)
            return replace(answer, pushed=stream.pushing.pushed)
        return answer

    async def _open_stream(self, incoming: Incoming, request: OpenNotices) -> Answer:
        if self.streams is None:
            return Failed(Code.UNSUPPORTED)
        opening = self._tasks.start(self._begin(incoming, request, self.streams), "open notices")
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(lambda _done: self._give_up(incoming.number))
            raise

    async def _begin(self, incoming: Incoming, request: OpenNotices, streams: PushedStreams) -> Answer:
        number = incoming.number
        loop = asyncio.get_running_loop()
        stirred = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is over
                loop.call_soon_threadsafe(stirred.set)

        answer = await self._workers.call(self._share.open_notices, number, wake)
        if not isinstance(answer, Done):
            return answer
        pushing = streams.open(incoming.link, number, request.credit)
        stream = _Stream(pushing, self._look(number), stirred, self._workers, self._tasks)
        self._open[number] = stream
        task = self._tasks.start(stream.run(), "notices")

        def ended() -> None:
            self._open.pop(number, None)
            task.cancel()
            self._workers.start(lambda: self._share.close_notices(number))

        pushing.on_over = ended
        if pushing.over:
            ended()
        return answer

    def _look(self, number: int) -> Callable[[bool], bytes | None]:
        return lambda begin: self._share.next_notices(number, begin=begin)

    def _give_up(self, number: int) -> None:
        """Who asked for a stream wants none any more."""
        stream = self._open.get(number)
        if stream is not None:
            stream.pushing.lose()

    def close(self) -> None:
        """The session is over; the share side closes its streams itself."""
        self.streams = None
        self._open.clear()
        self._tasks.cancel()


class _Stream:
    """One stream: looks, and sends what it sees where there is room."""

    def __init__(
        self,
        pushing: Pushing,
        look: Callable[[bool], bytes | None],
        stirred: asyncio.Event,
        workers: Workers,
        tasks: Tasks,
    ) -> None:
        self.pushing = pushing
        self._look = look
        self._stirred = stirred
        self._workers = workers
        self._tasks = tasks
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[bool] | None = None
        """Has not looked yet, so it tells whoever comes meanwhile all that is marked: no more than one ever waits."""

    async def run(self) -> None:
        """Tell what changes, until the stream is over."""
        while True:
            await self._stirred.wait()
            if not await self.tell_all():
                return
            await asyncio.sleep(GATHER_SECONDS)

    async def tell_all(self) -> bool:
        """Send everything that is marked now; False where the stream is over."""
        if self._next is None:
            self._next = self._tasks.start(self._tell(), "tell of changes")
        # Goes on where the asker wants no answer any more: what was looked at is marked no longer.
        return await asyncio.shield(self._next)

    async def _tell(self) -> bool:
        async with self._turn:
            self._next = None
            self._stirred.clear()
            begin = True
            try:
                # As much room as a body may need, before anything is taken from what is marked.
                while await self.pushing.has_room(NOTICES_BYTES_MAX):
                    body = await self._workers.call(self._look, begin)
                    if body is None:
                        return True
                    self.pushing.push(body)
                    begin = False
            except Exception:
                self.pushing.end()  # something may be missing
                raise
            return False
