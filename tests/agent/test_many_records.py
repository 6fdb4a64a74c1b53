"""Blocks that come from a command in many records: none of them waits behind what the agent keeps of the others."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.agent.forwarding import STREAMS_AT_ONCE, Forwarding
from gimmal.agent.local_commands import local_session
from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Answer, Done, Reused, StreamEnd, Write
from gimmal.protocol.reused import gaps_of
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import DATA_RECORD_MIN, AnswerSink, Incoming
from gimmal.transport.link import Link
from tests.transport.helpers import run, socket_pair
from tests.transport.sessions import Notes, Pair, collect


def every(step: int, taken: int) -> Reused:
    """Of each ``step`` bytes ``taken`` come from the old version."""
    return tuple((at, at, taken) for at in range(0, BLOCK_SIZE, step))


SHAPES = {
    "gaps that just fill a bulk record": every(DATA_RECORD_MIN + 30_000, 25_000),
    "many small gaps": every(BLOCK_SIZE // 96, 1),
    "gaps of half a record": every(700_000, 100_000),
    "a limited rate": (),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, STREAMS_AT_ONCE + 2])
def test_all_of_them_arrive(shape: str, count: int) -> None:
    reused = SHAPES[shape]
    gaps = gaps_of(BLOCK_SIZE, reused)
    assert gaps is not None
    most = BLOCK_SIZE if reused else DATA_RECORD_MIN
    records = [(at, min(most, end - at)) for start, end in gaps for at in range(start, end, most)]
    content = bytes(BLOCK_SIZE)

    async def main() -> None:
        async def take(incoming: Incoming) -> Answer:
            assert len(await collect(incoming)) == sum(size for _at, size in records)
            return Done()

        pair = Pair(None, Notes({Write: take}))
        pair.link()
        tasks = Tasks()
        ends = socket_pair()
        agent = local_session(ends[0], BufferPool(), Forwarding(pair.a, tasks), opener=False)
        command = local_session(ends[1], BufferPool(), None, opener=True)

        async def send(link: Link, number: int) -> None:
            for at, size in records:
                await link.writable()
                link.post(RecordKind.DATA, number, at, memoryview(content)[:size])
                await asyncio.sleep(0)
            link.post(RecordKind.END, number, BLOCK_SIZE, encode(StreamEnd(bytes(32))))

        async def write() -> None:
            request = Write(1, 0, BLOCK_SIZE, reused=reused)
            sink = await command.exchange(request, AnswerSink, send_more=send, bulk=True)
            assert sink.answer == Done()

        try:
            async with asyncio.timeout(50):
                await asyncio.gather(*(write() for _ in range(count)))
        finally:
            for session in (command, agent):
                links = list(session.links)
                session.fail(GimmalError("the test is over"))
                for link in links:
                    await link.ended
                await session._tasks.close()
            await pair.close()
            await tasks.close()

    run(main())
