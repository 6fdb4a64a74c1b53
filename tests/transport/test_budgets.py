"""What all sessions of a program hold together is bounded, and one that takes all it can starves no other."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.agent.sessions import SESSIONS_MAX
from gimmal.base.errors import ProtocolViolation
from gimmal.base.fair_budget import FairBudget
from gimmal.protocol import limits
from gimmal.protocol.codec import encode
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX
from gimmal.protocol.messages import Answer, Done, MakeDirectories, Results, Stat, StreamEnd, Write
from gimmal.protocol.session import Answering, Arrival
from gimmal.share.serving import READ_BYTES_OF_ALL
from gimmal.transport.answering import ANSWERS_BYTES_MAX, BODIES_MAX, HELD_BUFFERS_MAX
from gimmal.transport.budgets import Budgets
from gimmal.transport.buffers import RECORD_SIZE_MAX, SLACK
from gimmal.transport.exchange import AnswerSink, Incoming
from gimmal.transport.link import Link
from tests.figures import figure
from tests.patience import PATIENCE
from tests.transport.helpers import run, until
from tests.transport.sessions import Notes, Pair, collect

BUFFER = RECORD_SIZE_MAX + SLACK
BULK_ON_A_LINK = 2 << 20


def test_what_all_sessions_may_hold_is_no_multiple_of_what_one_may() -> None:
    budgets = Budgets()
    reads = FairBudget(READ_BYTES_OF_ALL, BLOCK_SIZE)
    sizes = {
        budgets.buffers: BUFFER,
        budgets.links: BUFFER + BULK_ON_A_LINK,
        budgets.requests: 1,
        budgets.waiting: 1,
        budgets.remembered: 1,
        reads: 1,
    }
    together = sum((budget.total + SESSIONS_MAX * budget.reserve) * size for budget, size in sizes.items())
    one = (
        HELD_BUFFERS_MAX * BUFFER
        + limits.LINKS_MAX * (BUFFER + BULK_ON_A_LINK)
        + BODIES_MAX
        + ANSWERS_BYTES_MAX
        + limits.REMEMBERED_BYTES_MAX
        + (16 << 20)
    )
    figure("MiB that 64 hostile sessions may take together", together >> 20, "<= 1200")
    figure("the same, if each had its own bounds alone", SESSIONS_MAX * one >> 20, "reported")
    assert together < 1200 << 20
    # Who is alone is bounded by what one session may hold, as before.
    assert budgets.buffers.total // 2 >= HELD_BUFFERS_MAX
    assert budgets.links.total // 2 >= limits.LINKS_MAX
    assert budgets.requests.total // 2 >= BODIES_MAX
    assert budgets.waiting.total // 2 >= ANSWERS_BYTES_MAX
    assert budgets.remembered.total // 2 >= limits.REMEMBERED_BYTES_MAX


def test_a_session_that_sends_and_sends_is_paused_and_another_goes_on() -> None:
    async def main() -> None:
        budgets = Budgets(buffers=FairBudget(8, 1))
        stuck = asyncio.Event()

        async def hold(incoming: Incoming) -> Answer:
            await stuck.wait()
            return await take(incoming)

        hostile, good = (
            Pair(other=Notes({Write: hold}), budgets=budgets),
            Pair(other=Notes({Write: take}), budgets=budgets),
        )
        hostile.link()
        good.link()
        sending = [asyncio.create_task(send_block(hostile)) for _ in range(8)]
        await until(lambda: bool(hostile.b._answering.paused))
        assert hostile.b._answering.held <= 8
        async with asyncio.timeout(PATIENCE):
            for _ in range(4):
                assert await send_block(good) == Done()
        stuck.set()
        assert await asyncio.gather(*sending) == [Done()] * 8
        assert budgets.buffers.taken == 0
        await hostile.close()
        await good.close()

    run(main())


async def send_block(pair: Pair) -> Answer | None:
    async def send(link: Link, number: int) -> None:
        for at in range(0, BLOCK_SIZE, BODY_MAX):
            buffer = pair.a.pool.take()
            buffer.body[:] = bytes(BODY_MAX)
            await link.send_buffer(RecordKind.DATA, number, at, buffer, BODY_MAX)
        link.post(RecordKind.END, number, BLOCK_SIZE, encode(StreamEnd(bytes(32))))

    return (await pair.a.exchange(Write(1, 0, BLOCK_SIZE), AnswerSink, send_more=send)).answer


def test_many_long_requests_are_taken_in_only_as_they_are_done() -> None:
    async def main() -> None:
        budgets = Budgets(requests=FairBudget(2 << 20, 0))
        go_on = asyncio.Event()

        async def hold(_incoming: Incoming) -> Answer:
            await go_on.wait()
            return Results([0])

        pair = Pair(other=Notes({MakeDirectories: hold}), budgets=budgets)
        pair.link()
        request = MakeDirectories(["rw/" + "x" * 1000] * 800)
        asking = [asyncio.create_task(pair.a.call(request, deadline=None)) for _ in range(20)]
        await until(lambda: bool(pair.b._answering.paused))
        assert pair.b._answering._bodies <= 4 << 20
        other = Pair(other=Notes(), budgets=budgets)
        other.link()
        assert await other.a.call(Stat("rw"), deadline=PATIENCE) == Done()
        go_on.set()
        assert await asyncio.gather(*asking) == [Results([0])] * 20
        await until(lambda: pair.b._answering._bodies == 0)
        assert budgets.requests.taken == 0
        await pair.close()
        await other.close()

    run(main())


async def take(incoming: Incoming) -> Answer:
    await collect(incoming)
    return Done()


def test_links_are_shared_and_each_session_may_have_one() -> None:
    async def main() -> None:
        budgets = Budgets(links=FairBudget(8, 1))
        hostile = Pair(budgets=budgets)
        with pytest.raises(ProtocolViolation):
            for _ in range(limits.LINKS_MAX):
                hostile.link()
        assert 2 <= len(hostile.b.links) <= 6
        others = [Pair(budgets=budgets) for _ in range(10)]
        for other in others:
            other.link()
        for each in (hostile, *others):
            await each.close()
        assert budgets.links.taken == 0

    run(main())


def test_answers_are_remembered_within_the_share_and_given_back_when_settled() -> None:
    budget = FairBudget(4000, 500)
    shares = Budgets(remembered=budget).share()
    answering = Answering(opener=False, remember=shares.remember)
    number = 1
    with pytest.raises(ProtocolViolation):
        for number in range(1, 200, 2):
            assert answering.arrive(number, 1, changing=True) is Arrival.NEW
            answering.answered(number, bytes(400))
    assert 3 <= number // 2 <= 6
    answering.arrive(number + 2, number + 2, changing=True)
    assert shares.remembered.held <= 528
    shares.give_all()
    assert budget.taken == 0
