"""Threads for what may block: no file-system call runs on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

CALL_THREADS = 16
BULK_THREADS = 4
LONG_THREADS = 4

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

    async def call(
        self,
        function: Callable[ParametersT, ResultT],
        *arguments: ParametersT.args,
        **named: ParametersT.kwargs,
    ) -> ResultT:
        """Run a short blocking function in a thread for calls."""
        assert not named
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

    def close(self) -> None:
        """Start nothing more; what runs is not waited for."""
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._bulk.shutdown(wait=False, cancel_futures=True)
        self._long.shutdown(wait=False, cancel_futures=True)
