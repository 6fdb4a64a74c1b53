"""What the agent does in its session with the other side for a command that is killed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gimmal.agent.forwarding import STREAMS_AT_ONCE, Forwarding
from gimmal.agent.local_commands import local_session
from gimmal.base.errors import GimmalError, Interrupted
from gimmal.base.tasks import Tasks
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.messages import Answer, CloseReason, Discard, Done, OpenPart, PartOpened, StreamEnd, Write
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import AnswerSink, Incoming
from gimmal.transport.link import Link
from gimmal.transport.session import Session
from tests.transport.helpers import run, socket_pair, until
from tests.transport.sessions import Notes, Pair, cut

OPEN = OpenPart("rw/new", 5, b"fingerprint-0001")


class Forwarded:
    """A command that opens a part through the agent; the other side takes its time with it."""

    def __init__(self) -> None:
        self.begun = 0
        self.finish = asyncio.Event()
        self.other = Notes({OpenPart: self._open})
        self.pair = Pair(None, self.other)
        self.pair.link()
        self.tasks = Tasks()
        ends = socket_pair()
        self.agent = local_session(ends[0], BufferPool(), Forwarding(self.pair.a, self.tasks), opener=False)
        self.agent.links[0].ended.add_done_callback(lambda _ended: self.agent.close(CloseReason.DONE))
        self.command = local_session(ends[1], BufferPool(), None, opener=True)

    async def _open(self, _incoming: Incoming) -> Answer:
        self.begun += 1
        await self.finish.wait()
        return PartOpened(7, [])

    async def close(self) -> None:
        for session in (self.command, self.agent):
            await _over(session)
        await self.pair.close()
        await self.tasks.close()


async def _over(session: Session) -> None:
    links = list(session.links)
    session.fail(GimmalError("the test is over"))
    for link in links:
        await link.ended
    await session._tasks.close()


@pytest.mark.parametrize("when", ["while it is being opened", "when it is open"])
def test_a_killed_command_leaves_no_part_open(when: str) -> None:
    async def main() -> None:
        world = Forwarded()
        asking = asyncio.create_task(world.command.call(OPEN, deadline=None))
        await until(lambda: world.begun == 1)
        if when == "when it is open":
            world.finish.set()
            assert await asking == PartOpened(7, [])
        cut(world.command.links[0])
        await until(lambda: world.agent.over)
        world.finish.set()
        await until(lambda: world.other.done == [Discard(7, remove=False)])
        await until(lambda: len(world.tasks) == 0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        await world.close()

    run(main())


def test_a_session_that_ends_while_a_part_is_being_opened_is_no_mistake(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        world = Forwarded()
        asking = asyncio.create_task(world.command.call(OPEN, deadline=None))
        await until(lambda: world.begun == 1)
        cut(world.command.links[0])
        await until(lambda: world.agent.over)
        world.pair.a.fail(Interrupted("the other side went too"))
        await until(lambda: len(world.tasks) == 0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        await world.close()

    run(main())
    assert "failed" not in caplog.text


def test_what_is_asked_when_the_other_side_has_just_gone_is_interrupted_and_not_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        world = Forwarded()
        world.pair.a.fail(Interrupted("the other side went"))
        # The command's session lives a moment longer than the one that its requests need.
        asking = asyncio.create_task(world.command.call(Discard(3, remove=True)))
        await until(lambda: not world.agent._answering._incoming and world.agent.links[0].bytes_received > 0)
        assert not asking.done()
        world.agent.close(CloseReason.STOPPED)
        with pytest.raises(Interrupted):
            await asking
        await world.close()

    run(main())
    assert "failed" not in caplog.text


def test_other_requests_are_passed_on_as_they_are() -> None:
    async def main() -> None:
        world = Forwarded()
        assert await world.command.call(Discard(3, remove=True)) == Done()
        assert world.other.done == [Discard(3, remove=True)]
        await world.close()

    run(main())


def test_blocks_that_need_no_bytes_wait_for_no_place() -> None:
    """They take no memory here, and over a distance each is a round trip."""

    async def main() -> None:
        world = Forwarded()
        begun = 0

        async def write(_incoming: Incoming) -> Answer:
            nonlocal begun
            begun += 1
            await world.finish.wait()
            return Done()

        world.other.todo[Write] = write
        count = STREAMS_AT_ONCE + 4
        end = encode(StreamEnd(bytes(32)))

        async def send(link: Link, number: int) -> None:
            link.post(RecordKind.END, number, 100, end)

        request = Write(1, 0, 100, reused=((0, 5, 100),))
        asking = [
            asyncio.create_task(world.command.exchange(request, AnswerSink, send_more=send)) for _ in range(count)
        ]
        await until(lambda: begun == count)
        world.finish.set()
        assert {sink.answer for sink in await asyncio.gather(*asking)} == {Done()}
        await world.close()

    run(main())
