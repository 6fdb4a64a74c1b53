"""What is on the other side: names, sizes, times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from fsspec.asyn import AsyncFileSystem
from fsspec.utils import stringify_path, tokenize

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.frontends.fsspec.entries import Info, info_of, infos_below, infos_in, root_info, version_text
from gimmal.frontends.fsspec.line import Line
from gimmal.frontends.fsspec.os_errors import says_nothing_is_there, with_os_errors
from gimmal.frontends.fsspec.paths import PROTOCOL, stripped, wire_path
from gimmal.remote.files import ENTRIES_MAX, shown, too_many_entries

ReadT = TypeVar("ReadT")


class Looking(AsyncFileSystem):
    """The part of the file system that looks; ``GimmalFileSystem`` is the whole."""

    protocol = PROTOCOL
    root_marker = ""
    line: Line

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        return stripped(stringify_path(path))

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
