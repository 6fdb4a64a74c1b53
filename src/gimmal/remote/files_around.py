"""A tree of files seen through another: asks it for everything, so that a subclass changes one thing alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from gimmal.base.errors import RemoteError
from gimmal.protocol.chunks import ChunkPage
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import Answer, BundleFile, ListChunks, Page, Request, Reused, Version, WriteBundle
from gimmal.remote.files import Block, Bundle, Files


class FilesAround(Files):
    """See Files.

    Args:
        inner: the tree itself.
    """

    def __init__(self, inner: Files) -> None:
        self.inner = inner
        self.bundle_room = inner.bundle_room

    @property
    def side(self) -> object:
        """See Files."""
        return self.inner.side

    @property
    def blocks_at_once(self) -> int:
        """See Files."""
        return self.inner.blocks_at_once

    @property
    def round_trip(self) -> float:
        """See Files."""
        return self.inner.round_trip

    @property
    def rate_limit(self) -> float | None:
        """See Files."""
        return self.inner.rate_limit

    @property
    def bare(self) -> int:
        """See Files: counted by the tree itself, whoever was asked."""
        return self.inner.bare

    @bare.setter
    def bare(self, count: int) -> None:
        self.inner.bare = count

    def tells_mode(self, path: str) -> bool:
        """See Files."""
        return self.inner.tells_mode(path)

    def offers(self, feature: int) -> bool:
        """See Files."""
        return self.inner.offers(feature)

    async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
        """See Files."""
        return await self.inner.ask(request, deadline)

    async def send(self, request: Request, size: int) -> Answer:
        """See Files."""
        return await self.inner.send(request, size)

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        """See Files."""
        async for page in self.inner.tree(path, xattrs=xattrs):
            yield page

    async def chunks(self, request: ListChunks) -> ChunkPage:
        """See Files."""
        return await self.inner.chunks(request)

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        """See Files."""
        return await self.inner.read_block(path, offset, length, version, sparse=sparse)

    async def write_block(
        self,
        part: int,
        offset: int,
        length: int,
        load: Callable[[], Awaitable[Block]],
        *,
        sparse: bool = False,
        reused: Reused = (),
    ) -> bytes:
        """See Files."""
        return await self.inner.write_block(part, offset, length, load, sparse=sparse, reused=reused)

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        """See Files."""
        return await self.inner.read_bundle(folder, names, xattrs=xattrs)

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        """See Files."""
        return await self.inner.write_bundle(request, files, contents)

    def foresee(self, size: int) -> None:
        """See Files."""
        self.inner.foresee(size)

    def release(self, block: Block) -> None:
        """See Files."""
        self.inner.release(block)

    def lasting_path(self, path: str) -> str:
        """See Files."""
        return self.inner.lasting_path(path)

    def shown(self, path: str) -> str:
        """See Files."""
        return self.inner.shown(path)

    def error(self, code: int, path: str = "") -> RemoteError:
        """See Files."""
        return self.inner.error(code, path)
