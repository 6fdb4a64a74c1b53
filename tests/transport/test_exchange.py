"""What an answer costs in memory while it comes."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX
from gimmal.protocol.messages import StreamEnd
from gimmal.transport.buffers import RECORD_SIZE_MAX, SLACK, BufferPool
from gimmal.transport.exchange import DATA_RECORD_MIN, RangeSink
from tests.transport.helpers import run


@pytest.mark.parametrize("size", [DATA_RECORD_MIN, 200_000, 600_000, BODY_MAX])
def test_a_range_in_small_records_costs_little_more_than_its_bytes(size: int) -> None:
    async def main() -> None:
        pool = BufferPool()
        sink = RangeSink(asyncio.get_running_loop().create_future(), pool, 0, BLOCK_SIZE)
        content = bytes(range(256)) * (BLOCK_SIZE // 256)
        at = 0
        while at < BLOCK_SIZE:
            buffer = pool.take()
            body = buffer.body[: min(size, BLOCK_SIZE - at)]
            body[:] = content[at : at + len(body)]
            if not sink.on_record(RecordKind.DATA, at, body, buffer):
                buffer.body[:] = bytes(BODY_MAX)
                pool.give(buffer)
            at += len(body)
        sink.on_record(RecordKind.END, at, memoryview(encode(StreamEnd(bytes(32)))), None)
        await sink.done
        assert b"".join(piece.body for piece in sink.pieces) == content
        kept = sum(RECORD_SIZE_MAX + SLACK if piece.owner else len(piece.body) for piece in sink.pieces)
        assert kept <= 2.3 * BLOCK_SIZE
        sink.give_back()

    run(main())
