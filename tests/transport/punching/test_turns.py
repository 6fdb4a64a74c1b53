"""One punching at a time in a session, and not too many."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.transport.punching.turns import BURST, PER_SECOND, Turns
from tests.patience import PATIENCE


def allowed(turns: Turns, now: float) -> bool:
    with turns.answering(now) as may:
        return may


@pytest.mark.parametrize("opener", [True, False])
def test_one_punching_of_the_other_side_at_a_time(opener: bool) -> None:
    turns = Turns(opener)
    with turns.answering(0.0) as first, turns.answering(0.0) as second:
        assert (first, second) == (True, False)
    assert allowed(turns, 0.0)


@pytest.mark.parametrize("opener", [True, False])
def test_where_both_ask_the_openers_stands(opener: bool) -> None:
    async def main() -> None:
        turns = Turns(opener)
        async with turns.asking():
            assert allowed(turns, 0.0) is not opener
        assert allowed(turns, 0.0)

    asyncio.run(main())


def test_this_sides_own_wait_for_each_other_and_for_the_other_side() -> None:
    async def main() -> None:
        turns, order = Turns(True), []

        async def ask(name: str, release: asyncio.Event) -> None:
            async with turns.asking():
                order.append(name)
                await release.wait()

        release = asyncio.Event()
        with turns.answering(0.0) as may:
            assert may
            first = asyncio.create_task(ask("first", release))
            second = asyncio.create_task(ask("second", asyncio.Event()))
            for _ in range(5):
                await asyncio.sleep(0)
            assert order == []
        async with asyncio.timeout(PATIENCE):
            while order != ["first"]:
                await asyncio.sleep(0)
            release.set()
            await first
            while order != ["first", "second"]:
                await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert allowed(turns, 0.0)  # a turn that was broken off is given back

    asyncio.run(main())


def test_the_other_side_may_ask_so_often_and_no_more() -> None:
    turns = Turns(True)
    assert [allowed(turns, 0.0) for _ in range(BURST + 2)] == [True] * BURST + [False, False]
    assert not allowed(turns, 0.9 / PER_SECOND)
    assert allowed(turns, 1 / PER_SECOND)
    assert not allowed(turns, 1 / PER_SECOND)
    later = 1e9
    assert [allowed(turns, later) for _ in range(BURST + 1)] == [True] * BURST + [False]
