"""Many like steps."""

from __future__ import annotations

import asyncio

import pytest

from gimmal.base.errors import RemoteError
from gimmal.remote.side_by_side import side_by_side


def test_steps_begin_in_order_and_no_more_are_under_way_than_may_be() -> None:
    async def main() -> None:
        begun: list[int] = []
        under_way = most = 0
        allowed = 2

        async def step(number: int) -> None:
            nonlocal under_way, most, allowed
            begun.append(number)
            under_way += 1
            most = max(most, under_way)
            assert under_way <= allowed
            await asyncio.sleep(0)
            if number == 10:
                allowed = 5
            under_way -= 1

        await side_by_side(100, lambda: allowed, step)
        assert begun == list(range(100))
        assert most == 5

    asyncio.run(main())


def test_no_step_is_no_work() -> None:
    asyncio.run(side_by_side(0, lambda: 5, lambda _number: asyncio.sleep(0)))


def test_the_first_failure_is_raised_as_it_is_and_ends_the_others() -> None:
    async def main() -> None:
        cancelled: list[int] = []

        async def step(number: int) -> None:
            if number == 3:
                raise RemoteError("changed", "of three")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(number)
                raise

        with pytest.raises(RemoteError, match="of three"):
            await side_by_side(10, lambda: 4, step)
        assert sorted(cancelled) == [0, 1, 2]

    asyncio.run(main())
