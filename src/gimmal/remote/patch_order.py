"""The order of what is asked of one patch: side by side, but for what touches the same bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from math import inf

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.transport.frames import again


@dataclass(slots=True, eq=False)
class _Turn:
    start: float
    end: float
    writes: bool
    over: asyncio.Future[None]


class PatchOrder:
    """Turns at stretches of one file, until a change of it fails. For one event loop."""

    def __init__(self) -> None:
        self._turns: list[_Turn] = []
        self._failure: GimmalError | None = None

    def check(self) -> None:
        """Raise what spoiled it, if anything did."""
        if self._failure is not None:
            raise again(self._failure)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """What fails in here, or is cancelled, leaves nobody knowing what the file holds: all later ones fail too."""
        self.check()
        try:
            yield
        except GimmalError as exc:
            self._failure = exc
            raise
        except BaseException:
            self._failure = RemoteError("failed", "a write was cut short", "save it again")
            raise

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
