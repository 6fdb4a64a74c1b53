"""How a command that lasts is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal


def told_to_end() -> asyncio.Future[None]:
    """Completes when the person presses Ctrl-C or the system asks the command to end; again it changes nothing."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not told.done():
            told.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, settle)
    return told
