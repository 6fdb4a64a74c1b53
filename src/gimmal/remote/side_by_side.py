"""Many like steps, some of them at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gimmal.remote.file_job import first_of


async def side_by_side(count: int, at_once: Callable[[], int], step: Callable[[int], Awaitable[None]]) -> None:
    """Take the steps 0 to ``count`` - 1, begun in order.

    Args:
        count: how many there are.
        at_once: how many may be under way; asked again after each.
        step: takes one.

    Raises what the first step raises that fails; the others are given up.
    """
    numbers = iter(range(count))
    workers = 0

    async def work() -> None:
        for number in numbers:
            await step(number)
            add_workers()

    def add_workers() -> None:
        nonlocal workers
        while workers < min(count, at_once()):
            workers += 1
            group.create_task(work())

    try:
        async with asyncio.TaskGroup() as group:
            add_workers()
    except BaseExceptionGroup as exc:
        raise first_of(exc) from None
