"""Open files of ``gimmal://``: one for threads, one for coroutines."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import TYPE_CHECKING, Any

from fsspec.asyn import AbstractAsyncStreamedFile, sync
from fsspec.spec import AbstractBufferedFile

from gimmal.base.errors import GimmalError
from gimmal.frontends.fsspec.following_cache import FollowingCache
from gimmal.frontends.fsspec.os_errors import os_error
from gimmal.remote.cached_file import Reader

if TYPE_CHECKING:
    from gimmal.frontends.fsspec.file_system import GimmalFileSystem
    from gimmal.frontends.fsspec.writing import Writing

LINE_STEP = 8 * 1024
"""Bytes of one step of a search for the end of a line."""


class GimmalFile(AbstractBufferedFile):
    """An open file; ``GimmalFileSystem.open`` makes it.

    One that is read stays the version that was opened: OSError (ESTALE) where the other side has another by now. One
    that is written appears under its name, whole and durable, when it is closed; or when its transaction ends. It does
    not appear where its ``with`` block is left by an exception.
    """

    def __init__(
        self,
        fs: GimmalFileSystem,
        path: str,
        mode: str = "rb",
        block_size: int | str | None = None,
        autocommit: bool = True,
        cache_type: str = FollowingCache.name,
        cache_options: dict[str, Any] | None = None,
        size: int | None = None,
        **more: Any,
    ) -> None:
        self._reader: Reader | None = None
        self._writing: Writing | None = None
        self._sent = False
        if mode == "rb":
            self._reader, self._details = sync(fs.loop, fs.open_reader, path)
            size = self._details["size"]
        elif mode in ("wb", "xb", "ab"):
            self._writing = sync(fs.loop, fs.begin_writing, path, mode)
        super().__init__(
            fs,
            path,
            mode,
            block_size or "default",
            autocommit,
            cache_type=cache_type,
            cache_options=cache_options,
            size=size,
            **more,
        )
        if self._writing is not None:
            self.loc = self._writing.size

    def _fetch_range(self, start: int, end: int) -> bytes:
        if self._reader is None:
            raise ValueError("I/O operation on closed file.")
        fetched: bytes = sync(self.fs.loop, self.fs.read_range, self._reader, start, end)
        return fetched

    def readline(self, size: int | None = -1, /) -> bytes:
        """The next line with its end; see io.IOBase."""
        if size is not None and size >= 0:
            start = self.tell()
            line: bytes = self.readuntil(b"\n", LINE_STEP)
            if len(line) > size:
                line = line[:size]
                self.seek(start + size)
            return line
        found: bytes = self.readuntil(b"\n", LINE_STEP)
        return found

    def write(self, data: Any) -> int:
        """Take the next bytes; they travel when the file is closed.

        Raises:
            OSError: this computer's disk, where they wait, does not take them.
            ValueError: it is not open for writing.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        if self._writing is None:
            raise ValueError("File not in write mode")
        view = memoryview(data).cast("B")
        try:
            self._writing.append(view)
        except GimmalError as exc:
            raise os_error(exc) from exc
        self.loc = self._writing.size
        return len(view)

    def flush(self, force: bool = False) -> None:
        """Nothing: a part of a file is never there."""
        if self.closed:
            raise ValueError("Flush on closed file")

    def close(self) -> None:
        """End it. One that was written is placed now, unless a transaction does that.

        Raises:
            OSError: why it could not be placed; nothing of it is there then.
        """
        if self.closed:
            return
        try:
            if self._writing is not None and self.autocommit:
                sync(self.fs.loop, self.fs.place, self._writing)
            elif self._writing is not None:
                sync(self.fs.loop, self.fs.send, self._writing)
        finally:
            self._end()

    def commit(self) -> None:
        """Place a file that was written in a transaction. Raises OSError where that cannot be."""
        if self._writing is not None:
            sync(self.fs.loop, self.fs.place, self._writing)

    def discard(self) -> None:
        """Give up a file that was written in a transaction."""
        if self._writing is not None:
            sync(self.fs.loop, self.fs.discard, self._writing)

    def _end(self) -> None:
        self.closed = True
        self.cache = None
        reader, self._reader = self._reader, None
        if reader is not None and not self.fs.loop.is_closed():
            self.fs.loop.call_soon_threadsafe(reader.close)

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if kind is not None and self._writing is not None and not self.closed and self.autocommit:
            self._end()
            self.discard()
        else:
            self.close()

    def __del__(self) -> None:
        # Where the interpreter ends there is no thread any more that could do it; a copy by fork has no say.
        if not self.closed and not sys.is_finalizing() and self.fs.line.is_ours:
            self.close()


class GimmalText(io.TextIOWrapper):
    """Text over an open file: what its ``with`` block leaves by an exception does not appear either."""

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        if kind is None or self.closed:
            self.close()
        else:
            below: Any = self.detach()
            below.__exit__(kind, value, trace)


class GimmalStreamedFile(AbstractAsyncStreamedFile):
    """The same for coroutines; ``GimmalFileSystem.open_async`` makes it."""

    def __init__(
        self,
        fs: GimmalFileSystem,
        path: str,
        mode: str,
        *,
        opened: tuple[Reader, dict[str, Any]] | None,
        writing: Writing | None,
        **more: Any,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader: Reader | None = None
        self._writing = writing
        if opened is not None:
            self._reader, self._details = opened
        super().__init__(
            fs, path, mode, cache_type="none", size=self._details["size"] if self._details else None, **more
        )
        if writing is not None:
            self.loc = writing.size

    async def _fetch_range(self, start: int, end: int) -> bytes:
        if self._reader is None:
            raise ValueError("I/O operation on closed file.")
        fetched: bytes = await self.fs.read_range(self._reader, start, min(end, self.size))
        return fetched

    async def write(self, data: Any) -> int:
        """Take the next bytes; see GimmalFile.write."""
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        if self._writing is None:
            raise ValueError("File not in write mode")
        view = memoryview(data).cast("B")
        await self.fs.append(self._writing, view)
        self.loc = self._writing.size
        return len(view)

    async def flush(self, force: bool = False) -> None:
        """Nothing: a part of a file is never there."""
        if self.closed:
            raise ValueError("Flush on closed file")

    async def close(self) -> None:
        """End it; one that was written is placed now. Raises OSError where that cannot be."""
        if self.closed:
            return
        try:
            if self._writing is not None:
                await self.fs.place(self._writing)
        finally:
            self._end()

    def _end(self) -> None:
        self.closed = True
        self.cache = None
        reader, self._reader = self._reader, None
        if reader is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(reader.close)

    async def __aexit__(self, kind: object, value: object, trace: object) -> None:
        if kind is not None and self._writing is not None and not self.closed:
            self._end()
            await self.fs.discard(self._writing)
        else:
            await self.close()

    def __del__(self) -> None:
        # Nothing can be awaited here: what was not closed does not appear.
        self._end()
