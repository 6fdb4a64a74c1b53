"""One version of a file of the other side, and those who read it.

Bytes of two versions never meet: where the file changed, its readers are told so and open it again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from gimmal.base.errors import DeadlinePassed, GimmalError, InternalError, Interrupted, RemoteError, UnreachableError
from gimmal.base.primitives import new_blake3
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes, Version
from gimmal.remote.files import shown, version_of
from gimmal.remote.line_pace import Sent
from gimmal.remote.read_ahead import ReadAhead

if TYPE_CHECKING:
    from gimmal.remote.file_cache import FileCache

GRAIN = 4096
"""Fetches begin and end at multiples of this."""

FIRST_PIECE = 8 * 1024
"""Bytes of the first fetch after a jump: as many as a connection that was idle sends without waiting for an answer."""

READ_MAX = 1 << 20
"""Bytes that are given at once."""

FRESH_SECONDS = 1.0
"""For so long a file counts as unchanged after the other side has said so."""

READ_SECONDS = 30.0
"""What one read may take."""

RETRY_FIRST, RETRY_MOST = 0.2, 2.0
"""Seconds between two tries to reach the other side while somebody waits for its bytes."""

Span = tuple[int, int]
"""A beginning and an end in a file."""


@dataclass(eq=False, slots=True)
class _Fetch:
    start: int
    end: int
    sent: Sent
    done: asyncio.Future[None]
    failure: GimmalError | None = None
    waiting: int = 0
    """How many reads wait for it."""
    task: asyncio.Task[None] | None = None


class CachedFile:
    """One version of one file of the other side; ``FileCache.open`` makes it.

    Attributes:
        path: wire path.
        attributes: of this version.
        version: the version.
        changed: the other side has another version now; nothing more can be read.
        confirmed_at: when, on the event loop's clock, the other side had this version for certain.
        readers: how many read it.
        editors: how many have written over it: what is held of it stays when the other side has another version.
    """

    def __init__(self, cache: FileCache, number: int, path: str, attributes: Attributes, confirmed_at: float) -> None:
        self._cache = cache
        self.number = number
        self.path = path
        self.attributes = attributes
        self.version: Version = version_of(attributes)
        self.changed = False
        self.confirmed_at = confirmed_at
        self.readers = 0
        self.editors = 0
        self._fetches: list[_Fetch] = []
        self._wanted: dict[Reader, list[Span]] = {}

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.attributes.size

    def reader(self, *, streaming: bool = False, until: int | None = None) -> Reader:
        """Somebody who reads; to be closed.

        Args:
            streaming: it is known to read on from wherever it begins.
            until: where it will stop; None for the end of the file.
        """
        return Reader(self._cache, self, streaming=streaming, until=self.size if until is None else until)

    async def confirm(self) -> None:
        """See that the other side still has this version, unless that was just heard.

        Raises:
            RemoteError: ``changed`` where it has another.
            GimmalError: it cannot be asked, or says no.
        """
        fresh = asyncio.get_running_loop().time() - self.confirmed_at <= FRESH_SECONDS
        if self.changed or (not fresh and await self._cache.open(self.path, anew=True) is not self):
            raise self._changed()

    def parts(self, start: int, end: int) -> list[tuple[int, bytes]]:
        """What of this version is in memory between two places, in order: where, and the bytes.

        Also where the other side has another version by now, as long as somebody has written over this one.
        """
        found: list[tuple[int, bytes]] = []
        at = start
        for gap, gap_end in [*self._cache.stretches.gaps(self.number, start, end), (end, end)]:
            while at < gap and (piece := bytes(self._cache.stretches.view(self.number, at, gap - at))):
                found.append((at, piece))
                at += len(piece)
            at = gap_end
        return found

    def edited(self) -> None:
        """Somebody has written over this version, and may need bytes of it when it has been replaced over there."""
        self.editors += 1

    def edits_over(self) -> None:
        """That one does not need them any more."""
        self.editors -= 1
        if self.changed and not self.editors:
            self._cache.stretches.forget(self.number)

    def change(self) -> None:
        """The other side has another version: whoever reads this one is told so."""
        self.changed = True
        if not self.editors:
            self._cache.stretches.forget(self.number)
        for fetch in list(self._fetches):
            self._end(fetch, self._changed())

    def _changed(self) -> RemoteError:
        return error_of_code(Code.CHANGED, shown(self.path))

    # Reading ---------------------------------------------------------------------------------------------------------

    async def read(self, reader: Reader, offset: int, length: int, deadline: float) -> memoryview:
        """See Reader.read_some; ``length`` is at least 1 and ends in the file."""
        try:
            async with asyncio.timeout(deadline) as timeout:
                while True:
                    if self.changed:
                        raise self._changed()
                    found = self._cache.stretches.view(self.number, offset, length)
                    if found:
                        return found
                    if self._cache.closed:
                        raise _closed()
                    await self._wait(self._demand(reader, offset, length))
        except TimeoutError:
            if not timeout.expired():
                raise
            raise DeadlinePassed(
                "the other side did not send in time", "`gimmal status` shows the connection"
            ) from None

    def _demand(self, reader: Reader, offset: int, length: int) -> _Fetch:
        """The fetch that brings the byte at ``offset``; all of what is asked for is under way then."""
        now = asyncio.get_running_loop().time()
        start, end = self._rounded(offset, offset + length)
        for gap in list(self._gaps(start, end)):
            self._begin_pieces(gap, start, reader, now, ahead=False)
        return next(fetch for fetch in self._fetches if fetch.start <= offset < fetch.end)

    async def _wait(self, fetch: _Fetch) -> None:
        fetch.waiting += 1
        try:
            await asyncio.shield(fetch.done)
        finally:
            fetch.waiting -= 1
        if fetch.failure is not None:
            raise fetch.failure

    def _gaps(self, start: int, end: int) -> Iterator[Span]:
        """What is neither held nor under way, in order."""
        fetches = deque(sorted((fetch.start, fetch.end) for fetch in self._fetches))
        for at, until in self._cache.stretches.gaps(self.number, start, end):
            while fetches and at < until and fetches[0][0] < until:
                if at < fetches[0][0]:
                    yield at, fetches[0][0]
                at = max(at, fetches[0][1])
                if at < until:
                    fetches.popleft()
            if at < until:
                yield at, until

    def _rounded(self, start: int, end: int) -> Span:
        return start - start % GRAIN, min(-(-end // GRAIN) * GRAIN, self.size)

    # Ahead -----------------------------------------------------------------------------------------------------------

    def plan(self, reader: Reader, offset: int, length: int) -> None:
        """A reader reads there now: give up what nobody wants any more, and fetch what it will want next."""
        ahead = reader.ahead.windows(self._cache.ahead_most)
        until = min(reader.until, self.size)
        spans = [(offset, offset + length), *((start, min(end, until)) for start, end in ahead if start < until)]
        self._wanted[reader] = [self._rounded(start, end) for start, end in spans]
        self._give_up_unwanted()

    def forget_reader(self, reader: Reader) -> None:
        """A reader has ended: what only it wanted is given up."""
        self._wanted.pop(reader, None)
        self._give_up_unwanted()

    def _give_up_unwanted(self) -> None:
        spans = [span for wanted in self._wanted.values() for span in wanted]
        for fetch in list(self._fetches):
            wanted = any(start < fetch.end and fetch.start < end for start, end in spans)
            if not fetch.waiting and not wanted:
                self._end(fetch)

    def fetch_ahead(self, reader: Reader, now: float) -> None:
        """Begin what is wanted ahead of a reader, as far as the line has room."""
        for span in self._wanted.get(reader, ()) if not self.changed else ():
            for gap in self._gaps(*span):
                if self._cache.pace.room <= 0:
                    return
                self._begin_pieces(gap, span[0], reader, now, ahead=True)

    def _begin_pieces(self, gap: Span, origin: int, reader: Reader, now: float, *, ahead: bool) -> None:
        """Fetch what is missing: after a jump in small pieces first, for what is wanted next waits for no later one."""
        pace = self._cache.pace
        at, end = gap
        while at < end and (not ahead or pace.room > 0):
            run = at - origin + (0 if reader.ahead.jumped else reader.ahead.run)
            piece = min(pace.piece, max(FIRST_PIECE, _power_below(run)))
            stop = min(end, at + piece)
            self._begin(at, stop, now)
            at = stop

    # Fetching --------------------------------------------------------------------------------------------------------

    def _begin(self, start: int, end: int, now: float) -> None:
        loop = asyncio.get_running_loop()
        fetch = _Fetch(start, end, self._cache.pace.begin(end - start, now), loop.create_future())
        self._fetches.append(fetch)
        fetch.task = self._cache.tasks.start(self._fetch(fetch), "fetch of a file")
        fetch.task.add_done_callback(partial(self._see_ended, fetch))

    def _see_ended(self, fetch: _Fetch, task: asyncio.Task[None]) -> None:
        """However a fetch came to its end, nobody waits for it any more and the line is free of it."""
        if fetch in self._fetches:
            failed = InternalError("a part of the file could not be fetched", "report this as a bug, with the log")
            self._end(fetch, _closed() if task.cancelled() else failed)

    async def _fetch(self, fetch: _Fetch) -> None:
        if await self._take_kept(fetch):
            return
        loop = asyncio.get_running_loop()
        pause = RETRY_FIRST
        while True:
            asked_at = loop.time()
            try:
                content = await self._content(fetch)
            except UnreachableError as exc:
                if not fetch.waiting:
                    self._end(fetch, exc)
                    return
                # Whoever waits has a deadline; until then the other side may come back.
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST)
                continue
            except GimmalError as exc:
                if isinstance(exc, RemoteError) and exc.code == "changed":
                    self.change()
                else:
                    self._end(fetch, exc)
                return
            self.confirmed_at = max(self.confirmed_at, asked_at)
            self._arrived(fetch, content, loop.time())
            return

    async def _take_kept(self, fetch: _Fetch) -> bool:
        """Whether the bytes lie on this side: the line is free of the fetch then, and nothing is learned of it."""
        kept = self._cache.kept
        length = fetch.end - fetch.start
        content = await kept.read(self.path, self.version, fetch.start, length) if kept is not None else None
        if content is None or len(content) != length:
            return False
        self._cache.stretches.put(self.number, fetch.start, content)
        self._end(fetch)
        self._cache.pump()
        return True

    def _arrived(self, fetch: _Fetch, content: bytes, now: float) -> None:
        self._cache.stretches.put(self.number, fetch.start, content)
        self._fetches.remove(fetch)
        self._cache.pace.arrived(fetch.sent, len(content), now)
        fetch.done.set_result(None)
        self._cache.pump()

    async def _content(self, fetch: _Fetch) -> bytes:
        """The bytes, compared with the digest of who read them."""
        files = await self._cache.files()
        length = fetch.end - fetch.start
        block = await files.read_block(self.path, fetch.start, length, self.version)
        try:
            if block.length != length:
                raise self._changed()
            content = b"".join(piece.body for piece in block.pieces)
        finally:
            files.release(block)
        hasher = new_blake3()
        hasher.update(content)
        if hasher.digest() != block.digest:
            raise error_of_code(Code.CORRUPT, shown(self.path))
        return content

    def _end(self, fetch: _Fetch, failure: GimmalError | None = None) -> None:
        """A fetch failed, or is given up."""
        self._fetches.remove(fetch)
        self._cache.pace.cancelled(fetch.end - fetch.start)
        fetch.failure = failure
        fetch.done.set_result(None)
        if fetch.task is not None and fetch.task is not asyncio.current_task():
            fetch.task.cancel()


class Reader:
    """One who reads a file; see CachedFile.reader. A context manager."""

    def __init__(self, cache: FileCache, file: CachedFile, *, streaming: bool, until: int) -> None:
        self.file = file
        self.until = until
        self.ahead = ReadAhead(streaming=streaming)
        self._cache = cache
        self._closed = False
        file.readers += 1
        cache.joined(self)

    async def read_some(self, offset: int, length: int, deadline: float = READ_SECONDS) -> memoryview:
        """At most ``length`` bytes from ``offset`` on, READ_MAX at most: at least one, unless the file ends there.

        Args:
            offset, length: bytes.
            deadline: seconds; a line that is cut is waited for as long.

        Raises:
            RemoteError: ``changed`` where the file is another now; what the other side says.
            DeadlinePassed: nothing came in time.
            GimmalError: why nothing will come.
        """
        length = min(length, READ_MAX, self.file.size - offset)
        if length <= 0:
            return memoryview(b"")
        self._follow(offset, length)
        return await self.file.read(self, offset, length, deadline)

    async def read(self, offset: int, length: int, deadline: float = READ_SECONDS) -> bytes:
        """``length`` bytes from ``offset`` on, fewer only where the file ends. Raises as ``read_some``."""
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline
        pieces: list[memoryview] = []
        end = min(offset + length, self.file.size)
        while offset < end:
            part = min(end - offset, READ_MAX)
            self._follow(offset, part)
            while part:
                piece = await self.file.read(self, offset, part, until - loop.time())
                pieces.append(piece)
                offset += len(piece)
                part -= len(piece)
        return b"".join(pieces)

    def _follow(self, offset: int, length: int) -> None:
        self._cache.reads(self)
        self.ahead.on_read(offset, length)
        self.file.plan(self, offset, length)
        self._cache.pump()

    def close(self) -> None:
        """Read no more: what only this reader wanted is given up."""
        if not self._closed:
            self._closed = True
            self.file.readers -= 1
            self.file.forget_reader(self)
            self._cache.left(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _closed() -> Interrupted:
    return Interrupted("the file was closed", "open it again")


def _power_below(number: int) -> int:
    """The largest power of two that is not above ``number``; 0 for 0."""
    return 1 << (number.bit_length() - 1) if number else 0
