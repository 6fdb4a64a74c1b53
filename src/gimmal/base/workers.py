"""Threads for what may block: no file-system call runs on an event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

logger = logging.getLogger("gimmal")

CALL_THREADS = 16
BULK_THREADS = 4
LONG_THREADS = 4
WAITING_THREADS = 4

ParametersT = ParamSpec("ParametersT")
ResultT = TypeVar("ResultT")


class Workers:
    """Pools of threads, so that neither bulk waiting for a slow disk nor work on whole files holds up a listing.

    Whatever runs here has to be bounded by its caller; a thread that a disk blocks cannot be taken back.
    """

    def __init__(self) -> None:
        self._calls = ThreadPoolExecutor(CALL_THREADS, thread_name_prefix="gimmal-call")
        self._bulk = ThreadPoolExecutor(BULK_THREADS, thread_name_prefix="gimmal-bulk")
        self._long = ThreadPoolExecutor(LONG_THREADS, thread_name_prefix="gimmal-long")
        self._waiting = ThreadPoolExecutor(WAITING_THREADS, thread_name_prefix="gimmal-waiting")

    async def call(
        self,
        function: Callable[ParametersT, ResultT],
        *arguments: ParametersT.args,
        **named: ParametersT.kwargs,
    ) -> ResultT:
        """Run a short blocking function in a thread for calls.

        Where the interpreter ends, and no thread takes work any more, it runs in the calling one: what a program has
        still to write down then keeps nobody waiting.
        """
        assert not named
        if not threading.main_thread().is_alive():
            return function(*arguments, **named)
        return await asyncio.get_running_loop().run_in_executor(self._calls, function, *arguments)

    async def bulk(
        self,
        function: Callable[ParametersT, ResultT],
        *arguments: ParametersT.args,
        **named: ParametersT.kwargs,
    ) -> ResultT:
        """Run a blocking function that moves many bytes in a thread for bulk."""
        assert not named
        return await asyncio.get_running_loop().run_in_executor(self._bulk, function, *arguments)

    async def long(
        self,
        function: Callable[ParametersT, ResultT],
        *arguments: ParametersT.args,
        **named: ParametersT.kwargs,
    ) -> ResultT:
        """Run a blocking function that takes as long as a file is large in a thread for those."""
        assert not named
        return await asyncio.get_running_loop().run_in_executor(self._long, function, *arguments)

    async def waiting(
        self,
        function: Callable[ParametersT, ResultT],
        *arguments: ParametersT.args,
        **named: ParametersT.kwargs,
    ) -> ResultT:
        """Run a function that waits for another process, perhaps for long, in a thread for those."""
        assert not named
        return await asyncio.get_running_loop().run_in_executor(self._waiting, function, *arguments)

    def start(self, function: Callable[[], None]) -> None:
        """Run a short blocking function in a thread for calls; nobody waits for it, a failure goes to the log."""
        try:
            self._calls.submit(function).add_done_callback(_log_failure)
        except RuntimeError:
            logger.debug("not started any more: %s", function)

    def close(self) -> None:
        """Start nothing more; what runs is not waited for."""
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._bulk.shutdown(wait=False, cancel_futures=True)
        self._long.shutdown(wait=False, cancel_futures=True)
        self._waiting.shutdown(wait=False, cancel_futures=True)


def _log_failure(done: Future[None]) -> None:
    if not done.cancelled() and (failure := done.exception()) is not None:
        logger.error("work in a thread failed", exc_info=failure)
