"""The log of use of one agent: gathers from all sessions, writes in batches, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gimmal.agent.use_log.notes import UseNotes
from gimmal.agent.use_log.records import Who
from gimmal.agent.use_log.store import UseLogFiles, UseLogStore
from gimmal.base.errors import LocalError
from gimmal.base.primitives import random_bytes
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.messages import CloseReason
from gimmal.share.using import Used
from gimmal.transport.session import Session

logger = logging.getLogger("gimmal.agent")

RETRY_SECONDS = 30.0
"""After the disk refused, how long until it is tried again."""

UNWRITTEN_BYTES_MAX = 4 << 20
"""Bytes of records that wait for a disk that refuses; beyond, the oldest are lost, and an error is logged."""


class UseLog:
    """What the other side does here, for the keeper.

    Args:
        directory: where the sealed things of the lineage lie.
        key: 32 bytes from the half that seal it.
        workers: threads.
        say: told one line where the log cannot be kept, and when it can again.
        own: keep what this side does over there instead, by itself or through others.
    """

    def __init__(
        self, directory: Path, key: bytes, workers: Workers, say: Callable[[str], None], *, own: bool = False
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._own = own
        self._store = UseLogStore(UseLogFiles(directory, key, own=own))
        self._notes = UseNotes(time.time, time.monotonic, self._wake)
        self._workers = workers
        self._say = say
        self._tasks = Tasks()
        self._news = asyncio.Event()
        self._one = asyncio.Lock()
        self._unwritten: list[bytes] = []
        self._started = False

    def start(self) -> None:
        """Begin to write."""
        self._started = True
        if not self._own:
            self._notes.served()
        self._tasks.start(self._keep(), "log of use")

    def session(self, side: str) -> SessionUse:
        """For a new session of the other side, ``a`` or ``b``."""
        return SessionUse(self._notes, side)

    def own_session(self, side: str, computer: str) -> OwnUse:
        """For what this side does through one session.

        Args:
            side: the other one, ``a`` or ``b``.
            computer: the name that its computer gives itself, or nothing.
        """
        return OwnUse(self._notes, Who(side, computer, b"", "", agent=False))

    async def flush(self) -> None:
        """Write what was gathered, due or not.

        Raises:
            LocalError: the disk refuses.
        """
        await self._write(everything=True)

    async def close(self, reason: CloseReason) -> None:
        """Write the rest and let go of the log; the caller bounds how long that may take."""
        self._tasks.cancel()
        if self._started and not self._own:
            self._notes.served(reason.name.lower())
        with contextlib.suppress(LocalError):
            await self.flush()
        await self._workers.call(self._store.close)

    async def _keep(self) -> None:
        failing = False
        while True:
            await self._until_due()
            try:
                await self._write(everything=False)
            except LocalError as exc:
                if not failing:
                    self._say(f"log: {exc.message}; {exc.hint}")
                failing = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                if failing:
                    self._say("log: is written again")
                failing = False

    async def _until_due(self) -> None:
        while not self._unwritten:
            self._news.clear()
            due = self._notes.due
            seconds = due - time.monotonic() if due is not None else None
            if seconds is not None and seconds <= 0:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()

    async def _write(self, *, everything: bool) -> None:
        async with self._one:
            self._unwritten += self._notes.take(everything=everything)
            if not self._unwritten:
                return
            records, self._unwritten = self._unwritten, []
            try:
                # The thread goes on when nobody waits for it any more: what it writes must not be written twice.
                await asyncio.shield(self._workers.call(self._store.append, records))
            except LocalError:
                self._unwritten = _newest(records)
                raise

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is over
            self._loop.call_soon_threadsafe(self._news.set)


class SessionUse:
    """One session of the other side, as the log knows it; see share.using.UseWatcher.

    Args:
        notes: of all sessions.
        side: the other side's, ``a`` or ``b``.
    """

    def __init__(self, notes: UseNotes, side: str) -> None:
        self._notes = notes
        self._side = side
        self._id = random_bytes(8)

    def began(self, session: Session) -> None:
        """Who it is; what is told of it goes to the log until it has ended."""
        peer = session.peer
        who = Who(self._side, peer.name, peer.computer, peer.program, peer.agent)
        self._notes.began(self._id, who, session.links[0].path.value if session.links else "")
        session.ended.add_done_callback(lambda _ended: self._notes.ended(self._id, _reason(session)))

    def used(self, used: Sequence[Used]) -> None:
        """See UseWatcher."""
        self._notes.used(self._id, used)


class OwnUse:
    """What this side does through one session; see share.using.UseWatcher.

    Args:
        notes: of all sessions.
        where: it is done.
    """

    def __init__(self, notes: UseNotes, where: Who) -> None:
        self._notes = notes
        self._id = random_bytes(8)
        notes.knows(self._id, where)

    def used(self, used: Sequence[Used]) -> None:
        """See UseWatcher."""
        self._notes.used(self._id, used)

    def over(self) -> None:
        """Nothing more comes of it."""
        self._notes.forgets(self._id)


def _reason(session: Session) -> str:
    if session.closed_for is not None:
        return session.closed_for.name.lower()
    return "lost"


def _newest(records: list[bytes]) -> list[bytes]:
    size = 0
    kept: list[bytes] = []
    for data in reversed(records):
        size += len(data)
        if size > UNWRITTEN_BYTES_MAX:
            logger.error("%d records of the log of use are lost: the disk does not take them", len(records) - len(kept))
            break
        kept.append(data)
    kept.reverse()
    return kept
