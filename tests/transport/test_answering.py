"""The answering half of a session under a peer that asks much and takes nothing."""

from __future__ import annotations

import asyncio

from gimmal.base.errors import GimmalError
from gimmal.noise.keys import RootKeys
from gimmal.protocol import limits
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Answer, Attributes, Entry, Kind, List, Page
from gimmal.transport.answering import ANSWERS_BYTES_MAX
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import Incoming
from gimmal.transport.outbox import QUEUE_HIGH
from gimmal.transport.session import Session
from tests.transport.helpers import ciphers, fixed, link_over, run, tcp_pair, until
from tests.transport.sessions import HELLO, Notes

ASKED = 60


def page() -> Page:
    """As long as a page may be."""
    attributes = Attributes(Kind.FILE, 0, 0, 0o644, 0)
    return Page([Entry("n" * 1000, attributes)] * (limits.PAGE_BYTES_MAX // 1040), 0)


def test_listings_begun_before_the_first_answer_waits_are_bounded_too() -> None:
    """A disk does some at a time, so that all of a burst pass any look at what waits already."""

    async def main() -> int:
        at_once = asyncio.Semaphore(8)
        made = 0

        async def look(_incoming: Incoming) -> Answer:
            nonlocal made
            async with at_once:
                await asyncio.sleep(0)
                made += 1
                return page()

        left, right = tcp_pair()
        sealer, opener = ciphers()
        pool = BufferPool()
        session = Session(
            RootKeys.from_root(fixed("session")), opener=False, peer=HELLO, pool=pool, handler=Notes({List: look})
        )
        link = link_over(right, opener, dialler=False, pool=pool)
        session.attach(link)
        loop = asyncio.get_running_loop()
        for number in range(ASKED):
            await loop.sock_sendall(left, sealer.seal(RecordKind.REQUEST, 2 * number + 1, 1, encode(List("x"))))
        await until(lambda: link.queued >= QUEUE_HIGH)
        for _ in range(200):
            await asyncio.sleep(0.001)
        session.fail(GimmalError("the test is over"))
        await session._tasks.close()
        left.close()
        return made

    made = run(main())
    # What waits, what the link has queued, and what the two sockets hold.
    most = ANSWERS_BYTES_MAX + QUEUE_HIGH + (8 << 20)
    assert made * limits.PAGE_BYTES_MAX * 0.9 <= most
    assert made < ASKED
