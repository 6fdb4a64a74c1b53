"""Whose turn it is to punch in one session, and how often (docs/spec/paths.md, section 7.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

BURST = 16
"""Punchings that the other side may ask for at once: as many as a session may have links."""

PER_SECOND = 0.5
"""And after that."""


class Turns:
    """One for each session; one punching at a time.

    Args:
        opener: whether this side opened the session: where both ask at once, the opener's stands.
    """

    def __init__(self, opener: bool) -> None:
        self._opener = opener
        self._lock = asyncio.Lock()
        self._asks = False
        self._answers = False
        self._answered = asyncio.Event()
        self._answered.set()
        self._allowance = float(BURST)
        self._counted = 0.0

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """Have this side's turn; waits for those before, of either side."""
        async with self._lock:
            await self._answered.wait()
            self._asks = True
            try:
                yield
            finally:
                self._asks = False

    async def free(self, deadline: float) -> None:
        """Wait until the other side's punching is over, ``deadline`` seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                await self._answered.wait()

    @contextmanager
    def answering(self, now: float) -> Iterator[bool]:
        """Whether the other side may have a turn now; it is taken until the end.

        Args:
            now: seconds, of one clock.
        """
        self._allowance = min(BURST, self._allowance + (now - self._counted) * PER_SECOND)
        self._counted = now
        may = not self._answers and not (self._asks and self._opener) and self._allowance >= 1
        if may:
            self._allowance -= 1
            self._answers = True
            self._answered.clear()
        try:
            yield may
        finally:
            if may:
                self._answers = False
                self._answered.set()
