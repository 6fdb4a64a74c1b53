"""The order of what is asked of one patch: side by side, but for what touches the same bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from math import inf


@dataclass(slots=True, eq=False)
class _Turn:
    start: float
    end: float
    writes: bool
    over: asyncio.Future[None]


class PatchOrder:
    """Turns at stretches of one file. For one event loop."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []

    @contextlib.asynccontextmanager
    async def turn(self, start: float = 0, end: float = inf, *, writes: bool = True) -> AsyncIterator[None]:
        """Have a stretch while the context lasts.

        Waits until all that began earlier and touches it is over; two that only read do not wait for each other.

        Args:
            start, end: of the stretch, in bytes; all of the file unless told otherwise.
            writes: whether it changes what is there.
        """
        own = _Turn(start, end, writes, asyncio.get_running_loop().create_future())
        before = [
            turn.over
            for turn in self._turns
            if turn.start < own.end and own.start < turn.end and (turn.writes or own.writes)
        ]
        self._turns.append(own)
        try:
            if before:
                await asyncio.wait(before)
            yield
        finally:
            self._turns.remove(own)
            own.over.set_result(None)
