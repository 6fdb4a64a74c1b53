"""The answering half of a session under a peer that asks much and takes nothing."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.base.errors import GimmalError
from gimmal.noise.keys import RootKeys
from gimmal.protocol import limits
from gimmal.protocol.chunk_messages import CHUNK_ENTRY_SIZE
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    Chunks,
    DigestFiles,
    Entry,
    Examine,
    Examined,
    FileDigest,
    FileDigests,
    Kind,
    List,
    ListChunks,
    Page,
    Request,
    Version,
)
from gimmal.transport.answering import ANSWER_ROOM, ANSWERS_BYTES_MAX
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import Incoming
from gimmal.transport.outbox import QUEUE_HIGH
from gimmal.transport.session import Session
from tests.transport.helpers import ciphers, fixed, link_over, run, tcp_pair, until
from tests.transport.sessions import HELLO, Notes

MOST = ANSWERS_BYTES_MAX + QUEUE_HIGH + (8 << 20)
"""What waits, what the link has queued, and what the two sockets hold."""


def page() -> Page:
    """As long as a page may be."""
    attributes = Attributes(Kind.FILE, 0, 0, 0o644, 0)
    return Page([Entry("n" * 1000, attributes)] * (limits.PAGE_BYTES_MAX // 1040), 0)


HIGHEST = (1 << 63) - 1
NUMBER = (1 << 64) - 1
LONGEST = Attributes(Kind.FILE, HIGHEST, HIGHEST, 0o7777, NUMBER, "", NUMBER, True)
EXTENTS = tuple((HIGHEST - at, HIGHEST) for at in range(limits.EXTENTS_MAX))
BLOCKS = limits.CHUNKS_PAGE_BYTES // limits.BLOCK_SIZE + 1
LONG: list[tuple[Request, Answer]] = [
    (List("x"), page()),
    (DigestFiles("x", []), FileDigests([FileDigest(0, bytes(32), LONGEST)] * limits.DIGEST_FILES_MAX)),
    (Examine("x"), Examined((("user.x", bytes(60_000)),), True, EXTENTS, HIGHEST)),
    (
        ListChunks("x", Version(1, 1, 1)),
        Chunks(bytes(CHUNK_ENTRY_SIZE * limits.CHUNKS_PAGE_MAX), bytes(limits.DIGEST_SIZE * BLOCKS)),
    ),
]


@pytest.mark.parametrize(("request_", "answer"), LONG, ids=lambda value: type(value).__name__)
def test_long_answers_begun_before_the_first_answer_waits_are_bounded_too(request_: Request, answer: Answer) -> None:
    """A disk does some at a time, so that all of a burst pass any look at what waits already."""
    size = len(encode(answer))
    assert size <= ANSWER_ROOM[type(request_)]
    asked = MOST // size + 100

    async def main() -> int:
        at_once = asyncio.Semaphore(8)
        made = 0

        async def look(_incoming: Incoming) -> Answer:
            nonlocal made
            async with at_once:
                await asyncio.sleep(0)
                made += 1
                return answer

        left, right = tcp_pair()
        sealer, opener = ciphers()
        pool = BufferPool()
        session = Session(
            RootKeys.from_root(fixed("session")),
            opener=False,
            peer=HELLO,
            pool=pool,
            handler=Notes({type(request_): look}),
        )
        link = link_over(right, opener, dialler=False, pool=pool)
        session.attach(link)
        loop = asyncio.get_running_loop()
        for number in range(asked):
            await loop.sock_sendall(left, sealer.seal(RecordKind.REQUEST, 2 * number + 1, 1, encode(request_)))
        await until(lambda: link.queued >= QUEUE_HIGH)
        for _ in range(200):
            await asyncio.sleep(0.001)
        session.fail(GimmalError("the test is over"))
        await session._tasks.close()
        left.close()
        return made

    made = run(main())
    assert made * size <= MOST
    assert made < asked
