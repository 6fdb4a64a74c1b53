"""The one way to start an asyncio task: named, kept, and ended by its owner."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

_log = logging.getLogger("gimmal")
ResultT = TypeVar("ResultT")


class Tasks:
    """The tasks of one owner.

    A task that fails is written to the log, also where it is awaited; its owner goes on. One whose failures are
    ordinary returns them.
    """

    __slots__ = ("_closed", "_tasks")

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, coroutine: Coroutine[Any, Any, ResultT], name: str) -> asyncio.Task[ResultT]:
        """Run a coroutine as a task that this owner keeps.

        Args:
            coroutine: what to run.
            name: shown in logs; holds no secret.

        Raises:
            RuntimeError: the owner is closed already.
        """
        if self._closed:
            coroutine.close()
            raise RuntimeError(f"task {name} was started after its owner had closed")
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def cancel(self) -> None:
        """Cancel what still runs without waiting for it; nothing more can be started."""
        self._closed = True
        for task in list(self._tasks):
            task.cancel()

    async def close(self, deadline: float = 5.0) -> None:
        """Cancel what still runs and wait for it.

        Args:
            deadline: seconds to wait; what has not ended by then is named in the log and left behind.
        """
        self._closed = True
        current = asyncio.current_task()
        running = [task for task in self._tasks if task is not current]
        for task in running:
            task.cancel()
        if not running:
            return
        _, pending = await asyncio.wait(running, timeout=deadline)
        for task in pending:
            _log.error("task %s did not end in time", task.get_name())

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("task %s failed", task.get_name(), exc_info=failure)
