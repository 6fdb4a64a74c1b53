"""From the server's threads to the event loop and back: every wait ends, and every error becomes an answer of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from gimmal.base.errors import DeadlinePassed, GimmalError, Interrupted, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.frontends.dav.side import ASKED_SECONDS
from gimmal.frontends.dav.statuses import answer_of

ResultT = TypeVar("ResultT")

MARGIN_SECONDS = 5.0
"""So much longer than its deadline a thread waits for the loop itself, which may be busy; then it gives up."""


class Bridge:
    """What the threads of one server ask the event loop for.

    Args:
        loop: where the other side is asked.
        unreachable: called on the loop where it was asked in vain.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, unreachable: Callable[[], None] = lambda: None) -> None:
        self._loop = loop
        self._unreachable = unreachable
        self._tasks = Tasks()

    def call(self, work: Coroutine[Any, Any, ResultT], deadline: float = ASKED_SECONDS) -> ResultT:
        """The result of a coroutine that runs on the loop; for threads.

        Args:
            work: what to do.
            deadline: seconds.

        Raises:
            DAVError: it failed, took too long, or the server is being closed.
        """
        return self.wait(self.begin(work, deadline), deadline)

    def begin(self, work: Coroutine[Any, Any, ResultT], deadline: float = ASKED_SECONDS) -> Future[ResultT]:
        """Have a coroutine run on the loop; ``wait`` gives its result. For threads."""
        done: Future[ResultT] = Future()

        def begin() -> None:
            try:
                self._tasks.start(self._run(work, deadline, done), "request of a network drive")
            except RuntimeError:
                work.close()
                done.set_exception(_closed())

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError:  # the loop has ended
            work.close()
            done.set_exception(_closed())
        return done

    def wait(self, done: Future[ResultT], deadline: float = ASKED_SECONDS) -> ResultT:
        """The result of what was begun with such a deadline; raises as ``call``."""
        try:
            return done.result(deadline + MARGIN_SECONDS)
        except GimmalError as exc:
            raise answer_of(exc) from exc
        except TimeoutError as exc:
            raise answer_of(_late()) from exc

    async def close(self) -> None:
        """Break off what is under way; whoever waits is told so."""
        await self._tasks.close()

    async def _run(self, work: Coroutine[Any, Any, ResultT], deadline: float, done: Future[ResultT]) -> None:
        """Do it; the outcome goes to ``done``, whatever it is."""
        try:
            async with asyncio.timeout(deadline) as timeout:
                done.set_result(await work)
        except asyncio.CancelledError:
            done.set_exception(_closed())
            raise
        except TimeoutError as exc:
            self._unreachable()
            done.set_exception(_late() if timeout.expired() else exc)
        except Exception as exc:  # noqa: BLE001 - raised again in the thread that waits
            if isinstance(exc, UnreachableError):
                self._unreachable()
            done.set_exception(exc)


def _late() -> DeadlinePassed:
    return DeadlinePassed("the other side did not answer in time", "`gimmal status` shows the connection")


def _closed() -> Interrupted:
    return Interrupted("the network drive was closed", "start `gimmal dav` again")
