"""This computer's files behind the same questions as the other side's.

The share room does the work, so that what this side writes is placed, verified, resumed and named by the same rules
as what the other side writes (docs/decisions/0041-one-engine-two-ends.md).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from gimmal.base.display import displayable_path
from gimmal.base.errors import RemoteError
from gimmal.base.workers import Workers
from gimmal.protocol.codec import decode_bundle_items
from gimmal.protocol.codes import Code, error_here
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import (
    Answer,
    BundleFile,
    Done,
    Failed,
    ListChunks,
    Read,
    ReadBundle,
    Request,
    Reused,
    Version,
    Write,
    WriteBundle,
)
from gimmal.remote.files import Block, Bundle, Files
from gimmal.share.loading import load_range
from gimmal.share.service import ShareSession
from gimmal.transport.buffers import BufferPool


class LocalFiles(Files):
    """Files of this computer.

    Args:
        share: the share room's session over the folders concerned.
        pool: record buffers, shared with the session the bytes go to or come from.
        workers: threads.
        roots: where the folders concerned lie, by the first part of their wire paths.
    """

    def __init__(
        self, share: ShareSession, pool: BufferPool, workers: Workers, roots: Mapping[str, Path] | None = None
    ) -> None:
        self._roots = roots or {}
        self._share = share
        self._pool = pool
        self._workers = workers

    def shown(self, path: str) -> str:
        """See Files: as a path of this computer."""
        name, _slash, below = path.partition("/")
        root = self._roots.get(name)
        return displayable_path(os.path.join(root, below) if root is not None and below else path)

    def tells_mode(self, path: str) -> bool:
        """See Files: a command's shares are its own (``Share.own``)."""
        return True

    def lasting_path(self, path: str) -> str:
        """See Files: without its first part, which tells the sources of one command apart by their order."""
        return path.partition("/")[2]

    def offers(self, feature: int) -> bool:
        """See Files: both ends are this program."""
        return True

    def error(self, code: int, path: str = "") -> RemoteError:
        """See Files: in words about this computer."""
        return error_here(code, self.shown(path) if path else "")

    async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
        """See Files; a disk of this computer has no deadline."""
        pool = self._workers.long if isinstance(request, ListChunks) else self._workers.call
        return await pool(self._share.answer, request)

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        """See Files."""
        request = Read(path, offset, length, version, sparse)
        loaded = await self._workers.bulk(load_range, self._share, self._pool, request)
        if isinstance(loaded, Failed):
            raise self.error(loaded.code, path)
        return Block(loaded.pieces, loaded.length, loaded.digest)

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
        block = await load()
        # Where this is cancelled a thread may still read from the buffers: they are not given back then.
        answer = await self._workers.bulk(self._write, Write(part, offset, length, sparse, reused), block)
        self.release(block)
        self.expect(answer, Done, "")
        return block.digest

    def _write(self, request: Write, block: Block) -> Answer:
        if block.length != request.length:
            return Failed(Code.CHANGED)
        writer = self._share.begin_write(request)
        if isinstance(writer, Failed):
            return writer
        answer: Answer | None = None
        try:
            answer = writer.finish(block.digest, block.pieces)
        finally:
            if answer is None:
                writer.abandon()
        return answer

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        """See Files."""
        header, contents = await self._workers.bulk(self._share.read_bundle, ReadBundle(folder, names, xattrs))
        items = decode_bundle_items(header)
        # The share room gives contents only for the files that are there.
        there = iter(contents)
        return Bundle(items, [memoryview(b"" if item.code else next(there)) for item in items], _nothing)

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        """See Files."""
        written = await self._workers.bulk(self._share.write_bundle, request, files, list(contents))
        if isinstance(written, Failed):
            raise self.error(written.code, request.folder)
        self.bare += written.bare
        return written.codes

    def foresee(self, size: int) -> None:
        """See Files: nothing has to get ready here."""

    def release(self, block: Block) -> None:
        """See Files."""
        for piece in block.pieces:
            if piece.owner is not None:
                self._pool.give(piece.owner)
                piece.owner = None
        block.pieces = []


def _nothing() -> None:
    pass
