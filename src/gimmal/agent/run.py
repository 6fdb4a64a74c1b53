"""``gimmal up``: serve one half until it is pulled out or the program is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from gimmal.agent.agent import Agent, AgentOptions
from gimmal.agent.reach import PRESENCE_SECONDS, still_present
from gimmal.base.display import displayable
from gimmal.base.workers import Workers
from gimmal.half.lockfile import HalfLock
from gimmal.half.opened import OpenedHalf
from gimmal.half.presence import Presence
from gimmal.protocol.messages import CloseReason


async def serve(location: Path, half: OpenedHalf, options: AgentOptions, say: Callable[[str], None]) -> None:
    """Serve a half; returns when it is pulled out or SIGTERM or SIGINT comes.

    Args:
        location: folder of the half.
        half: opened.
        options: how.
        say: told each line for the person; the line that begins with ``ready:`` is the contract. Once that is out,
            nobody need be left to read.

    Raises:
        HalfInUse: another agent on this computer serves it.
        LocalError: port, share or folder cannot be used.
    """
    presence = Presence(location)
    with HalfLock(half.pair_id, half.side):
        agent = Agent(half, options, _unfailing(say))
        watchers = Workers()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, stop.set)
        reason = CloseReason.STOPPED
        try:
            address = await agent.start()
            say(f"ready: {displayable(half.pair_name)} {half.side.value} {address}")
            if await _until_gone(presence, watchers, stop):
                reason = CloseReason.UNPLUGGED
        finally:
            await agent.stop(reason)
            watchers.close()
        if reason is CloseReason.UNPLUGGED:
            say("unplugged: the half is gone, every connection is closed")
        else:
            say("stopped: every connection is closed")


def _unfailing(say: Callable[[str], None]) -> Callable[[str], None]:
    """``say`` for what happens meanwhile: that nobody reads it any more must not end a session."""

    def tell(line: str) -> None:
        with contextlib.suppress(OSError):
            say(line)

    return tell


async def _until_gone(presence: Presence, workers: Workers, stop: asyncio.Event) -> bool:
    """Wait for the end; True if the half was pulled out, False if the program was told to stop."""
    while not stop.is_set():
        if not await still_present(presence, workers):
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PRESENCE_SECONDS):
                await stop.wait()
    return False
