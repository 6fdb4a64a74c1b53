"""A patch for a side that does not know edits: changes wait in memory, then the whole file is sent by a part."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.base.primitives import blake3_digest, random_bytes
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import block_count, block_length, file_digest
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX, SPARSE_SIZE_MAX
from gimmal.protocol.messages import Attributes, Commit, OpenPart, Replace, Version
from gimmal.remote.files import Block, Files, version_of
from gimmal.remote.patch import Data, Patch
from gimmal.remote.patch_order import PatchOrder
from gimmal.remote.reading import read_verified
from gimmal.transport.exchange import Piece

HELD_MAX = 16
"""Blocks of one patch that may be changed: they are in memory, for no disk may hold them."""


class WholePatch(Patch):
    """See Patch; ``write`` raises RemoteError ``too_large`` where more than HELD_MAX blocks are touched.

    Args:
        as for `remote.patching.open_patch`.
    """

    def __init__(
        self, files: Files, path: str, *, base: Version | None, kept: int, size: int, replace: Replace
    ) -> None:
        self._files = files
        self._path = path
        self._base = base
        self._kept = kept
        self._size = size
        self._replace = replace
        self._blocks: dict[int, bytearray] = {}
        """Those that are not the base's, by their index; what is missing at the end of one is zeros."""
        self._order = PatchOrder()
        self._over = False

    async def write_many(self, ranges: Sequence[tuple[int, Data]]) -> None:
        """See Patch."""
        async with self._order.turn():
            self._check()
            with self._order.changing():
                for offset, data in ranges:
                    await self._write(offset, memoryview(data).cast("B"))

    async def read(self, offset: int, length: int) -> bytes:
        """See Patch."""
        async with self._order.turn(writes=False):
            self._check()
            read = b""
            end = min(offset + length, self._size)
            while offset < end:
                index, at = divmod(offset, BLOCK_SIZE)
                count = min(BLOCK_SIZE - at, end - offset)
                read += bytes((await self._block(index))[at : at + count]).ljust(count, b"\0")
                offset += count
            return read

    async def truncate(self, size: int) -> None:
        """See Patch."""
        async with self._order.turn():
            self._check()
            self._check_size(size)
            index, at = divmod(size, BLOCK_SIZE)
            for beyond in [each for each in self._blocks if each * BLOCK_SIZE >= size]:
                del self._blocks[beyond]
            if index in self._blocks:
                del self._blocks[index][at:]
            self._size, self._kept = size, min(self._kept, size)

    async def commit(
        self, *, mtime_ns: int | None, mode: int | None, durable: bool, keep_open: bool = False, path: str = ""
    ) -> Attributes:
        """See Patch."""
        async with self._order.turn():
            self._check()
            replace = Replace.NEVER if path else self._replace
            expected = self._base if replace is Replace.EXPECTED else None
            target = path or self._path
            request = OpenPart(target, self._size, random_bytes(16), replace, expected)
            part = (await self._files.open_part(request)).part
            try:
                digests = [await self._send(part, index) for index in range(block_count(self._size))]
                time_ns = time.time_ns() if mtime_ns is None else mtime_ns
                commit = Commit(part, file_digest(self._size, digests), time_ns, mode, durable)
                placed = await self._files.commit(commit, target)
            except BaseException:
                with contextlib.suppress(GimmalError):
                    await self._files.discard(part, remove=True)
                raise
            self._blocks.clear()
            self._base, self._kept, self._replace = version_of(placed), self._size, Replace.EXPECTED
            self._over = not keep_open
            return placed

    async def discard(self) -> None:
        """See Patch."""
        self._over = True
        self._blocks.clear()

    def _check(self) -> None:
        self._order.check()
        if self._over:
            raise self._files.error(Code.UNKNOWN_PART, self._path)

    def _check_size(self, size: int) -> None:
        if size > SPARSE_SIZE_MAX:
            raise self._files.error(Code.TOO_LARGE, self._path)

    async def _write(self, offset: int, view: memoryview) -> None:
        end = offset + len(view)
        self._check_size(end)
        while view:
            index, at = divmod(offset, BLOCK_SIZE)
            count = min(len(view), BLOCK_SIZE - at)
            if index not in self._blocks:
                if len(self._blocks) >= HELD_MAX:
                    raise RemoteError(
                        "too_large",
                        f"{self._files.shown(self._path)}: too much of it was changed for the gimmal on the other side",
                        "update gimmal on the other side",
                    )
                self._blocks[index] = bytearray() if count == BLOCK_SIZE else await self._block(index)
            block = self._blocks[index]
            block.extend(bytes(max(0, at - len(block))))
            block[at : at + count] = view[:count]
            offset, view = offset + count, view[count:]
        self._size = max(self._size, end)

    async def _block(self, index: int) -> bytearray:
        """A block as it is now, maybe without zeros at its end; that of the patch itself where it is held."""
        held = self._blocks.get(index)
        if held is not None:
            return held
        start = index * BLOCK_SIZE
        length = min(BLOCK_SIZE, self._kept - start)
        block = bytearray(max(0, length))
        if self._base is not None and length > 0:
            read = await read_verified(self._files, self._path, start, length, self._base)
            try:
                for piece in read.pieces:
                    block[piece.at : piece.at + len(piece.body)] = piece.body
            finally:
                self._files.release(read)
        return block

    async def _send(self, part: int, index: int) -> bytes:
        offset, length = index * BLOCK_SIZE, block_length(self._size, index)

        async def load() -> Block:
            content = memoryview(bytes((await self._block(index))[:length]).ljust(length, b"\0"))
            pieces = [Piece(content[at : at + BODY_MAX], None, at) for at in range(0, length, BODY_MAX)]
            return Block(pieces, length, blake3_digest(content))

        return await self._files.write_block(part, offset, length, load)
