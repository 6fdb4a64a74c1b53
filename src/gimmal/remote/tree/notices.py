"""One stream of notices of the other side, opened, kept flowing, and opened again after its link has gone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from gimmal.base.errors import UnreachableError
from gimmal.protocol import limits
from gimmal.protocol.codec import decode_struct
from gimmal.protocol.features import WATCH
from gimmal.protocol.messages import Change, Done, Notices, OpenNotices, Unwatch, Watch, Watched
from gimmal.remote.remote_files import RemoteFiles
from gimmal.transport.exchange import AnswerSink
from gimmal.transport.link import Link
from gimmal.transport.pushed import Receiving

logger = logging.getLogger("gimmal.remote")

CREDIT = 256 << 10
"""Bytes of notices that may be on their way."""

AGAIN_SECONDS = 30.0
"""After a refusal, so long no stream is asked for."""

OPEN_SECONDS = 3.0
"""How long a question waits for the stream that is to be opened for it; as long again no other one does."""


class NoticeStream:
    """The stream of one view.

    Args:
        files: of the other side.
        on_changes: is told what changed, in order.
        on_over: called where the stream is over, with all watches.
    """

    def __init__(
        self, files: RemoteFiles, on_changes: Callable[[Sequence[Change]], None], on_over: Callable[[], None]
    ) -> None:
        self._files = files
        self._on_changes = on_changes
        self._on_over = on_over
        self._receiving: Receiving | None = None
        self._grown = asyncio.Event()
        self._opening = asyncio.Lock()
        self._refused_until = 0.0

    @property
    def number(self) -> int:
        """Of the stream; 0 where there is none."""
        receiving = self._receiving
        return 0 if receiving is None or receiving.over else receiving.number

    async def open(self) -> bool:
        """Open the stream where there is none; whether it was opened now.

        Raises:
            GimmalError: the other side cannot be asked.
        """
        async with self._opening:
            loop = asyncio.get_running_loop()
            if self.number or not self._files.offers(WATCH) or loop.time() < self._refused_until:
                return False

            async def sent(link: Link, number: int) -> None:
                # Before anything can come. Where it is sent again, the one before has ended with its link.
                streams = self._files.session.streams
                self._receiving = streams.expect(link, number, CREDIT, self._take, self._over)

            session = self._files.session
            request = OpenNotices(CREDIT)
            try:
                sink = await session.exchange(request, AnswerSink, send_more=sent, deadline=OPEN_SECONDS)
            except BaseException as error:
                self.close()
                if isinstance(error, UnreachableError):
                    self._refused_until = loop.time() + OPEN_SECONDS
                raise
            if isinstance(sink.answer, Done) and self._is_open():
                return True
            self.close()
            if not isinstance(sink.answer, Done):
                logger.debug("no notices: %s", sink.answer)
                self._refused_until = loop.time() + AGAIN_SECONDS
            return False

    async def sync(self) -> bool:
        """Wait until all that changed before this call has been told; False where the stream is over.

        Raises:
            GimmalError: the other side cannot be asked.
        """
        receiving = self._receiving
        if receiving is None or receiving.over:
            return False
        answer = await self._files.ask(Watch(receiving.number, []))
        if not isinstance(answer, Watched):
            if self._receiving is receiving:
                self.close()
                self._on_over()
            return False
        async with asyncio.timeout(limits.CALL_SECONDS):
            while receiving.received < answer.pushed and not receiving.over:
                self._grown.clear()
                await self._grown.wait()
        return not receiving.over

    async def unwatch(self, watches: list[int]) -> None:
        """Watch these folders no more.

        Raises:
            GimmalError: the other side cannot be asked.
        """
        for at in range(0, len(watches), limits.WATCH_ITEMS_MAX):
            if self.number:
                await self._files.ask(Unwatch(self.number, watches[at : at + limits.WATCH_ITEMS_MAX]))

    def close(self) -> None:
        """Want no more."""
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.close()
        self._grown.set()

    def _is_open(self) -> bool:
        return self.number != 0

    def _take(self, body: memoryview) -> None:
        size = len(body)
        self._on_changes(decode_struct(Notices, body).changes)
        if self._receiving is not None:
            self._receiving.grant(size)
        self._grown.set()

    def _over(self) -> None:
        self._receiving = None
        self._grown.set()
        self._on_over()
