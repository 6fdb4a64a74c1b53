"""A command's requests, passed on by the agent into its session with the other side.

The command speaks the protocol between halves to its own agent; bytes stay in the buffers they arrived in.
"""

from __future__ import annotations

import asyncio
from functools import partial

from gimmal.agent.forwarded_notices import NOTICES, ForwardedNotices
from gimmal.agent.open_edits import OpenEdits
from gimmal.agent.open_parts import OpenParts
from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.codec import decode_struct, encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import (
    Answer,
    Commit,
    CommitEdit,
    Discard,
    DiscardEdit,
    List,
    Measure,
    Measured,
    MeasureUp,
    OpenEdit,
    OpenPart,
    Packing,
    QuickEdit,
    Read,
    ReadBundle,
    ReadEdit,
    Request,
    StreamEnd,
    Write,
    WriteBundle,
    WriteEdit,
)
from gimmal.protocol.reused import reused_bytes
from gimmal.transport.asking import size_of
from gimmal.transport.exchange import AnswerSink, BundleSink, Incoming, LinkLost, Piece
from gimmal.transport.link import Link
from gimmal.transport.packing import Packer, pack_bundle, packing_level
from gimmal.transport.ranges import SMALL_READ, RangeRead, read_measured, read_range
from gimmal.transport.session import Session

STREAMS_AT_ONCE = 8
"""Blocks and bundles of one command that are in the agent's memory at a time."""


_PACKED = {RecordKind.DATA: RecordKind.PACKED, RecordKind.BUNDLE: RecordKind.PACKED_BUNDLE}


class Forwarding:
    """Answers one command's requests by asking the other side.

    Args:
        session: with the other side.
        tasks: of the agent, for what has to be told to the other side after the command has gone.
    """

    def __init__(self, session: Session, tasks: Tasks) -> None:
        self._session = session
        self._pool = session.pool
        self._streams = asyncio.Semaphore(STREAMS_AT_ONCE)
        self._packer = Packer()
        self._parts = OpenParts(session, tasks)
        self._edits = OpenEdits(session, tasks)
        self._notices = ForwardedNotices(session)

    async def handle(self, incoming: Incoming) -> Answer | None:
        """See transport.answering.Handler."""
        try:
            return await self._forward(incoming)
        except GimmalError as exc:
            if not self._session.over:
                raise
            # The command's session is ended in a moment, and says why. An answer would say that the request failed.
            raise LinkLost("the session with the other side is over") from exc

    async def _forward(self, incoming: Incoming) -> Answer | None:
        request = incoming.request
        if isinstance(request, Read):
            async with self._streams:
                return await self._read(
                    incoming, request.offset, await read_range(self._session, request, unpacked=False)
                )
        if isinstance(request, Measure) and request.what is Measured.LINE:
            async with self._streams:
                return await self._read(incoming, 0, await read_measured(self._session, request.length))
        if isinstance(request, ReadBundle):
            async with self._streams:
                return await self._read_bundle(incoming, request)
        if isinstance(request, Write) and reused_bytes(request.reused) == request.length:
            return await self._write(incoming, request)  # no bytes come with it
        if isinstance(request, Write | WriteBundle | MeasureUp):
            async with self._streams:
                return await self._write(incoming, request)
        if isinstance(request, OpenPart):
            return await self._parts.open(request)
        if isinstance(request, OpenEdit):
            return await self._edits.open(request)
        if isinstance(request, WriteEdit | ReadEdit | QuickEdit):
            async with self._streams:
                return await self._call(request, bulk=size_of(request) > SMALL_READ)
        if isinstance(request, NOTICES):
            return await self._notices.handle(incoming)
        if isinstance(request, List):
            request = self._notices.listed(request)
        answer = await self._session.call(request, deadline=None)
        if isinstance(request, Commit | Discard):
            self._parts.settled(request.part)
        if isinstance(request, CommitEdit | DiscardEdit):
            self._edits.answered(request, answer)
        return answer

    async def _call(self, request: Request, *, bulk: bool) -> Answer:
        sink = await self._session.exchange(request, AnswerSink, bulk=bulk)
        assert sink.answer is not None
        return sink.answer

    def watch(self, session: Session) -> None:
        """This is the session with the command: what is pushed goes there."""
        self._notices.streams = session.streams

    def attached(self, attached: bool) -> None:
        """See transport.answering.Handler; a command's one link lives as long as the command."""

    def session_ended(self) -> None:
        """See transport.answering.Handler."""
        self._parts.leave()
        self._edits.leave()
        self._notices.leave()

    async def _read(self, incoming: Incoming, start: int, read: RangeRead) -> Answer | None:
        if read.answer is not None:
            return read.answer
        try:
            while read.pieces:
                piece = read.pieces.pop(0)
                await self._pass_on(incoming.link, incoming.number, start + piece.at, piece)
        finally:
            for piece in read.pieces:
                if piece.owner is not None:
                    self._pool.give(piece.owner)
        end = encode(StreamEnd(read.digest))
        incoming.link.post(RecordKind.END, incoming.number, read.received, end)
        return None

    async def _read_bundle(self, incoming: Incoming, request: ReadBundle) -> Answer | None:
        make_sink = partial(BundleSink, packed=request.packing is not Packing.NEVER)
        sink = await self._session.exchange(request, make_sink, bulk=True)
        if sink.answer is not None:
            return sink.answer
        piece = sink.piece
        assert piece is not None
        link, number = incoming.link, incoming.number
        kind = RecordKind.PACKED_BUNDLE if piece.packed_from else RecordKind.BUNDLE
        if piece.owner is None:
            link.post(kind, number, sink.header_length, piece.body)
        else:
            await link.send_buffer(kind, number, sink.header_length, piece.owner, len(piece.body))
        return None

    async def _pass_on(self, link: Link, number: int, offset: int, piece: Piece) -> None:
        kind = RecordKind.PACKED if piece.packed_from else RecordKind.DATA
        if piece.owner is None:
            await link.writable()
            link.post(kind, number, offset, piece.body)
        else:
            await link.send_buffer(kind, number, offset, piece.owner, len(piece.body))

    async def _write(self, incoming: Incoming, request: Write | WriteBundle | MeasureUp) -> Answer:
        records: list[tuple[RecordKind, int, Piece]] = []

        async def send(link: Link, number: int) -> None:
            # As they come, so that a command that sends slowly is slow on the line too; kept for another try.
            sent = 0
            while True:
                while sent < len(records):
                    kind, offset, piece = records[sent]
                    sent += 1
                    # Copied for each try: a buffer that was sent is sealed in place and cannot be sent again.
                    kind, body = await self._packed(link, request, kind, piece)
                    buffer = self._pool.take()
                    buffer.body[: len(body)] = body
                    await link.send_buffer(kind, number, offset, buffer, len(body))
                    if kind not in (RecordKind.DATA, RecordKind.PACKED):
                        return
                await self._collect(incoming, records)

        try:
            sink = await self._session.exchange(request, AnswerSink, send_more=send, bulk=True)
        finally:
            for _kind, _offset, piece in records:
                incoming.give(piece)
        assert sink.answer is not None
        return sink.answer

    async def _packed(
        self, link: Link, request: Write | WriteBundle | MeasureUp, kind: RecordKind, piece: Piece
    ) -> tuple[RecordKind, bytes | memoryview]:
        """A record as it is to be sent on: the command does not see the line, so it is packed here."""
        if isinstance(request, MeasureUp):
            return kind, piece.body
        if kind in (RecordKind.DATA, RecordKind.BUNDLE) and (level := packing_level(request.packing, link)):
            if isinstance(request, Write):
                packed = await asyncio.to_thread(self._packer.pack_record, request.part, piece.body, level)
            else:
                packed = await asyncio.to_thread(pack_bundle, piece.body, level)
            if packed is not None:
                return _PACKED[kind], packed
        return kind, piece.body

    async def _collect(self, incoming: Incoming, records: list[tuple[RecordKind, int, Piece]]) -> None:
        """Add what has come of a command's stream, no more than it announced; waits for at least one record."""
        for kind, offset, piece in await incoming.records():
            records.append((kind, offset, piece))
            if kind is RecordKind.END:
                decode_struct(StreamEnd, piece.body)
