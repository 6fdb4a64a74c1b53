"""Requests of the other side, done by the share room in threads and answered over the session.

This is the only file of the room that knows asyncio: it moves records between a session and the blocking functions
of ``ShareSession``, and bounds how much of one peer's work is in memory at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import CancelledError as Cancelled

from msgspec.structs import replace

from gimmal.base.budget import ByteBudget
from gimmal.base.errors import ProtocolViolation
from gimmal.base.fair_budget import FairBudget
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.codec import decode_struct, encode, split_bundle_files
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX
from gimmal.protocol.messages import (
    Answer,
    BundleWritten,
    Commit,
    CommitEdit,
    Copy,
    DiscardEdit,
    Done,
    EmptyTrash,
    Failed,
    ListChunks,
    MakeDurable,
    OpenEdit,
    OpenPart,
    QuickEdit,
    Read,
    ReadBundle,
    ReadEdit,
    Request,
    StreamEnd,
    Trash,
    TruncateEdit,
    Write,
    WriteBundle,
    WriteEdit,
)
from gimmal.share.loading import Loaded, load_range
from gimmal.share.measure_serving import MEASURES, MeasureServing
from gimmal.share.notice_serving import NOTICES, NoticeServing
from gimmal.share.part_reusing import ReusingWriter
from gimmal.share.part_writing import PartWriter
from gimmal.share.service import MADE, ShareSession
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.exchange import Incoming, Piece
from gimmal.transport.packing import Packer, pack_buffer, packing_level, unpacked
from gimmal.transport.ranges import SMALL_READ
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.share")

READ_BYTES_AT_ONCE = 16 << 20
"""Bytes of ranges and bundles of one session that are in memory at a time, those handed to its links not counted."""

READ_BYTES_OF_ALL = 64 << 20
"""As many of all sessions together, beside one block of each."""

SMALL_READS_AT_ONCE = 2
"""Ranges of at most SMALL_READ bytes, asked for beside questions, that are in memory besides: they wait for no copy."""

CALLS_AT_ONCE = 8
"""Other requests of one session that are in threads at a time."""

WHOLE_FILE = (OpenPart, Commit, Copy, Trash, EmptyTrash, MakeDurable)
"""Requests that may take as long as reading or flushing a file or looking through a tree; calls must not wait."""

WHOLE_FILES_AT_ONCE = 4
"""Of those, how many of one session are in threads at a time."""

EDITED_BYTES = (WriteEdit, ReadEdit, TruncateEdit)
"""Requests for the bytes of an edit; the first after a commit may have to copy the file."""

EDITED_AT_ONCE = 2
"""Of those, how many of one session are in threads at a time."""

SMALL_EDIT = 64 << 20
"""Bytes up to which copying what an edit keeps takes no longer than a call: a save need not wait for whole files."""

SMALL_EDITS_AT_ONCE = 2
"""Edits that keep no more and are begun, of one session, in threads at a time."""

LONG_READS_AT_ONCE = 2
"""Files of one session that are cut into chunks, read again or measured at a time: each takes a processor and a disk.

Two threads for long work are left to commits, whatever one peer asks to be read.
"""

MAKINGS_AT_ONCE = 2
"""Processes that make something of a file for one session at a time; each takes a processor or two."""

TIDY_SECONDS = 10.0
"""Between two looks at what is kept for further edits, while there is any."""

ANSWER_SECONDS = 5.0
"""How long a peer has to answer before another session takes over its part file."""


class Serving:
    """Answers the requests of one session.

    Args:
        share: the session's share side.
        pool: record buffers.
        workers: threads.
        reads: bytes that are read for all sessions at a time; None where this is the only one.
        began: is told the session when it is known.
    """

    def __init__(
        self,
        share: ShareSession,
        pool: BufferPool,
        workers: Workers,
        reads: FairBudget | None = None,
        began: Callable[[Session], None] | None = None,
    ) -> None:
        self._reads_of_all = (reads or FairBudget(READ_BYTES_OF_ALL, BLOCK_SIZE)).share()
        self._share = share
        self._began = began
        self._pool = pool
        self._workers = workers
        self._reads = ByteBudget(READ_BYTES_AT_ONCE)
        self._small_reads = asyncio.Semaphore(SMALL_READS_AT_ONCE)
        self._packer = Packer()
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)
        self._tidying = self._over = False
        self._small_edits = asyncio.Semaphore(SMALL_EDITS_AT_ONCE)
        self._edited = asyncio.Semaphore(EDITED_AT_ONCE)
        self._whole_files = asyncio.Semaphore(WHOLE_FILES_AT_ONCE)
        self._measures = MeasureServing(self._read_long, self._reading, pool, workers)
        self._notices = NoticeServing(share, workers, self._calls)
        self._tasks = Tasks()
        self._long_reads = asyncio.Semaphore(LONG_READS_AT_ONCE)
        self._makings = asyncio.Semaphore(MAKINGS_AT_ONCE)

    async def handle(self, incoming: Incoming) -> Answer | None:
        """See transport.answering.Handler."""
        request = incoming.request
        if isinstance(request, Read) and request.length <= SMALL_READ and not incoming.link.bulk:
            async with self._small_reads:
                return await self._read(incoming, request)
        if isinstance(request, Read):
            async with self._reading(min(request.length, BLOCK_SIZE)):
                return await self._read(incoming, request)
        if isinstance(request, ReadBundle):
            async with self._reading(BODY_MAX):
                return await self._read_bundle(incoming, request)
        if isinstance(request, Write):
            return await self._write(incoming, request)
        if isinstance(request, WriteBundle):
            return await self._write_bundle(incoming, request)
        if isinstance(request, MEASURES):
            return await self._measures.handle(incoming)
        if isinstance(request, NOTICES):
            return await self._notices.handle(incoming)
        if isinstance(request, OpenEdit | QuickEdit) and request.kept <= SMALL_EDIT:
            async with self._small_edits:
                return await self._edited_file(self._workers.call, request)
        if isinstance(request, OpenEdit | QuickEdit | CommitEdit):
            async with self._whole_files:
                return await self._edited_file(self._workers.long, request)
        if isinstance(request, WHOLE_FILE):
            async with self._whole_files:
                return await self._workers.long(self._share.answer, request)
        if isinstance(request, EDITED_BYTES):
            async with self._edited:
                return await self._workers.bulk(self._share.answer, request)
        if isinstance(request, MADE):
            return await self._make(request)
        if isinstance(request, ListChunks):
            return await self._read_long(request)
        async with self._calls:
            if isinstance(request, DiscardEdit):
                return await self._edited_file(self._workers.call, request)
            return await self._workers.call(self._share.answer, request)

    async def _edited_file(
        self, pool: Callable[[Callable[[Request], Answer], Request], Awaitable[Answer]], request: Request
    ) -> Answer:
        """Begin or place an edit; what is kept for the next one goes after a while."""
        try:
            return await pool(self._share.answer, request)
        finally:
            if self._share.keeps_spares and not self._tidying and not self._over:
                self._tidying = True
                self._tasks.start(self._tidy(), "spares of edits")

    async def _tidy(self) -> None:
        try:
            more = True
            while more:
                await asyncio.sleep(TIDY_SECONDS)
                more = await self._workers.call(self._share.drop_old_spares)
        finally:
            self._tidying = False

    @contextlib.asynccontextmanager
    async def _reading(self, size: int) -> AsyncIterator[None]:
        """Have so many bytes in memory for an answer; waits until they may be taken."""
        async with self._reads.taken(size), self._reads_of_all.lent(size):
            yield

    async def _read_long(self, request: Request) -> Answer:
        """Do what reads much of a disk, a few at a time."""
        await self._long_reads.acquire()
        # A thread cannot be stopped: one whose asker wants no answer any more keeps its place until it is done.
        return await asyncio.shield(self._tasks.start(self._long_read(request), f"work of {type(request).__name__}"))

    async def _long_read(self, request: Request) -> Answer:
        try:
            return await self._workers.long(self._share.answer, request)
        finally:
            self._long_reads.release()

    async def _make(self, request: Request) -> Answer:
        """Have something made by a process, which is ended where nobody wants it any more."""
        unwanted = threading.Event()
        await self._makings.acquire()
        try:
            return await asyncio.shield(self._tasks.start(self._making(request, unwanted), f"{type(request).__name__}"))
        finally:
            unwanted.set()

    async def _making(self, request: Request, unwanted: threading.Event) -> Answer:
        try:
            return await self._workers.waiting(self._share.make, request, unwanted)
        finally:
            self._makings.release()

    def attached(self, attached: bool) -> None:
        """See transport.answering.Handler."""
        self._share.set_attached(attached)

    def watch(self, session: Session) -> None:
        """This is the session: it says whether its peer answers, when another wants the part files it holds open."""
        if self._began is not None:
            self._began(session)
        self._notices.streams = session.streams
        loop = asyncio.get_running_loop()

        def answers() -> bool:
            try:
                return asyncio.run_coroutine_threadsafe(session.hears(ANSWER_SECONDS), loop).result(2 * ANSWER_SECONDS)
            except (TimeoutError, RuntimeError, Cancelled):
                return False  # the loop is busy or over: nothing comes from there

        self._share.set_answers(answers)

    def session_ended(self) -> None:
        """See transport.answering.Handler."""
        self._share.set_answers(_never)  # what it was leads back to the session
        self._notices.close()
        self._over = True
        self._tasks.cancel()
        self._share.set_attached(False)  # at once: who comes back need not wait for the thread
        self._workers.start(self._share.close)

    async def _read(self, incoming: Incoming, request: Read) -> Answer | None:
        level = packing_level(request.packing, incoming.link)
        loaded = await self._workers.bulk(self._load, request, level)
        if isinstance(loaded, Failed):
            return loaded
        link, number = incoming.link, incoming.number
        try:
            while loaded.pieces:
                piece = loaded.pieces.pop(0)
                offset = request.offset + piece.at
                kind = RecordKind.PACKED if piece.packed_from else RecordKind.DATA
                if piece.owner is None:
                    await link.writable()
                    link.post(kind, number, offset, piece.body)
                else:
                    await link.send_buffer(kind, number, offset, piece.owner, len(piece.body))
        finally:
            loaded.give_back(self._pool)
        link.post(RecordKind.END, number, loaded.length, encode(StreamEnd(loaded.digest)))
        return None

    def _load(self, request: Read, level: int) -> Loaded | Failed:
        loaded = load_range(self._share, self._pool, request)
        if level and isinstance(loaded, Loaded):
            self._packer.pack_pieces((request.path, request.version), loaded.pieces, level)
        return loaded

    async def _read_bundle(self, incoming: Incoming, request: ReadBundle) -> Answer | None:
        level = packing_level(request.packing, incoming.link)
        kind, buffer, header_length, length = await self._workers.bulk(self._load_bundle, request, level)
        await incoming.link.send_buffer(kind, incoming.number, header_length, buffer, length)
        return None

    def _load_bundle(self, request: ReadBundle, level: int) -> tuple[RecordKind, RecordBuffer, int, int]:
        header, contents = self._share.read_bundle(request)
        buffer = self._pool.take()
        body = buffer.body
        at = len(header)
        body[:at] = header
        for content in contents:
            body[at : at + len(content)] = content
            at += len(content)
        if level and (packed := pack_buffer(buffer, at, level)):
            return RecordKind.PACKED_BUNDLE, buffer, len(header), packed
        return RecordKind.BUNDLE, buffer, len(header), at

    async def _write(self, incoming: Incoming, request: Write) -> Answer:
        writer = await self._workers.bulk(self._share.begin_write, request)
        if isinstance(writer, Failed):
            return writer
        answer: Answer | None = None
        saved = 0
        try:
            while answer is None:
                pieces: list[Piece] = []
                digest: bytes | None = None
                for kind, offset, piece in await incoming.records():
                    # Their order is checked where they arrive, their places once more by the writer.
                    if kind in (RecordKind.DATA, RecordKind.PACKED) and digest is None:
                        piece.at = offset - request.offset
                        saved += piece.saved
                        pieces.append(piece)
                    elif kind is RecordKind.END and digest is None:
                        digest = decode_struct(StreamEnd, piece.body).digest
                    else:
                        raise ProtocolViolation(f"the other side sent {kind.name} inside a write")
                answer = await self._workers.bulk(_put, writer, pieces, digest)
                for piece in pieces:
                    incoming.give(piece)
        finally:
            if answer is None:
                await asyncio.shield(self._workers.bulk(writer.abandon))
        return Done(saved) if isinstance(answer, Done) else answer

    async def _write_bundle(self, incoming: Incoming, request: WriteBundle) -> Answer:
        records = await incoming.records()
        kind, header_length, piece = records[0]
        if kind not in (RecordKind.BUNDLE, RecordKind.PACKED_BUNDLE) or len(records) != 1:
            raise ProtocolViolation(f"the other side sent {kind.name} where one BUNDLE was due")
        answer = await self._workers.bulk(self._put_bundle, request, header_length, piece)
        incoming.give(piece)
        return replace(answer, saved=piece.saved) if isinstance(answer, BundleWritten) else answer

    def _put_bundle(self, request: WriteBundle, header_length: int, piece: Piece) -> BundleWritten | Failed:
        [plain] = unpacked([piece])
        return self._share.write_bundle(request, *split_bundle_files(plain.body, header_length))


def _put(writer: PartWriter | ReusingWriter, pieces: list[Piece], digest: bytes | None) -> Done | Failed | None:
    """Write what came, and with END the rest: unpacked in the thread that writes it, so only as many as there are."""
    plain = unpacked(pieces)
    if digest is not None:
        return writer.finish(digest, plain)
    writer.write_pieces(plain)
    return None


def _never() -> bool:
    return False
