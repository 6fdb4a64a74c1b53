"""How one file system reaches the other side: one session, opened when it is needed, over when the half is gone."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import weakref
from dataclasses import dataclass
from pathlib import Path

from gimmal.agent.reach import Reach, ReachOptions
from gimmal.base.errors import GimmalError, HalfGone, HalfMissing, Interrupted, UsageError
from gimmal.base.tasks import Tasks
from gimmal.half.plugged import ENVIRONMENT
from gimmal.remote.file_cache import FileCache
from gimmal.remote.remote_files import RemoteFiles

UPLOADS_AT_ONCE = 16
"""Files under way to the other side at a time: each holds a part file there, of which a session has 64."""

EVER = 1e9
"""Seconds."""

DOWNLOADS_AT_ONCE = 6
"""Larger files that are fetched to this computer's disk at a time: each has some blocks under way."""

CLOSE_SECONDS = 3.0
"""What ending the session may take."""

_lines: weakref.WeakSet[Line] = weakref.WeakSet()


@dataclass(frozen=True)
class LineOptions:
    """Storage options that say which half, and which way.

    Attributes:
        half: folder of the half; None for GIMMAL_HALF, else the only one plugged in.
        at: ``HOST:PORT`` of the other side, to dial nothing else; None for what the half knows.
        password_file: file whose first line opens a half with a password, where no agent serves it.
    """

    half: str | None = None
    at: str | None = None
    password_file: str | None = None


class Line:
    """The session of one file system; all its methods run on one event loop, which may be another after it ended.

    Args:
        options: which half, and which way.
    """

    def __init__(self, options: LineOptions) -> None:
        self._options = options
        self._process = os.getpid()
        self._begin()
        _lines.add(self)

    def _begin(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reach: Reach | None = None
        self._cache: FileCache | None = None
        self._tasks = Tasks()
        self._opened: asyncio.Task[RemoteFiles | GimmalError] | None = None
        self._uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self._downloads = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
        self.deferred = 0
        """Files that lie whole on the other side, without their name yet."""

    def _settle(self) -> None:
        """Belong to the running event loop; what belonged to one that is over went with it."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._reach is not None:
                self._reach.abandon()
            self._begin()
            self._loop = loop

    async def files(self) -> RemoteFiles:
        """The other side's files, over the session at hand where it still lives.

        Raises:
            HalfGone: the half was pulled out; plugged in again it is found by the next call.
            GimmalError: why there is none, at the latest after 10 s.
        """
        self._settle()
        if self._opened is None or self._opened.done():
            self._opened = self._tasks.start(self._open(), "session of a file system")
        opening = self._opened
        try:
            # All who wait meanwhile wait for this one try, and hear what comes of it.
            opened = await asyncio.shield(opening)
        except asyncio.CancelledError:
            if not opening.cancelled():
                raise
            raise Interrupted("the file system was closed", "try again") from None
        if isinstance(opened, GimmalError):
            raise opened
        return opened

    async def _open(self) -> RemoteFiles | GimmalError:
        try:
            if self._reach is None:
                self._reach = reach = await self._found_half()
                await reach.__aenter__()
                self._tasks.start(self._end_with_half(reach), "end with the half")
            return (await self._reach.open(as_call=True)).files
        except HalfGone as exc:
            await self._leave()
            return exc
        except GimmalError as exc:
            return exc

    async def _found_half(self) -> Reach:
        try:
            return await asyncio.to_thread(Reach, self._reach_options())
        except (HalfMissing, UsageError) as exc:
            if self._options.half is not None:
                raise
            raise type(exc)(exc.message, f"name its folder by the storage option half, or in {ENVIRONMENT}") from exc

    @property
    def uploads(self) -> asyncio.Semaphore:
        """To be held by each upload."""
        self._settle()
        return self._uploads

    @property
    def downloads(self) -> asyncio.Semaphore:
        """To be held by each larger file that is fetched."""
        self._settle()
        return self._downloads

    def cache(self) -> FileCache:
        """What all files that are open for reading share."""
        self._settle()
        if self._cache is None:
            self._cache = FileCache(self.files)
        return self._cache

    @property
    def is_ours(self) -> bool:
        """Whether it is this process's: one that was forked off has a copy that it must leave alone."""
        return os.getpid() == self._process

    async def close(self) -> None:
        """End the session; the next call opens another."""
        if self._loop is not asyncio.get_running_loop() or not self.is_ours:
            return
        tasks, self._tasks = self._tasks, Tasks()
        await tasks.close()
        await self._leave()

    async def _end_with_half(self, reach: Reach) -> None:
        """Nothing goes on without the half: no connection, and nothing of what was read is held any longer."""
        with contextlib.suppress(HalfGone):
            while True:
                await reach.rest(EVER)
        if self._reach is reach:
            await self._leave()

    def leave_later(self) -> concurrent.futures.Future[None] | None:
        """Have it closed by its event loop, from any thread; None where that loop is over, and the session with it."""
        loop = self._loop
        if loop is None or not loop.is_running() or not self.is_ours:
            return None
        closing = self.close()
        try:
            return asyncio.run_coroutine_threadsafe(closing, loop)
        except RuntimeError:  # it ended just now
            closing.close()
            return None

    def leave(self) -> None:
        """The same, and wait for it, CLOSE_SECONDS at most: from any thread but that of its event loop."""
        closing = self.leave_later()
        if closing is not None:
            with contextlib.suppress(TimeoutError, GimmalError):
                closing.result(CLOSE_SECONDS)

    async def _leave(self) -> None:
        reach, self._reach = self._reach, None
        cache, self._cache = self._cache, None
        if cache is not None:
            await cache.close()
        if reach is not None:
            await reach.__aexit__(None, None, None)

    def _reach_options(self) -> ReachOptions:
        from gimmal.frontends.cli.passwords import given_password
        from gimmal.frontends.cli.reaching import lan_allowed, parse_address

        given = self._options
        password_file = given.password_file

        def password() -> str:
            read = given_password(password_file, None)
            assert read is not None
            return read

        return ReachOptions(
            half=Path(given.half) if given.half is not None else None,
            at=parse_address(given.at) if given.at is not None else None,
            lan=lan_allowed(),
            password=password if password_file is not None else None,
        )


@atexit.register
def _leave_all() -> None:
    """The other side need not keep what nobody comes back to."""
    for closing in [line.leave_later() for line in list(_lines)]:
        if closing is not None:
            with contextlib.suppress(TimeoutError, GimmalError):
                closing.result(CLOSE_SECONDS)
