"""Two ways side by side."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.base.errors import PeerAbsent
from gimmal.transport.punching.beside import first_of
from tests.patience import PATIENCE
from tests.transport.helpers import run


async def fails(why: str) -> str:
    raise PeerAbsent(why)


async def gives(what: str, after: asyncio.Event | None = None) -> str:
    if after is not None:
        await after.wait()
    return what


def test_the_better_way_is_enough() -> None:
    async def main() -> None:
        dropped: list[str] = []
        assert await first_of(gives("better"), fails("never begun"), PATIENCE, dropped.append) == "better"
        assert dropped == []

    run(main())


def test_the_other_begins_at_once_where_the_better_has_failed() -> None:
    assert run(first_of(fails("no"), gives("other"), PATIENCE, lambda _: None)) == "other"


def test_the_other_begins_after_its_head_start_and_may_win() -> None:
    assert run(first_of(gives("better", asyncio.Event()), gives("other"), 0.01, lambda _: None)) == "other"


def test_the_better_may_still_win() -> None:
    async def main() -> None:
        later = asyncio.Event()

        async def other() -> str:
            later.set()
            return await gives("other", asyncio.Event())

        assert await first_of(gives("better", later), other(), 0.01, lambda _: None) == "better"

    run(main())


def test_where_both_fail_the_better_tells() -> None:
    with pytest.raises(PeerAbsent, match="better"):
        run(first_of(fails("better"), fails("other"), 0.0, lambda _: None))


def test_one_that_comes_too_late_is_dropped() -> None:
    async def main() -> None:
        dropped: list[str] = []
        both = asyncio.Event()

        async def other() -> str:
            both.set()
            await asyncio.sleep(0)
            return "other"

        won = await first_of(gives("better", both), other(), 0.0, dropped.append)
        assert {won, *dropped} <= {"better", "other"}
        assert len(dropped) <= 1 and won not in dropped

    run(main())


def test_broken_off_both_end() -> None:
    async def main() -> None:
        never = asyncio.Event()
        waiting = asyncio.create_task(first_of(gives("a", never), gives("b", never), 0.0, lambda _: None))
        for _ in range(10):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(main())
