"""The other side's files at no more than a rate: ranges are asked for, and sent, in small portions in turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gimmal.base.errors import ProtocolViolation
from gimmal.base.primitives import new_blake3
from gimmal.base.workers import Workers
from gimmal.protocol.chunk_messages import CHUNK_ENTRY_SIZE
from gimmal.protocol.chunks import ChunkPage
from gimmal.protocol.data_blocks import ZEROS
from gimmal.protocol.limits import DIGEST_SIZE
from gimmal.protocol.messages import ListChunks, Packing, Reused, Version
from gimmal.remote.files import Block, Bundle
from gimmal.remote.limit import Limit
from gimmal.remote.remote_files import RemoteFiles
from gimmal.transport.exchange import Piece
from gimmal.transport.session import Session
from gimmal.transport.slow_line import SLOW_RATE


class LimitedFiles(RemoteFiles):
    """See Files.

    Args:
        session: what the questions go through.
        limit: shared by all that one command does.
        workers: threads.
    """

    def __init__(self, session: Session, limit: Limit, workers: Workers) -> None:
        self._workers = workers
        self._limit = limit
        super().__init__(session)
        self.sending = limit.writing
        self.bundle_room = limit.bundle

    @property
    def rate_limit(self) -> float | None:
        """See Files."""
        return self._limit.rate

    async def chunks(self, request: ListChunks) -> ChunkPage:
        """See Files; waited for afterwards, for nobody knows before how many there are."""
        page = await super().chunks(request)
        await self._limit.wait(CHUNK_ENTRY_SIZE * len(page.chunks) + DIGEST_SIZE * len(page.blocks))
        return page

    def choose_packing(self, packing: Packing) -> None:
        """See RemoteFiles; a limit is a slow line, whatever the line is."""
        slow = packing is Packing.SLOW and self._limit.rate < SLOW_RATE
        super().choose_packing(Packing.ALWAYS if slow else packing)

    async def pace(self, count: int) -> None:
        """See RemoteFiles."""
        await self._limit.wait(count)

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        """See Files; the digest is made here, of portions that were each verified."""
        whole = Block([], 0, b"")
        hasher = new_blake3()
        async with self._limit.reading:
            try:
                for at, size in self._limit.portions(offset, length):
                    await self._limit.wait(size)
                    some = await super().read_block(path, at, size, version, sparse=sparse)
                    self._limit.give_back(size - sum(len(piece.body) for piece in some.pieces) + some.saved)
                    try:
                        await self._workers.bulk(_take_in, some, hasher.update)
                    except BaseException:
                        self.release(some)
                        raise
                    for piece in some.pieces:
                        piece.at += whole.length
                        whole.pieces.append(piece)
                    whole.length += some.length
                    if some.length < size:
                        break
            except BaseException:
                self.release(whole)
                raise
        whole.digest = hasher.digest()
        return whole

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

        async def load_cut() -> Block:
            block = await load()
            try:
                pieces = await self._workers.bulk(self._cut, block.pieces)
                return Block(pieces, block.length, block.digest)
            finally:
                self.release(block)

        return await super().write_block(part, offset, length, load_cut, sparse=sparse, reused=reused)

    def _cut(self, pieces: list[Piece]) -> list[Piece]:
        """Pieces of the size of one record each, of which only the last of a stream may be a short one."""
        record = self._limit.record
        cut: list[Piece] = []
        for piece in pieces:
            start = 0
            while start < len(piece.body):
                left = len(piece.body) - start
                size = left if left < 2 * record else record
                cut.append(Piece(memoryview(bytes(piece.body[start : start + size])), None, piece.at + start))
                start += size
        return cut

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        """See Files."""
        await self._limit.wait(self.bundle_room)
        bundle = await super().read_bundle(folder, names, xattrs=xattrs)
        self._limit.give_back(self.bundle_room - sum(map(len, bundle.contents)) + bundle.saved)
        return bundle


def _hash(block: Block, update: Callable[[memoryview], object]) -> None:
    zeros = memoryview(ZEROS)
    at = 0
    for piece in (*block.pieces, Piece(memoryview(b""), None, block.length)):
        while at < piece.at:
            count = min(len(zeros), piece.at - at)
            update(zeros[:count])
            at += count
        update(piece.body)
        at += len(piece.body)


def _take_in(block: Block, update: Callable[[memoryview], object]) -> None:
    """Add a portion to the digest of the whole, once it is seen to be what the other side read."""
    hasher = new_blake3()
    _hash(block, hasher.update)
    if hasher.digest() != block.digest:
        raise ProtocolViolation("the other side's bytes do not fit their digest", "run the command again")
    _hash(block, update)
