"""Waiting on an event loop until a half is gone."""

from __future__ import annotations

import asyncio
import contextlib

from gimmal.half.presence_watch import PresenceWatch

_ASK_SECONDS = 2.0
"""How often it is asked whether a look hangs; that the half is gone is told at once."""


async def until_gone(watch: PresenceWatch) -> None:
    """Return when the half is gone, or its disk holds a look up for so long that it counts as gone."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()

    def told() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(gone.set)

    watch.tell(told)
    while not gone.is_set() and not watch.hangs():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ASK_SECONDS):
                await gone.wait()
