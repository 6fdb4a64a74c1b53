"""Connects to all places of a punching side by side, each again and again, until one comes through."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gimmal.base.errors import GimmalError
from gimmal.base.tasks import Tasks
from gimmal.protocol.places import Place
from gimmal.transport.punching.pace import PUNCH_SECONDS, Pace
from gimmal.transport.punching.ports import Port

logger = logging.getLogger("gimmal.transport")

ResultT = TypeVar("ResultT")

MEETING_SECONDS = PUNCH_SECONDS + 1.0
"""From the first try to the end of a punching that fails."""


async def meet(
    pairs: Sequence[tuple[Port, Place]],
    take: Callable[[socket.socket], Awaitable[ResultT]],
    drop: Callable[[ResultT], None],
    *,
    asks: bool,
    wait: float,
) -> ResultT | None:
    """What ``take`` makes of the first connection that it can use; None where none is.

    That takes as long whatever was met: the other side, which named the places, could else tell an open port from a
    closed one by it.

    Args:
        pairs: from where to where.
        take: owns a connected socket from then on; raises GimmalError where it is nobody's of ours.
        drop: gives up what ``take`` made of one that came too late.
        asks: see ``Pace``.
        wait: seconds until the first try.
    """
    tasks = Tasks()
    begin = asyncio.get_running_loop().time() + wait
    running = {
        tasks.start(_try_again(port, place, Pace(asks, begin, len(pairs), random.random), take), "punch")
        for port, place in pairs
    }
    every = set(running)
    won: ResultT | None = None
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(begin + MEETING_SECONDS):
                while running and won is None:
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    won = next((made for task in done if (made := task.result()) is not None), None)
                if won is None:
                    await asyncio.Event().wait()
        return won
    finally:
        await tasks.close()
        for task in every:
            # One may have come through in the instant of its cancellation.
            if task.done() and not task.cancelled() and task.exception() is None:
                late = task.result()
                if late is not None and late is not won:
                    drop(late)


async def _try_again(
    port: Port, place: Place, pace: Pace, take: Callable[[socket.socket], Awaitable[ResultT]]
) -> ResultT | None:
    loop = asyncio.get_running_loop()
    while (pause := pace.next_try(loop.time())) is not None:
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout_at(pace.end):
                connection = await port.connect(place)
        except (OSError, TimeoutError):
            continue
        try:
            return await take(connection)
        except GimmalError as exc:
            logger.debug("who was met is not the other side: %s", exc)
            return None
    return None
