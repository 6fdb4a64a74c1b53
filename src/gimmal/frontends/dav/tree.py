"""What a network drive shows: the tree as far as this front end needs it."""

from __future__ import annotations

from typing import Protocol

from gimmal.protocol.messages import Attributes, Replace
from gimmal.remote.cached_file import CachedFile, Reader
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files
from gimmal.remote.tree.view import Found, Listing, TreeView


class Handle(Protocol):
    """An open file; see OpenFile of remote.edits."""

    @property
    def attributes(self) -> Attributes:
        """Size and time as they are now."""

    async def read(self, offset: int, length: int) -> bytes:
        """Bytes from a place on; fewer where the file ends."""

    async def write(self, offset: int, data: bytes) -> int:
        """Put bytes at a place."""

    async def discard(self) -> None:
        """What was written counts for nothing."""

    async def close(self) -> None:
        """What was written is durable at home, or in the journal."""


class Tree(Protocol):
    """The other side's tree; see EditedTree of remote.edits."""

    @property
    def view(self) -> TreeView:
        """What is to be told of changes that are made another way."""

    async def find(self, path: str) -> Found:
        """One entry."""

    async def listing(self, path: str) -> Listing:
        """The entries of a folder."""

    async def open(
        self,
        path: str,
        *,
        read: bool = True,
        write: bool = False,
        create: bool = False,
        exclusive: bool = False,
        truncate: bool = False,
    ) -> Handle:
        """Open a file, as it is now."""

    async def make_directory(self, path: str) -> None:
        """Make a folder."""

    async def remove(self, path: str) -> None:
        """Remove a file."""

    async def rename(self, source: str, target: str, replace: Replace) -> None:
        """Move an entry within its share."""

    async def set_attributes(self, path: str, *, mtime_ns: int | None = None) -> None:
        """Set the time of change."""

    async def files(self) -> Files:
        """The files of the other side, for what is done over there."""


class ViewedTree:
    """A tree that is read only: from a view and a cache, which their owner closes."""

    def __init__(self, view: TreeView, cache: FileCache) -> None:
        self._view, self._cache = view, cache

    async def find(self, path: str) -> Found:
        """See Tree."""
        return await self._view.find(path)

    async def listing(self, path: str) -> Listing:
        """See Tree."""
        return await self._view.listing(path)

    async def open(self, path: str) -> Handle:
        """See Tree."""
        file = await self._cache.open(path)
        await file.confirm()
        return _Reading(file)

    async def files(self) -> Files:
        """See Tree."""
        return await self._cache.files()


class _Reading:
    def __init__(self, file: CachedFile) -> None:
        self._file = file
        self._reader: Reader = file.reader()

    @property
    def attributes(self) -> Attributes:
        return self._file.attributes

    async def read(self, offset: int, length: int) -> bytes:
        return await self._reader.read(offset, length)

    async def close(self) -> None:
        self._reader.close()
