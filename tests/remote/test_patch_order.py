"""Turns at stretches of a file: who waits for whom."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from gimmal.base.errors import RemoteError
from gimmal.remote.patch_order import PatchOrder


@pytest.mark.parametrize(
    ("one", "other", "waits"),
    [
        ((0, 10, True), (5, 15, True), True),
        ((0, 10, True), (10, 20, True), False),
        ((0, 10, True), (5, 6, False), True),
        ((0, 10, False), (5, 6, True), True),
        ((0, 10, False), (0, 10, False), False),
        ((3, 4, True), (0, float("inf"), True), True),
    ],
)
def test_who_waits_for_whom(one: tuple[float, float, bool], other: tuple[float, float, bool], waits: bool) -> None:
    async def main() -> None:
        order = PatchOrder()
        entered = asyncio.Event()

        async def second() -> None:
            async with order.turn(other[0], other[1], writes=other[2]):
                entered.set()

        async with order.turn(one[0], one[1], writes=one[2]):
            task = asyncio.create_task(second())
            for _ in range(10):
                await asyncio.sleep(0)
            assert entered.is_set() is not waits
        await task

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(20))
def test_what_touches_is_done_in_the_order_of_asking_though_some_give_up(seed: int) -> None:
    chance = random.Random(seed)

    async def main() -> None:
        order = PatchOrder()
        inside: set[int] = set()
        stretches: list[tuple[int, int, bool]] = []
        begun: list[int] = []

        async def work(number: int) -> None:
            start, end, writes = stretches[number]
            async with order.turn(start, end, writes=writes):
                for other in inside:
                    at, until, wrote = stretches[other]
                    assert until <= start or end <= at or not (wrote or writes)
                begun.append(number)
                inside.add(number)
                try:
                    for _ in range(chance.randrange(6)):
                        await asyncio.sleep(0)
                finally:
                    inside.discard(number)

        tasks = []
        for number in range(60):
            start = chance.randrange(100)
            stretches.append((start, start + 1 + chance.randrange(30), chance.random() < 0.6))
            tasks.append(asyncio.create_task(work(number)))
            await asyncio.sleep(0)
            if chance.random() < 0.2:
                chance.choice(tasks).cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        for later, number in enumerate(begun):
            for before in begun[later + 1 :]:
                start, end, writes = stretches[number]
                at, until, wrote = stretches[before]
                touch = at < end and start < until and (writes or wrote)
                assert not (touch and before < number)

    asyncio.run(main())


def test_what_failed_spoils_what_follows() -> None:
    order = PatchOrder()
    with pytest.raises(RemoteError), order.changing():
        raise RemoteError("no_space", "the disk is full")
    for _ in range(2):
        with pytest.raises(RemoteError, match="the disk is full"), order.changing():
            raise AssertionError("it must not begin")
