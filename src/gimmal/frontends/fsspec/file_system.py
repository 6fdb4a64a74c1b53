"""The file system that fsspec makes of ``gimmal://``."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from contextlib import nullcontext
from typing import Any

from fsspec.asyn import sync
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.utils import isfilelike

from gimmal.frontends.fsspec.changing import Changing
from gimmal.frontends.fsspec.entries import Info, info_of
from gimmal.frontends.fsspec.fetching import fetch_file
from gimmal.frontends.fsspec.line import Line, LineOptions
from gimmal.frontends.fsspec.open_file import GimmalFile, GimmalStreamedFile, GimmalText
from gimmal.frontends.fsspec.os_errors import with_os_errors
from gimmal.frontends.fsspec.outgoing import Outgoing
from gimmal.frontends.fsspec.paths import PROTOCOL, wire_path
from gimmal.frontends.fsspec.sending import local_content
from gimmal.frontends.fsspec.writing import Writing, begin_writing
from gimmal.protocol.limits import BLOCK_SIZE, CALL_SECONDS
from gimmal.protocol.messages import FolderTimes, Kind, Replace
from gimmal.remote.cached_file import Reader
from gimmal.remote.whole_reading import read_bytes, read_version

SMALL = 64 * 1024
"""Bytes of a file of which any number may be fetched at a time."""

READ_SECONDS = CALL_SECONDS
"""What an open file waits for its next bytes; a line that is cut may come back meanwhile."""


class GimmalFileSystem(Changing):
    """The other side's files: ``gimmal://SHARE/FOLDER/FILE``.

    Args:
        half: folder of the half; without it GIMMAL_HALF, else the only one plugged in.
        at: ``HOST:PORT`` of the other side, to dial nothing else.
        password_file: file whose first line opens a half with a password, where no agent serves it.
        auto_mkdir: whether writing, copying and moving make the folders above that are missing.
        asynchronous, loop, more: see fsspec.

    The session begins with the first question, goes through the agent of the half where one runs, and ends with the
    process, with the half, or by ``close``. What fails raises an OSError with our message and hint; where no way leads
    to the other side, after 10 s at the latest.
    """

    def __init__(
        self,
        half: str | os.PathLike[str] | None = None,
        at: str | None = None,
        password_file: str | os.PathLike[str] | None = None,
        auto_mkdir: bool = True,
        asynchronous: bool = False,
        loop: asyncio.AbstractEventLoop | None = None,
        **more: Any,
    ) -> None:
        super().__init__(asynchronous=asynchronous, loop=loop, **more)
        self.auto_mkdir = auto_mkdir
        self.line = Line(
            LineOptions(
                half=os.fspath(half) if half is not None else None,
                at=at,
                password_file=os.fspath(password_file) if password_file is not None else None,
            )
        )
        weakref.finalize(self, self.line.leave_later).atexit = False

    @property
    def fsid(self) -> str:
        """The same wherever the same options are given."""
        return f"{PROTOCOL}-{self._fs_token}"

    async def aclose(self) -> None:
        """End the session; the next question opens another."""
        await self.line.close()

    def close(self) -> None:
        """The same for threads."""
        self.line.leave()

    # Reading ---------------------------------------------------------------------------------------------------------

    @with_os_errors
    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_more: Any) -> bytes:
        path = wire_path(path)
        files = await self.line.files()
        if (start is not None and start < 0) or (end is not None and end < 0):
            size = (await files.stat(path)).size
            start = max(0, size + start) if start is not None and start < 0 else start
            end = max(0, size + end) if end is not None and end < 0 else end
        return await read_bytes(files, path, start or 0, end)

    @with_os_errors
    async def _get_file(
        self, rpath: str, lpath: Any, callback: Callback = DEFAULT_CALLBACK, outfile: Any = None, **_more: Any
    ) -> None:
        path = wire_path(rpath)
        files = await self.line.files()
        attributes = await files.stat(path)
        target = outfile if outfile is not None else lpath
        if attributes.kind is Kind.DIRECTORY:
            if not isfilelike(target):
                await asyncio.to_thread(os.makedirs, target, exist_ok=True)
            return
        callback.set_size(attributes.size)
        async with self.line.downloads if attributes.size > SMALL else nullcontext():
            await fetch_file(files, path, attributes, target, callback.relative_update)

    async def open_async(self, path: str, mode: str = "rb", **more: Any) -> GimmalStreamedFile:
        """Open a file for coroutines: ``rb``, ``wb``, ``xb`` or ``ab``."""
        if "b" not in mode or more.pop("compression", None):
            raise ValueError("open_async knows bytes only")
        path = self._strip_protocol(path)
        opened = await self.open_reader(path) if mode == "rb" else None
        writing = await self.begin_writing(path, mode) if mode in ("wb", "xb", "ab") else None
        return GimmalStreamedFile(self, path, mode, opened=opened, writing=writing, **more)

    def open(self, path: str, mode: str = "rb", **more: Any) -> Any:
        """Open a file for threads: bytes by GimmalFile, text by GimmalText; see fsspec."""
        if "b" in mode:
            return super().open(path, mode, **more)
        of_text = {name: more.pop(name) for name in ("encoding", "errors", "newline") if name in more}
        return GimmalText(self.open(path, mode.replace("t", "") + "b", **more), **of_text)

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: dict[str, Any] | None = None,
        **more: Any,
    ) -> GimmalFile:
        return GimmalFile(self, path, mode, block_size, autocommit, cache_options=cache_options, **more)

    @with_os_errors
    async def open_reader(self, path: str) -> tuple[Reader, Info]:
        """For open files: one who reads this version of a file, and what is known of it."""
        path = wire_path(path)
        file = await self.line.cache().open(path, anew=True)
        return file.reader(), info_of(path, file.attributes)

    @with_os_errors
    async def read_range(self, reader: Reader, start: int, end: int) -> bytes:
        """For open files: bytes of the version that was opened.

        Raises:
            OSError: ESTALE where the file is another by now; nothing came for READ_SECONDS.
        """
        if end - start > BLOCK_SIZE:
            # Much at once is not kept for others, and takes all of the line.
            file = reader.file
            return await read_version(await self.line.files(), file.path, file.attributes, start, end)
        pieces: list[memoryview] = []
        while start < end and (piece := await reader.read_some(start, end - start, READ_SECONDS)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    # Writing ---------------------------------------------------------------------------------------------------------

    @with_os_errors
    async def begin_writing(self, path: str, mode: str) -> Writing:
        """For open files: see begin_writing."""
        return await begin_writing(self.line, wire_path(path), mode, folders=self.auto_mkdir)

    @with_os_errors
    async def append(self, writing: Writing, data: memoryview) -> None:
        """For open files: the next bytes."""
        await asyncio.to_thread(writing.append, data)

    @with_os_errors
    async def send(self, writing: Writing) -> None:
        """For open files: see Writing.send."""
        await writing.send()

    @with_os_errors
    async def place(self, writing: Writing) -> None:
        """For open files: see Writing.place."""
        await writing.place()

    @with_os_errors
    async def discard(self, writing: Writing) -> None:
        """For open files: see Writing.discard."""
        await writing.discard()

    @with_os_errors
    async def _pipe_file(self, path: str, value: Any, mode: str = "overwrite", **_more: Any) -> None:
        view = memoryview(value).cast("B")

        async def load(index: int) -> bytes:
            return bytes(view[index * BLOCK_SIZE : (index + 1) * BLOCK_SIZE])

        outgoing = Outgoing(
            self.line, wire_path(path), len(view), load, replace=_replace(mode), folders=self.auto_mkdir
        )
        await outgoing.deliver()

    @with_os_errors
    async def _put_file(
        self, lpath: Any, rpath: str, mode: str = "overwrite", callback: Callback = DEFAULT_CALLBACK, **_more: Any
    ) -> None:
        lpath = os.fspath(lpath)
        if await asyncio.to_thread(os.path.isdir, lpath):
            await self._makedirs(rpath, exist_ok=True)
            return
        async with local_content(lpath) as (size, load):
            callback.set_size(size)
            outgoing = Outgoing(
                self.line,
                wire_path(rpath),
                size,
                load,
                replace=_replace(mode),
                folders=self.auto_mkdir,
                sent=callback.relative_update,
            )
            await outgoing.deliver()

    async def _touch(self, path: str, truncate: bool = True, **_more: Any) -> None:
        if truncate or not await self._exists(path):
            await self._pipe_file(path, b"")
        else:
            await self._set_time(path)

    @with_os_errors
    async def _set_time(self, path: str) -> None:
        path = wire_path(path)
        files = await self.line.files()
        (code,) = await files.set_attributes([FolderTimes(path, time.time_ns())])
        if code:
            raise files.error(code, path)

    def touch(self, path: str, truncate: bool = True, **more: Any) -> None:
        """Make an empty file; without ``truncate`` one that is there gets the time of now instead."""
        sync(self.loop, self._touch, path, truncate, **more)


def _replace(mode: str) -> Replace:
    return Replace.NEVER if mode == "create" else Replace.ALWAYS
