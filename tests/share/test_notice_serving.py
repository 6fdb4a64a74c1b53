"""Notices as a session pushes them: what an asker costs that takes none, and what a file costs that never rests."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gimmal.agent.local_commands import local_session
from gimmal.base.workers import Workers
from gimmal.protocol.codec import decode_struct
from gimmal.protocol.limits import NOTICES_BYTES_MAX
from gimmal.protocol.messages import Change, CloseReason, Done, Notices, OpenNotices, Watch, Watched
from gimmal.share.notice_serving import NoticeServing
from gimmal.share.serving import Serving
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import AnswerSink
from gimmal.transport.link import Link
from gimmal.transport.pushed import Receiving
from gimmal.transport.session import Session
from tests.patience import PATIENCE
from tests.share.rig import Rig

pytestmark = pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="the system tells of no changes")


class Asker:
    """A session with a rig, and the one stream it has open there."""

    def __init__(self, session: Session, notices: NoticeServing) -> None:
        self.session = session
        self.notices = notices
        self.changes: list[Change] = []
        self.grants = True
        """Whether what came is granted again."""
        self.receiving: Receiving

    async def open(self) -> None:
        async def sent(link: Link, number: int) -> None:
            streams = self.session.streams
            self.receiving = streams.expect(link, number, NOTICES_BYTES_MAX, self._take, lambda: None)

        sink = await self.session.exchange(OpenNotices(NOTICES_BYTES_MAX), AnswerSink, send_more=sent)
        assert sink.answer == Done()

    def _take(self, body: memoryview) -> None:
        self.changes += decode_struct(Notices, body).changes
        if self.grants:
            self.receiving.grant(len(body))

    async def watch(self, *paths: str) -> Watched:
        answer = await self.session.call(Watch(self.receiving.number, list(paths)), deadline=PATIENCE)
        assert isinstance(answer, Watched)
        return answer

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not what():
                await asyncio.sleep(0.01)


@asynccontextmanager
async def asking(rig: Rig) -> AsyncIterator[Asker]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    workers, pool = Workers(), BufferPool()
    answering = Serving(rig.session, pool, workers)
    serving = local_session(theirs, pool, answering, opener=False)
    answering.watch(serving)
    session = local_session(ours, pool, None, opener=True)
    try:
        asker = Asker(session, answering._notices)
        await asker.open()
        yield asker
    finally:
        session.close(CloseReason.DONE)
        await session.finished()
        await serving.finished()
        workers.close()


def asked(rig: Rig, work: Callable[[Asker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asking(rig) as asker:
            await work(asker)

    asyncio.run(main())


def test_who_takes_no_notices_and_asks_on_costs_no_more_than_one_who_waits(rig: Rig) -> None:
    async def work(asker: Asker) -> None:
        asker.grants = False
        await asker.watch("rw")
        (rig.rw / "first").touch()
        await asker.until(lambda: bool(asker.changes))  # and there is no room for another body
        for _ in range(50):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.005):
                    await asker.watch()
        # Of the stream: what runs it, the one who waits for room, and the one after.
        assert len(asker.notices._tasks) <= 3
        (rig.rw / "second").touch()
        asker.grants = True
        waiting = asyncio.create_task(asker.watch())
        asker.receiving.grant(asker.receiving.received)
        answer = await waiting
        await asker.until(lambda: asker.receiving.received >= answer.pushed)
        assert "second" in {change.name for change in asker.changes}

    asked(rig, work)
