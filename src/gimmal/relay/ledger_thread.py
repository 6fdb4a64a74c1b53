"""The ledger off the event loop: one thread, calls in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gimmal.relay.ledger import Ledger

ResultT = TypeVar("ResultT")


class LedgerThread:
    """Runs the calls of one ledger.

    Args:
        ledger: used by this thread alone from here on.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gimmal-ledger")

    async def call(self, work: Callable[[], ResultT]) -> ResultT:
        """Run `work` on the ledger's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def close(self) -> None:
        """Close the ledger after all earlier calls and end the thread."""
        await self.call(self.ledger.close)
        self._executor.shutdown(wait=False)
