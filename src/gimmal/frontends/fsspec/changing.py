"""What changes names on the other side: making, removing, copying and moving, none of which sends contents."""

from __future__ import annotations

from collections.abc import Callable
from glob import has_magic
from typing import Any

from fsspec.asyn import sync

from gimmal.base.errors import RemoteError
from gimmal.frontends.fsspec.looking import Looking
from gimmal.frontends.fsspec.os_errors import with_os_errors
from gimmal.frontends.fsspec.outgoing import make_folders
from gimmal.frontends.fsspec.paths import below, parent, wire_path
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Kind, LinkItem, Replace
from gimmal.remote.files import Files, shown
from gimmal.remote.removing import remove_one


class Changing(Looking):
    """The part of the file system that changes names; ``GimmalFileSystem`` is the whole."""

    auto_mkdir: bool

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
            if exc.code not in ("is_a_directory", "link_refused"):
                raise
            there = await files.stat(source)
            if there.kind is Kind.DIRECTORY:
                await self._make(target, parents=True, exist_ok=True)
            elif there.kind is Kind.LINK:
                await _make_link(files, LinkItem(target, there.target, there.mtime_ns))
            else:
                raise

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


async def _make_link(files: Files, link: LinkItem) -> None:
    (code,) = await files.make_links([link], Replace.ALWAYS)
    if code:
        raise files.error(code, link.path)


def _is_of(error: OSError, code: str) -> bool:
    return isinstance(error.__cause__, RemoteError) and error.__cause__.code == code
