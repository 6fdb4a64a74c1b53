"""The file system that fsspec makes of ``gimmal://``."""

from __future__ import annotations

import asyncio
import os
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from glob import has_magic
from typing import Any, TypeVar

from fsspec.asyn import AsyncFileSystem, sync
from fsspec.callbacks import DEFAULT_CALLBACK, Callback
from fsspec.utils import isfilelike, stringify_path, tokenize

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.frontends.fsspec.entries import Info, info_of, infos_below, infos_in, root_info, version_text
from gimmal.frontends.fsspec.fetching import fetch_file
from gimmal.frontends.fsspec.line import Line, LineOptions
from gimmal.frontends.fsspec.open_file import GimmalFile, GimmalStreamedFile
from gimmal.frontends.fsspec.os_errors import says_nothing_is_there, with_os_errors
from gimmal.frontends.fsspec.outgoing import Outgoing, make_folders
from gimmal.frontends.fsspec.paths import PROTOCOL, below, parent, stripped, wire_path
from gimmal.frontends.fsspec.sending import local_content
from gimmal.frontends.fsspec.writing import Writing, begin_writing
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import BLOCK_SIZE, CALL_SECONDS
from gimmal.protocol.messages import FolderTimes, Kind, Replace
from gimmal.remote.cached_file import Reader
from gimmal.remote.files import ENTRIES_MAX, shown, too_many_entries
from gimmal.remote.removing import remove_one
from gimmal.remote.whole_reading import read_bytes, read_version

READ_SECONDS = CALL_SECONDS
"""What an open file waits for its next bytes; a line that is cut may come back meanwhile."""

ReadT = TypeVar("ReadT")


class GimmalFileSystem(AsyncFileSystem):
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

    protocol = PROTOCOL
    root_marker = ""

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

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return stripped(stringify_path(path))

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

    # Looking ---------------------------------------------------------------------------------------------------------

    @with_os_errors
    async def _info(self, path: str, **_more: Any) -> Info:
        path = wire_path(path)
        if not path:
            return root_info()
        return info_of(path, await (await self.line.files()).stat(path))

    @with_os_errors
    async def _ls(self, path: str, detail: bool = True, **_more: Any) -> list[Info] | list[str]:
        found = await self._listed(wire_path(path))
        return found if detail else sorted(info["name"] for info in found)

    async def _listed(self, path: str) -> list[Info]:
        files = await self.line.files()
        found: list[Info] = []
        try:
            async for entries in files.entries(path):
                found += infos_in(path, entries)
                if len(found) > ENTRIES_MAX:
                    raise too_many_entries(shown(path))
        except RemoteError as exc:
            if exc.code != "not_a_directory":
                raise
            found = [info_of(path, await files.stat(path))]
        return found

    async def _exists(self, path: str, **_more: Any) -> bool:
        return await self._type(path) is not None

    async def _isfile(self, path: str) -> bool:
        return await self._type(path) == "file"

    async def _isdir(self, path: str) -> bool:
        return await self._type(path) == "directory"

    async def _type(self, path: str) -> str | None:
        info = await _or_none(self._info(path))
        return None if info is None else str(info["type"])

    async def _walk(
        self,
        path: str,
        maxdepth: int | None = None,
        topdown: bool = True,
        on_error: str | Callable[[OSError], Any] = "omit",
        **more: Any,
    ) -> AsyncIterator[tuple[str, Any, Any]]:
        def judge(error: OSError) -> None:
            if callable(on_error):
                on_error(error)
            elif not says_nothing_is_there(error):
                raise error

        telling = "raise" if on_error == "raise" else judge
        async for step in super()._walk(path, maxdepth=maxdepth, topdown=topdown, on_error=telling, **more):
            yield step

    @with_os_errors
    async def _find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, **more: Any
    ) -> list[str] | dict[str, Info]:
        detail = more.pop("detail", False)
        wanted = wire_path(path)
        if maxdepth is not None and maxdepth != 1:
            found = await super()._find(wanted, maxdepth=maxdepth, withdirs=withdirs, detail=True, **more)
        else:
            found = await self._found(wanted, withdirs=withdirs, deep=maxdepth is None)
        return dict(sorted(found.items())) if detail else sorted(found)

    async def _found(self, path: str, *, withdirs: bool, deep: bool) -> dict[str, Info]:
        """What is below a folder, and with ``withdirs`` the folder: one question for each page of it."""
        look = self._tree if deep else self._listed
        found, own = await asyncio.gather(_or_none(look(path)), _or_none(self._info(path) if withdirs else None))
        infos = [*(found or ()), *([own] if own and path else ())]
        return {info["name"]: info for info in infos if withdirs or info["type"] != "directory"}

    async def _tree(self, path: str) -> list[Info]:
        """Everything below a folder; of a file itself."""
        files = await self.line.files()
        found: list[Info] = []
        if not path:
            shares = await self._listed("")
            trees = await asyncio.gather(*(_or_none(self._tree(share["name"])) for share in shares))
            return shares + [info for tree in trees for info in tree or ()]
        try:
            async for page in files.tree(path):
                found += infos_below(path, page.entries)
                if len(found) > ENTRIES_MAX:
                    raise too_many_entries(shown(path))
        except RemoteError as exc:
            if exc.code != "not_a_directory":
                raise
            found = [info_of(path, await files.stat(path))]
        return found

    def created(self, path: str) -> datetime:
        """Not known: no half tells when a file was made."""
        raise NotImplementedError("gimmal does not know when a file was made, only when it was changed")

    def modified(self, path: str) -> datetime:
        """When a file was changed last."""
        return datetime.fromtimestamp(self.info(path)["mtime"], UTC)

    def ukey(self, path: str) -> str:
        """A text that changes whenever the file does."""
        return str(tokenize(version_text(self.info(path))))

    def checksum(self, path: str) -> int:
        """A number that changes whenever the file does; not of its contents."""
        return int(self.ukey(path), 16)

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
        await fetch_file(files, path, attributes, target, callback.relative_update)

    async def open_async(self, path: str, mode: str = "rb", **more: Any) -> GimmalStreamedFile:
        """Open a file for coroutines: ``rb``, ``wb``, ``xb`` or ``ab``."""
        if "b" not in mode or more.pop("compression", None):
            raise ValueError("open_async knows bytes only")
        path = self._strip_protocol(path)
        opened = await self.open_reader(path) if mode == "rb" else None
        writing = await self.begin_writing(path, mode) if mode in ("wb", "xb", "ab") else None
        return GimmalStreamedFile(self, path, mode, opened=opened, writing=writing, **more)

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
        await outgoing.send()
        await outgoing.place()

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
            await outgoing.send()
            await outgoing.place()

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

    # Changing --------------------------------------------------------------------------------------------------------

    @with_os_errors
    async def _mkdir(self, path: str, create_parents: bool = True, **_more: Any) -> None:
        await self._make(wire_path(path), parents=create_parents, exist_ok=False)

    @with_os_errors
    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        await self._make(wire_path(path), parents=True, exist_ok=exist_ok)

    async def _make(self, path: str, *, parents: bool, exist_ok: bool) -> None:
        if not path:
            if exist_ok:
                return
            raise error_of_code(Code.EXISTS, shown(path))
        files = await self.line.files()
        (code,) = await files.make_directories([path], parents=parents, exist_ok=exist_ok)
        if code:
            raise files.error(code, path)

    @with_os_errors
    async def _rmdir(self, path: str) -> None:
        path = wire_path(path)
        files = await self.line.files()
        if (await files.stat(path)).kind is not Kind.DIRECTORY:
            raise files.error(Code.NOT_A_DIRECTORY, path)
        (code,) = await files.remove_many([path])
        if code:
            raise files.error(code, path)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        sync(self.loop, self._rmdir, path)

    async def _rm(
        self,
        path: str | list[str],
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **more: Any,
    ) -> None:
        if maxdepth is not None:
            await super()._rm(path, recursive=recursive, batch_size=batch_size, maxdepth=maxdepth, **more)
            return
        for each in [path] if isinstance(path, str) else path:
            for meant in await self._meant(each):
                await self._remove(meant, recursive=recursive)

    async def _meant(self, path: str) -> list[str]:
        """What a path means that may be a pattern; one that is there letter for letter means itself."""
        if not has_magic(path) or await self._exists(path):
            return [path]
        meant: list[str] = await self._expand_path(path)
        return meant

    @with_os_errors
    async def _remove(self, path: str, *, recursive: bool) -> None:
        await remove_one(await self.line.files(), wire_path(path), recursive=recursive)

    @with_os_errors
    async def _rm_file(self, path: str, **_more: Any) -> None:
        path = wire_path(path)
        files = await self.line.files()
        # Files, links and empty folders: what is in a folder has gone before it.
        (code,) = await files.remove_many([path])
        if code:
            raise files.error(code, path)

    @with_os_errors
    async def _cp_file(self, path1: str, path2: str, **_more: Any) -> None:
        source, target = wire_path(path1), wire_path(path2)
        files = await self.line.files()

        async def copy() -> None:
            await files.copy(source, target, Replace.ALWAYS, xattrs=True)

        try:
            await self._with_folders(target, copy)
        except RemoteError as exc:
            if exc.code != "is_a_directory" or (await files.stat(source)).kind is not Kind.DIRECTORY:
                raise
            await self._make(target, parents=True, exist_ok=True)

    async def _with_folders(self, target: str, step: Callable[[], Any]) -> None:
        """Do something that needs the folders above a path."""
        try:
            await step()
        except RemoteError as exc:
            if exc.code != "not_found" or not self.auto_mkdir or "/" not in target:
                raise
            await make_folders(await self.line.files(), parent(target))
            await step()

    async def _mv_file(self, path1: str, path2: str) -> None:
        try:
            await self._rename(path1, path2)
        except OSError as exc:
            if not _is_of(exc, "cross_device"):
                raise
            await self._cp_file(path1, path2)
            await self._rm_file(path1)

    @with_os_errors
    async def _rename(self, path1: str, path2: str) -> None:
        source, target = wire_path(path1), wire_path(path2)
        files = await self.line.files()
        await files.stat(source)  # an answer that nothing is there would not say of which of the two

        async def rename() -> None:
            await files.rename(source, target, Replace.ALWAYS)

        await self._with_folders(target, rename)

    async def _mv(
        self, path1: str, path2: str, recursive: bool = False, maxdepth: int | None = None, **more: Any
    ) -> None:
        source = path1.rstrip("/") if isinstance(path1, str) else ""
        if not source or source != path1 or maxdepth is not None or await self._meant(source) != [source]:
            await self._copy(path1, path2, recursive=recursive, maxdepth=maxdepth, on_error="raise", **more)
            await self._rm(path1, recursive=recursive)
            return
        if self._strip_protocol(path1) == self._strip_protocol(path2):
            return
        target = self._strip_protocol(path2)
        if path2.endswith("/") or await self._isdir(path2):
            target = below(target, self._strip_protocol(path1).rpartition("/")[2])
        try:
            await self._rename(path1, target)
        except OSError as exc:
            if not _is_of(exc, "cross_device"):
                raise
            await self._copy(path1, target, recursive=True, on_error="raise", **more)
            await self._rm(path1, recursive=True)

    def mv(self, path1: Any, path2: Any, recursive: bool = False, maxdepth: int | None = None, **more: Any) -> None:
        """Move a file or folder; within one share no byte of it travels."""
        sync(self.loop, self._mv, path1, path2, recursive=recursive, maxdepth=maxdepth, **more)


async def _or_none(asked: Awaitable[ReadT] | None) -> ReadT | None:
    """What is found; None where nothing is there, or nothing was asked."""
    if asked is None:
        return None
    try:
        return await asked
    except (GimmalError, OSError) as exc:
        if says_nothing_is_there(exc):
            return None
        raise


def _replace(mode: str) -> Replace:
    return Replace.NEVER if mode == "create" else Replace.ALWAYS


def _is_of(error: OSError, code: str) -> bool:
    return isinstance(error.__cause__, RemoteError) and error.__cause__.code == code
