"""Bytes are handed out in order, never more than there are, and come back whatever happens."""

from __future__ import annotations

import asyncio
import random

from gimmal.base.budget import ByteBudget
from tests.patience import PATIENCE


def test_never_more_than_all_and_in_the_order_of_asking() -> None:
    async def main() -> tuple[int, list[int]]:
        budget, chance = ByteBudget(100), random.Random(5)
        used = most = 0
        order: list[int] = []

        async def work(number: int, size: int) -> None:
            nonlocal used, most
            async with budget.taken(size):
                order.append(number)
                used += min(size, 100)
                most = max(most, used)
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                used -= min(size, 100)

        tasks = [asyncio.create_task(work(number, chance.randrange(1, 160))) for number in range(200)]
        await asyncio.sleep(0)
        for task in chance.sample(tasks, 60):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with budget.taken(100):
            pass
        return most, order

    most, order = asyncio.run(main())
    assert 50 < most <= 100
    assert order == sorted(order)
    assert len(order) >= 140


def test_a_turn_that_is_given_and_cancelled_at_once_goes_to_the_next() -> None:
    async def main() -> None:
        budget = ByteBudget(10)
        got: list[str] = []

        async def take(name: str, size: int) -> None:
            async with budget.taken(size):
                got.append(name)

        async with budget.taken(10):
            first = asyncio.create_task(take("first", 10))
            second = asyncio.create_task(take("second", 10))
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait_for(second, PATIENCE)
        assert got == ["second"]
        await asyncio.wait_for(take("third", 1000), PATIENCE)

    asyncio.run(main())
