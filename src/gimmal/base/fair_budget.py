"""One bound for all sessions of a program, so shared that no session can take it all.

A holder may have no more than is left for the others: one alone gets half, two get a third each, and whoever comes
finds as much as any other has. So nobody has to be told how many there are, and nothing is taken back. Besides, each
holder has a small reserve of its own, so that it can always go on, however many others are full.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator


class FairBudget:
    """What all holders share. Safe for several threads, but for waiting, which is for one event loop.

    Args:
        total: what may be taken beyond all reserves.
        reserve: what each holder may always take.
    """

    def __init__(self, total: int, reserve: int) -> None:
        self.total = total
        self.reserve = reserve
        self.lock = threading.Lock()
        self.taken = 0
        """Beyond the reserves, by all."""
        self._waiting: deque[tuple[FairShare, int, asyncio.Future[None]]] = deque()

    def share(self) -> FairShare:
        """A new holder, which has nothing yet."""
        return FairShare(self)

    async def wait(self, share: FairShare, size: int) -> None:
        """Take ``size`` for a holder, as soon as it may; those who wait are served in their order."""
        if share.try_take(size):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((share, size, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                share.give(size)
                self.wake()
            raise

    def wake(self) -> None:
        """Something was given back: let those go on who may."""
        for _ in range(len(self._waiting)):
            share, size, turn = self._waiting.popleft()
            if turn.done():
                continue
            if share.try_take(size):
                turn.set_result(None)
            else:
                self._waiting.append((share, size, turn))


class FairShare:
    """What one holder has of a budget."""

    __slots__ = ("_budget", "_over", "held")

    def __init__(self, budget: FairBudget) -> None:
        self._budget = budget
        self._over = False
        self.held = 0

    def may_take(self, size: int) -> bool:
        """Whether so much more leaves the others as much as this holder would then have."""
        with self._budget.lock:
            return self._may_take(size)

    def try_take(self, size: int) -> bool:
        """Take, if it may be taken."""
        with self._budget.lock:
            if self._over or not self._may_take(size):
                return False
            self._set(self.held + size)
            return True

    def take(self, size: int) -> None:
        """Note what has come without being asked for; the holder sees to it that no more does."""
        with self._budget.lock:
            if not self._over:
                self._set(self.held + size)

    def give(self, size: int) -> None:
        """Give back."""
        with self._budget.lock:
            self._set(max(0, self.held - size))

    def give_all(self) -> None:
        """The holder is over: it has nothing any more, and takes nothing."""
        with self._budget.lock:
            self._over = True
            self._set(0)

    @contextlib.asynccontextmanager
    async def lent(self, size: int) -> AsyncIterator[None]:
        """Have ``size`` while the context lasts; waits until it may be taken. More than ever may is as much as may."""
        size = min(size, max(self._budget.reserve, self._budget.reserve + self._budget.total // 2))
        await self._budget.wait(self, size)
        try:
            yield
        finally:
            self.give(size)
            self._budget.wake()

    def _may_take(self, size: int) -> bool:
        beyond = self.held + size - self._budget.reserve
        if beyond <= 0:
            return True
        others = self._budget.taken - max(0, self.held - self._budget.reserve)
        return beyond <= self._budget.total - others - beyond

    def _set(self, held: int) -> None:
        reserve = self._budget.reserve
        self._budget.taken += max(0, held - reserve) - max(0, self.held - reserve)
        self.held = held
