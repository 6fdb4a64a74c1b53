"""When sleep is held off: where the owner wants it, while the other side is connected, and some minutes beyond."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

from gimmal.agent.awake.holding import Hold, hold_off_sleep
from gimmal.base.errors import LocalError
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers

GRACE_SECONDS = 180.0
"""How long sleep is still held off once the other side is away: as a rule its network changes, and it comes back."""

LOOK_SECONDS = 5.0
"""Between two looks whether the other side is there, and whether the system still holds off sleep."""

RETRY_SECONDS = 60.0
"""After the system refused."""


@dataclass(frozen=True)
class AwakeStatus:
    """How it stands with this computer's sleep.

    Attributes:
        wanted: the owner wants it held off while the other side is connected.
        held: it is, now.
        reason: why not; empty where it is.
    """

    wanted: bool
    held: bool
    reason: str


class StayAwake:
    """One for each agent.

    Args:
        workers: for the system's ways, which block.
        connected: whether the other side is connected now.
        on_trouble: told one line where the system refuses, once until it agrees.
        make_hold: holds off sleep; raises LocalError.
    """

    def __init__(
        self,
        workers: Workers,
        connected: Callable[[], bool],
        on_trouble: Callable[[str], None],
        make_hold: Callable[[], Hold] = hold_off_sleep,
    ) -> None:
        self._workers = workers
        self._connected = connected
        self._say = on_trouble
        self._make_hold = make_hold
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._news = asyncio.Event()
        self._wanted = False
        self._seen: float | None = None
        self._refused = ""
        self._again = 0.0
        self._lock = threading.Lock()
        self._hold: Hold | None = None
        self._closed = False

    def start(self) -> None:
        """Begin."""
        self._tasks.start(self._keep(), "hold off sleep")

    def want(self, wanted: bool) -> None:
        """The owner's choice, from now on."""
        if wanted != self._wanted:
            self._wanted, self._refused, self._again = wanted, "", 0.0
            self._news.set()

    @property
    def status(self) -> AwakeStatus:
        """How it stands now."""
        held = self._hold is not None
        if held:
            reason = ""
        elif not self._wanted:
            reason = "it was not asked for"
        elif self._connected():
            reason = self._refused or "it is about to be"
        else:
            reason = self._refused or "the other side is not connected"
        return AwakeStatus(self._wanted, held, reason)

    async def close(self) -> None:
        """Let the computer sleep, and hold off nothing more."""
        self._tasks.cancel()
        with self._lock:
            self._closed = True
        await self._workers.call(self._release)

    async def _keep(self) -> None:
        while True:
            self._news.clear()
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS if self._wanted else None):
                    await self._news.wait()

    async def _look(self) -> None:
        now = self._loop.time()
        if self._connected():
            self._seen = now
        due = self._wanted and self._seen is not None and now - self._seen < GRACE_SECONDS
        hold = self._hold
        if hold is not None and (not due or hold.lost):
            await self._workers.call(self._release)
        if due and self._hold is None and now >= self._again:
            await self._try(now)

    async def _try(self, now: float) -> None:
        try:
            await self._workers.call(self._take)
        except LocalError as exc:
            if exc.message != self._refused:
                self._say(f"sleep: cannot be held off: {exc.message}; {exc.hint}")
            self._refused, self._again = exc.message, now + RETRY_SECONDS
        else:
            self._refused = ""

    def _take(self) -> None:
        hold = self._make_hold()
        with self._lock:
            if not self._closed:
                self._hold = hold
                return
        hold.release()  # it came too late

    def _release(self) -> None:
        with self._lock:
            hold, self._hold = self._hold, None
        if hold is not None:
            hold.release()
