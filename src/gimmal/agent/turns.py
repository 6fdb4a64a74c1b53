"""Which of two agents dials the other one when a relay tells each of them that the other is there.

Who comes last asks for a link together with its proof, before it hears anything: that costs no round trip. Who was
there first hears of the link that was asked for directly behind the news, and leaves it at that. Where none was asked
for, side a dials, and side b later (docs/spec/paths.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

OFFER_SECONDS = 0.1
"""Between the news that the other side has come and that it asked for a link: they travel together."""

SIDE_B_SECONDS = 1.0
"""What side b leaves to side a before it dials the other agent itself."""

OFFERED_SECONDS = 2.0
"""What a link that was asked for has to become a session."""


async def leave_turn(side: str, is_offered: Callable[[], bool], there: asyncio.Event) -> None:
    """Wait for as long as the other agent may be dialling, or until its session is there.

    Args:
        side: ``a`` or ``b``, this half's.
        is_offered: whether a link that the other side asked for is being taken.
        there: set when there is a session.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    patience = SIDE_B_SECONDS if side == "b" else OFFER_SECONDS
    while not there.is_set():
        left = began + (OFFERED_SECONDS if is_offered() else patience) - loop.time()
        if left <= 0:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, OFFER_SECONDS)):
                await there.wait()
