"""The other side's files, through a session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from msgspec.structs import replace

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.codec import encode, split_bundle_items
from gimmal.protocol.features import PACKED
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import (
    Answer,
    BundleFile,
    BundleWritten,
    Done,
    Failed,
    Packing,
    Read,
    ReadBundle,
    Request,
    Reused,
    StreamEnd,
    Version,
    Write,
    WriteBundle,
)
from gimmal.remote.files import BLOCKS_AT_ONCE, Block, Bundle, Files
from gimmal.transport.exchange import AnswerSink, BundleSink
from gimmal.transport.link import Link, PathKind
from gimmal.transport.packing import Packer, pack_buffer, packing_level
from gimmal.transport.ranges import SMALL_READ, read_range, unpack_answer
from gimmal.transport.session import Session

if TYPE_CHECKING:
    from gimmal.share.using import Using

BLOCKS_MAX = 12
"""Blocks under way at a time, however many links there are: what bounds a copy's memory."""

BLOCKS_THROUGH_AGENT = 8


class RemoteFiles(Files):
    """Files of the other side.

    Args:
        session: what the questions go through.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._pool = session.pool
        self._round_trip = inf
        self.sending: AbstractAsyncContextManager[object] = nullcontext()
        """Held while the records of a block are sent."""
        self.packing = Packing.NEVER
        """What the other side is allowed, and this side does."""
        self.choose_packing(Packing.SLOW)
        self.saved = 0
        """How many bytes fewer went either way than were read and written, because they were packed."""
        self._packer = Packer()
        self.using: Using | None = None
        """Is told what is done there, where somebody keeps a log of it."""

    def choose_packing(self, packing: Packing) -> None:
        """Say whether bytes may be packed; never where the other side does not know how."""
        self.packing = packing if self.offers(PACKED) else Packing.NEVER

    async def pace(self, count: int) -> None:
        """Called before each bulk record of so many bytes is sent."""

    def offers(self, feature: int) -> bool:
        """See Files."""
        return bool(self.session.peer.features & feature)

    @property
    def round_trip(self) -> float:
        """See Files: the shortest time that any question took so far."""
        return self._round_trip if self._round_trip < inf else 0.0

    @property
    def blocks_at_once(self) -> int:
        """See Files: enough for all links, or for those of the agent, which are not seen from here."""
        if any(link.path is PathKind.LOCAL for link in self.session.links):
            return BLOCKS_THROUGH_AGENT
        return min(BLOCKS_AT_ONCE + 2 * max(0, self.session.bulk.count - 1), BLOCKS_MAX)

    async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
        """See Files."""
        began = asyncio.get_running_loop().time()
        answer = await self.session.call(request, deadline=deadline)
        # The links know it too, but where an agent carries the questions on theirs is only that to the agent.
        self._round_trip = min(self._round_trip, asyncio.get_running_loop().time() - began)
        if self.using is not None:
            self.using.answered(request, answer)
        return answer

    async def send(self, request: Request, size: int) -> Answer:
        """See Files: over the links for bulk where it is more than a little."""
        await self.pace(size)
        if size <= SMALL_READ:
            return await self.ask(request, None)
        sink = await self.session.exchange(request, AnswerSink, bulk=True)
        assert sink.answer is not None
        if self.using is not None:
            self.using.answered(request, sink.answer)
        return sink.answer

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        """See Files."""
        request = Read(path, offset, length, version, sparse, self.packing)
        read = await read_range(self.session, request)
        if self.using is not None:
            self.using.read(request, read.answer if isinstance(read.answer, Failed) else read.received)
        if read.answer is not None:
            self.expect(read.answer, Block, path)
        self.saved += read.saved
        return Block(read.pieces, read.received, read.digest, read.saved)

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
        digest = b""

        async def send(link: Link, number: int) -> None:
            async with self.sending:
                if self.session.is_awaited(number):  # it may have been long until its turn came
                    await send_block(link, number)

        async def send_block(link: Link, number: int) -> None:
            nonlocal digest
            block = await load()
            digest = block.digest
            if level := packing_level(self.packing, link):
                # Where this is cancelled a thread may still write to the buffers: they are not given back then.
                await asyncio.to_thread(self._packer.pack_pieces, part, block.pieces, level)
            try:
                while block.pieces:
                    piece = block.pieces[0]
                    size, at = len(piece.body), offset + piece.at
                    kind = RecordKind.PACKED if piece.packed_from else RecordKind.DATA
                    await self.pace(size)
                    if not self.session.is_awaited(number):
                        return  # its link is over, or it is answered: it was done before, and only the answer lost
                    block.pieces.pop(0)
                    if piece.owner is None:
                        await link.writable()
                        link.post(kind, number, at, piece.body)
                    else:
                        await link.send_buffer(kind, number, at, piece.owner, size)
            finally:
                self.release(block)
            link.post(RecordKind.END, number, block.length, encode(StreamEnd(block.digest)))

        request = Write(part, offset, length, sparse, reused, self.packing)
        sink = await self.session.exchange(request, AnswerSink, send_more=send, bulk=True)
        assert sink.answer is not None
        self.saved += min(self.expect(sink.answer, Done, "").saved, length)
        return digest

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        """See Files."""
        make_sink = partial(BundleSink, packed=self.packing is not Packing.NEVER)
        request = ReadBundle(folder, names, xattrs, self.packing)
        sink = await self.session.exchange(request, make_sink, bulk=True)
        if sink.answer is not None:
            self.expect(sink.answer, Bundle, folder)
        piece = sink.piece
        assert piece is not None
        saved = piece.saved
        if saved:
            await unpack_answer(self.session, [piece])
            self.saved += saved
        items, contents = split_bundle_items(piece.body, sink.header_length)
        if len(items) != len(names):
            raise ProtocolViolation("the other side bundled another number of files than asked")
        if self.using is not None:
            self.using.read_items(request, items)

        def release() -> None:
            if piece.owner is not None:
                self._pool.give(piece.owner)
                piece.owner = None

        return Bundle(items, contents, release, saved)

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        """See Files."""
        header = encode(files)
        request = replace(request, packing=self.packing)

        async def send(link: Link, number: int) -> None:
            buffer = self._pool.take()
            at = len(header)
            buffer.body[:at] = header
            for content in contents:
                buffer.body[at : at + len(content)] = content
                at += len(content)
            kind = RecordKind.BUNDLE
            level = packing_level(self.packing, link)
            if level and (packed := await asyncio.to_thread(pack_buffer, buffer, at, level)):
                kind, at = RecordKind.PACKED_BUNDLE, packed
            await self.pace(at)
            await link.send_buffer(kind, number, len(header), buffer, at)

        sink = await self.session.exchange(request, AnswerSink, send_more=send, bulk=True)
        assert sink.answer is not None
        if self.using is not None and isinstance(sink.answer, BundleWritten | Failed):
            self.using.wrote_bundle(request, files, sink.answer)
        written = self.expect(sink.answer, BundleWritten, request.folder)
        self.bare += written.bare
        self.saved += written.saved
        codes = written.codes
        if len(codes) != len(files):
            raise ProtocolViolation("the other side answered for another number of files than sent")
        return codes

    def foresee(self, size: int) -> None:
        """See Files: links for bulk are dialled now, not when it already travels."""
        self.session.expect_bulk(size)

    def release(self, block: Block) -> None:
        """See Files."""
        for piece in block.pieces:
            if piece.owner is not None:
                self._pool.give(piece.owner)
        block.pieces = []
