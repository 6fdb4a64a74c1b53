"""``gimmal up``: serve one half until it is pulled out or the program is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from gimmal.agent.agent import Agent, AgentOptions
from gimmal.agent.present import until_gone
from gimmal.agent.service.watching import MountEvents
from gimmal.base.display import displayable
from gimmal.base.tasks import Tasks
from gimmal.half.lockfile import HalfLock
from gimmal.half.opened import OpenedHalf
from gimmal.half.presence_watch import watch_half
from gimmal.protocol.messages import CloseReason


class _End(Enum):
    """Why an agent ends, and its last line."""

    GONE = "unplugged: the half is gone, every connection is closed"
    ASKED = "stopped: the half may be pulled out, every connection is closed"
    TOLD = "stopped: every connection is closed"


async def serve(
    location: Path, half: OpenedHalf, options: AgentOptions, say: Callable[[str], None], lifeline: int | None = None
) -> None:
    """Serve a half; returns when it is pulled out, a command asks for that, or SIGTERM or SIGINT comes.

    Args:
        location: folder of the half.
        half: opened.
        options: how.
        say: told each line for the person; the line that begins with ``ready:`` is the contract. Once that is out,
            nobody need be left to read.
        lifeline: descriptor of a pipe; that its other end is closed counts as being told to stop.

    Raises:
        HalfInUse: another agent on this computer serves it.
        LocalError: port, share or folder cannot be used.
    """
    with watch_half(location) as watch, HalfLock(half.pair_id, half.side):
        agent = Agent(half, options, _unfailing(say))
        watching = Tasks()
        gone = watching.start(until_gone(watch), "presence of the half")
        mounts = MountEvents(watch.stir)
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[_End] = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, _settle, asked, _End.TOLD)
        if lifeline is not None:
            _end_with(lifeline, asked)
        agent.on_unplug = partial(_settle, asked, _End.ASKED)
        end = _End.TOLD
        try:
            address = await agent.start()
            say(f"ready: {displayable(half.pair_name)} {half.side.value} {address}")
            end = await _until_end(gone, asked)
        finally:
            await agent.stop(CloseReason.STOPPED if end is _End.TOLD else CloseReason.UNPLUGGED)
            watching.cancel()
            mounts.close()
        say(end.value)


def _unfailing(say: Callable[[str], None]) -> Callable[[str], None]:
    """``say`` for what happens meanwhile: that nobody reads it any more must not end a session."""

    def tell(line: str) -> None:
        with contextlib.suppress(OSError):
            say(line)

    return tell


def _settle(asked: asyncio.Future[_End], end: _End) -> None:
    if not asked.done():
        asked.set_result(end)


def _end_with(lifeline: int, asked: asyncio.Future[_End]) -> None:
    loop = asyncio.get_running_loop()

    def readable() -> None:
        # Nothing is ever written to it.
        with contextlib.suppress(BlockingIOError):
            if not os.read(lifeline, 64):
                loop.remove_reader(lifeline)
                _settle(asked, _End.TOLD)

    os.set_blocking(lifeline, False)
    loop.add_reader(lifeline, readable)


async def _until_end(gone: asyncio.Task[None], asked: asyncio.Future[_End]) -> _End:
    """Wait for the end, and say which it is."""
    ends: list[asyncio.Future[Any]] = [gone, asked]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    return asked.result() if asked.done() else _End.GONE
