"""What a session and its links leave behind: nothing, and at once, not when the garbage collector comes."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gimmal.base.errors import Interrupted, ProtocolViolation
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BODY_MAX
from gimmal.protocol.messages import CloseReason, Done, List, Read, Stat, Write
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.exchange import Incoming
from gimmal.transport.link import Link
from gimmal.transport.session import Session
from tests.transport.helpers import Recorder, ciphers, link_over, run, tcp_pair, until
from tests.transport.sessions import CONTENT, Notes, Pair, collect, cut, never, read, serve_read, write

MIB = 1 << 20


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """The garbage collector does not run: what goes, goes by the count of its users."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Counted(BufferPool):
    """A pool that knows which of its buffers are out."""

    def __init__(self) -> None:
        super().__init__()
        self.out = 0

    def take(self) -> RecordBuffer:
        self.out += 1
        return super().take()

    def give(self, buffer: RecordBuffer) -> None:
        self.out -= 1
        super().give(buffer)


async def gone(*references: weakref.ref[Session] | weakref.ref[Link]) -> None:
    await until(lambda: all(reference() is None for reference in references))


def references_of(pair: Pair) -> list[weakref.ref[Session] | weakref.ref[Link]]:
    links = [*pair.a.links, *pair.b.links]
    return [weakref.ref(pair.a), weakref.ref(pair.b), *(weakref.ref(link) for link in links)]


async def use(pair: Pair) -> None:
    """A question, a range and a write."""
    await pair.a.call(Stat("a"))
    assert await read(pair.a) == CONTENT
    await write(pair.a, CONTENT[: 2 * BODY_MAX + 5])


async def close(pair: Pair) -> None:
    pair.a.close(CloseReason.DONE)
    await asyncio.gather(pair.a.finished(), pair.b.finished())


async def close_while_busy(pair: Pair) -> None:
    async def ask() -> bool:
        try:
            await pair.a.call(List("a"))
        except Interrupted:
            return True
        return False

    asking = asyncio.create_task(ask())
    await until(lambda: pair.b._answering.busy)
    await close(pair)
    assert await asking


async def fail(pair: Pair) -> None:
    try:
        raise ProtocolViolation("a test of what is left")
    except ProtocolViolation as exc:
        pair.b.fail(exc)
    pair.a.close(CloseReason.DONE)


async def violate(pair: Pair) -> None:
    """The other side breaks a rule, which its session finds where it looks at the record."""
    pair.a.links[0].post(RecordKind.REQUEST, 4, 0, encode(Stat("a")))
    await until(lambda: pair.b.over)
    assert isinstance(pair.b.cause, ProtocolViolation)
    pair.a.close(CloseReason.DONE)


async def cut_all(pair: Pair) -> None:
    for link in list(pair.a.links):
        cut(link)
    await until(lambda: not pair.a.links and not pair.b.links)
    pair.a.close(CloseReason.DONE)
    pair.b.fail(Interrupted("the other side did not come back"))


@pytest.mark.parametrize("ending", [close, close_while_busy, fail, violate, cut_all])
def test_a_session_goes_with_its_last_user(ending: Callable[[Pair], Awaitable[None]]) -> None:
    async def main() -> None:
        async def reads(incoming: Incoming) -> None:
            await serve_read(incoming, pool)

        async def writes(incoming: Incoming) -> Done:
            assert await collect(incoming) == CONTENT[: 2 * BODY_MAX + 5]
            return Done()

        pool = BufferPool()
        notes = Notes({Read: reads, Write: writes, List: never})
        pair = Pair(None, notes, wires=tcp_pair, redial=ending is close)
        pair.link()
        pair.link(bulk=True)
        await use(pair)
        references = references_of(pair)
        assert len(references) == 6
        await ending(pair)
        del pair
        await gone(*references)

    run(main())


def test_a_link_that_ends_gives_its_buffers_back() -> None:
    async def main() -> None:
        pool = Counted()
        ends = tcp_pair()
        one, two = ciphers()
        left, right = link_over(ends[0], one, dialler=True, pool=pool), link_over(ends[1], two, dialler=False)
        left.start(Recorder())
        sending = 0
        while left.queued < MIB:  # nobody reads
            buffer = pool.take()
            await left.send_buffer(RecordKind.DATA, 5, sending * BODY_MAX, buffer, BODY_MAX)
            sending += 1
        assert pool.out >= 2
        cut(left)
        cut(right)
        await until(lambda: pool.out == 0)

    run(main())


def test_what_an_ending_link_still_shows_is_not_written_over() -> None:
    class Ends(Recorder):
        """Ends the link while it looks at a record, as a session does that fails."""

        seen = b""

        def on_record(
            self, link: Link, kind: RecordKind, stream: int, offset: int, body: memoryview, owner: RecordBuffer | None
        ) -> bool:
            cut(link)
            other = pool.take()
            other.view[:] = bytes(len(other.view))
            self.seen = bytes(body)
            return False

    async def main() -> None:
        ends = tcp_pair()
        one, two = ciphers()
        left, right = link_over(ends[0], one, dialler=True), link_over(ends[1], two, dialler=False, pool=pool)
        receiver = Ends()
        right.start(receiver)
        left.post(RecordKind.REQUEST, 5, 0, b"seen whole")
        await until(lambda: bool(receiver.seen))
        assert receiver.seen == b"seen whole"
        cut(left)

    pool = BufferPool()
    run(main())


def resident() -> int:
    """Bytes of memory that the system has given to this process."""
    fields = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()
    return int(fields[0]) * 1024


def test_memory_of_buffers_goes_back_to_the_system() -> None:
    def touch(_number: int) -> tuple[RecordBuffer, bytearray]:
        buffer = RecordBuffer()
        buffer.view[:] = bytes(len(buffer.view))
        return buffer, bytearray(100_000)

    for _once in range(2):
        touch(0)  # frees one: from then on malloc keeps pieces of this size
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(touch, range(8)))
        before = resident()
        held = list(threads.map(touch, range(64)))
        assert resident() - before > 64 * MIB
        pins = [pin for _buffer, pin in held]
        del held
        assert resident() - before < 16 * MIB + sum(len(pin) for pin in pins)
