"""A command's requests, passed on by the agent into its session with the other side.

The command speaks the protocol between halves to its own agent; bytes stay in the buffers they arrived in.
"""

from __future__ import annotations

import asyncio

from gimmal.agent.open_parts import OpenParts
from gimmal.base.errors import ProtocolViolation
from gimmal.base.tasks import Tasks
from gimmal.protocol.codec import decode_struct, encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import (
    Answer,
    Commit,
    Discard,
    OpenPart,
    Read,
    ReadBundle,
    StreamEnd,
    Write,
    WriteBundle,
)
from gimmal.transport.exchange import AnswerSink, BundleSink, Incoming, Piece
from gimmal.transport.link import Link
from gimmal.transport.ranges import read_range
from gimmal.transport.session import Session

STREAMS_AT_ONCE = 8
"""Blocks and bundles of one command that are in the agent's memory at a time."""


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
        self._parts = OpenParts(session, tasks)

    async def handle(self, incoming: Incoming) -> Answer | None:
        """See transport.answering.Handler."""
        request = incoming.request
        if isinstance(request, Read):
            async with self._streams:
                return await self._read(incoming, request)
        if isinstance(request, ReadBundle):
            async with self._streams:
                return await self._read_bundle(incoming, request)
        if isinstance(request, Write | WriteBundle):
            async with self._streams:
                return await self._write(incoming, request)
        if isinstance(request, OpenPart):
            return await self._parts.open(request)
        answer = await self._session.call(request, deadline=None)
        if isinstance(request, Commit | Discard):
            self._parts.settled(request.part)
        return answer

    def attached(self, attached: bool) -> None:
        """See transport.answering.Handler; a command's one link lives as long as the command."""

    def session_ended(self) -> None:
        """See transport.answering.Handler."""
        self._parts.leave()

    async def _read(self, incoming: Incoming, request: Read) -> Answer | None:
        read = await read_range(self._session, request)
        if read.answer is not None:
            return read.answer
        try:
            while read.pieces:
                piece = read.pieces.pop(0)
                await self._pass_on(incoming.link, incoming.number, request.offset + piece.at, piece)
        finally:
            for piece in read.pieces:
                if piece.owner is not None:
                    self._pool.give(piece.owner)
        end = encode(StreamEnd(read.digest))
        incoming.link.post(RecordKind.END, incoming.number, read.received, end)
        return None

    async def _read_bundle(self, incoming: Incoming, request: ReadBundle) -> Answer | None:
        sink = await self._session.exchange(request, BundleSink, bulk=True)
        if sink.answer is not None:
            return sink.answer
        piece = sink.piece
        assert piece is not None
        link, number = incoming.link, incoming.number
        if piece.owner is None:
            link.post(RecordKind.BUNDLE, number, sink.header_length, piece.body)
        else:
            await link.send_buffer(RecordKind.BUNDLE, number, sink.header_length, piece.owner, len(piece.body))
        return None

    async def _pass_on(self, link: Link, number: int, offset: int, piece: Piece) -> None:
        if piece.owner is None:
            await link.writable()
            link.post(RecordKind.DATA, number, offset, piece.body)
        else:
            await link.send_buffer(RecordKind.DATA, number, offset, piece.owner, len(piece.body))

    async def _write(self, incoming: Incoming, request: Write | WriteBundle) -> Answer:
        records: list[tuple[RecordKind, int, Piece]] = []

        async def send(link: Link, number: int) -> None:
            # As they come, so that a command that sends slowly is slow on the line too; kept for another try.
            sent = 0
            while True:
                while sent < len(records):
                    kind, offset, piece = records[sent]
                    sent += 1
                    # Copied for each try: a buffer that was sent is sealed in place and cannot be sent again.
                    buffer = self._pool.take()
                    size = len(piece.body)
                    buffer.body[:size] = piece.body
                    await link.send_buffer(kind, number, offset, buffer, size)
                    if kind is not RecordKind.DATA:
                        return
                await self._collect(incoming, request, records)

        try:
            sink = await self._session.exchange(request, AnswerSink, send_more=send, bulk=True)
        finally:
            for _kind, _offset, piece in records:
                incoming.give(piece)
        assert sink.answer is not None
        return sink.answer

    async def _collect(
        self, incoming: Incoming, request: Write | WriteBundle, records: list[tuple[RecordKind, int, Piece]]
    ) -> None:
        """Add what has come of a command's stream; waits for at least one record."""
        for kind, offset, piece in await incoming.records():
            records.append((kind, offset, piece))
            if kind is RecordKind.END:
                decode_struct(StreamEnd, piece.body)
        if isinstance(request, Write) and sum(
            len(piece.body) for kind, _, piece in records if kind is RecordKind.DATA
        ) > (request.length):
            raise ProtocolViolation("a command sent more than it announced")
