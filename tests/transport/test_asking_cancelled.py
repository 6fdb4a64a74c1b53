"""A request that is cancelled in the turn of the loop in which its answer comes."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Read
from gimmal.transport.asking import AskingSide
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import RangeSink


def test_what_comes_for_it_is_thrown_away() -> None:
    posted: list[RecordKind] = []

    async def main() -> None:
        link: Any = SimpleNamespace(
            outstanding=0, streams=0, asked_bytes=0, over=False, post=lambda kind, *_: posted.append(kind)
        )

        async def find(_bulk: bool) -> Any:
            return link

        side = AskingSide(opener=True, find_link=find)
        asked = asyncio.create_task(
            side.exchange(Read("share/file", 0, 8), lambda done: RangeSink(done, BufferPool(), 0, 8))
        )
        while not posted:
            await asyncio.sleep(0)
        (number,) = side._pending
        asked.cancel()
        # The task has not run since: nothing but its future knows.
        assert not side.on_record(RecordKind.DATA, number, 0, memoryview(b"contents"), None)
        assert not side.on_record(RecordKind.END, number, 8, memoryview(b"nonsense"), None)
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert posted == [RecordKind.REQUEST, RecordKind.CANCEL]
        assert not side.busy

    asyncio.run(main())
