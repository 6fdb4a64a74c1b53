"""Two ways to the same end, one of which begins a moment later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks

ResultT = TypeVar("ResultT")


async def first_of(
    better: Coroutine[Any, Any, ResultT],
    other: Coroutine[Any, Any, ResultT],
    head_start: float,
    drop: Callable[[ResultT], None],
) -> ResultT:
    """What comes through first; the other way is given up.

    Args:
        better: begun at once.
        other: begun after ``head_start`` seconds, or as soon as ``better`` has failed.
        drop: gives up what came too late.

    Raises:
        GimmalError: the failure of ``better``, where both fail.
    """
    tasks = Tasks()
    first = tasks.start(_caught(better), "better paths")
    later: asyncio.Task[ResultT | GimmalError] | None = None
    won: ResultT | None = None
    try:
        await asyncio.wait([first], timeout=head_start)
        if not first.done() or isinstance(first.result(), GimmalError):
            later = tasks.start(_caught(other), "punch")
            running = {task for task in (first, later) if not task.done()}
            while running:
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                if any(not isinstance(task.result(), GimmalError) for task in done):
                    break
        for task in (first, later):
            if task is not None and task.done() and not isinstance(made := task.result(), GimmalError):
                won = made
                return made
        failure = first.result()
        assert isinstance(failure, GimmalError)
        raise failure
    finally:
        await tasks.close()
        if later is None:
            other.close()
        for task in (first, later):
            if task is not None and task.done() and not task.cancelled() and task.exception() is None:
                late = task.result()
                if not isinstance(late, GimmalError) and late is not won:
                    drop(late)


async def _caught(way: Coroutine[Any, Any, ResultT]) -> ResultT | GimmalError:
    try:
        return await way
    except GimmalError as exc:
        return exc
