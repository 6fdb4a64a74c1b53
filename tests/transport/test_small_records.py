"""Small records of many streams are counted as what they take: they are no way round the bounds of a session."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX, WRITES_MAX
from gimmal.protocol.messages import Answer, Done, Packing, Write
from gimmal.transport.answering import HELD_BUFFERS_MAX
from gimmal.transport.exchange import DATA_RECORD_MIN, Incoming
from tests.transport.helpers import run, until
from tests.transport.sessions import Notes, collect, end, raw_session

SMALL = 60_000
REUSED = tuple((at, 0, 10_000) for at in range(0, BLOCK_SIZE - 70_000, 70_000))
SHAPES = {
    "packed": (Write(1, 0, BLOCK_SIZE, packing=Packing.ALWAYS), RecordKind.PACKED, 0, DATA_RECORD_MIN),
    "between what is reused": (Write(1, 0, BLOCK_SIZE, reused=REUSED), RecordKind.DATA, 10_000, 70_000),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_link_is_read_no_more_while_too_many_wait(shape: str) -> None:
    request, kind, first, step = SHAPES[shape]
    body = DATA_RECORD_MIN.to_bytes(4, "big") + bytes(SMALL - 4)

    async def main() -> None:
        go_on = asyncio.Event()

        async def hold(incoming: Incoming) -> Answer:
            await go_on.wait()
            await collect(incoming)
            return Done()

        raw, session = raw_session(Notes({Write: hold}))
        answering = session._answering

        async def flood() -> None:
            for number in range(1, 2 * WRITES_MAX, 2):
                await raw.put(RecordKind.REQUEST, number, 1, encode(request))
                for at in range(first, BLOCK_SIZE - 3 * step, step):
                    await raw.put(kind, number, at, body)

        flooding = asyncio.create_task(flood())
        await until(lambda: bool(answering.paused))
        assert answering.held == HELD_BUFFERS_MAX
        waiting = sum(len(piece.body) for each in answering._incoming.values() for _, _, piece in each._records)
        assert waiting <= (HELD_BUFFERS_MAX + 1) * BODY_MAX
        go_on.set()
        await flooding
        raw.close()
        await until(lambda: not session.links)
        await until(lambda: not answering.busy)
        assert (answering.held, answering._held_bytes) == (0, 0)
        await end(session, raw)

    run(main())
