"""When the other side was last seen, as a running agent knows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial

from gimmal.agent.last_seen import KEEP_SECONDS, LastSeen
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.transport.session import Session


class SeenPeer:
    """Knows it to the second, and keeps it at the beginning and end of each session, and now and then between.

    Args:
        kept: what this computer keeps of it.
        workers: for the disk.
        sessions: those there are.
    """

    def __init__(self, kept: LastSeen, workers: Workers, sessions: Callable[[], Iterable[Session]]) -> None:
        self._kept = kept
        self._workers = workers
        self._sessions = sessions
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._at = 0

    def start(self) -> None:
        """Begin."""
        self._tasks.start(self._keep(), "when the other side was seen")

    @property
    def connected(self) -> bool:
        """Whether it is connected now, its agent or one of its commands."""
        return any(session.links for session in self._sessions())

    @property
    def at(self) -> int:
        """Second since 1970 at which it was last seen; 0 where that is not known."""
        now = time.time()
        if self.connected:
            return int(now)
        # Sessions that wait for a link again have lost theirs a while ago.
        away = [session.without_links_since for session in self._sessions()]
        lost = [now - (self._loop.time() - since) for since in away if since is not None]
        return max(self._at, int(max(lost, default=0.0)))

    def began(self, session: Session) -> None:
        """A session with it was opened."""
        self._note(at_once=False)
        session.ended.add_done_callback(lambda _ended: self._note(at_once=True))

    async def close(self) -> None:
        """Keep what is known; the sessions must have been told to end before."""
        self._tasks.cancel()
        if self._at:
            await self._workers.call(partial(self._kept.note, self._at, at_once=True))

    async def _keep(self) -> None:
        self._at = max(self._at, await self._workers.call(self._kept.read))
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            if self.connected:
                self._note(at_once=False)

    def _note(self, *, at_once: bool) -> None:
        self._at = int(time.time())
        self._workers.start(partial(self._kept.note, self._at, at_once=at_once))
