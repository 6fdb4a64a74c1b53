"""Running a transfer until it is done: both ends, waiting while the other side is away, going on.

Whoever wants something moved, a command or the agent's queue, says what in a ``Transfer``, gives a ``TransferWay`` to
the other side, and hears through a ``TransferWatcher`` when the other side is away.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gimmal.base.errors import GimmalError, Interrupted, PeerSilent, RelayError, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.messages import Packing
from gimmal.remote.files import Files
from gimmal.remote.limit import Limit
from gimmal.remote.limited_files import LimitedFiles
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.service import ShareService, ShareSession
from gimmal.share.shares import Share, ShareTable
from gimmal.transport.buffers import BufferPool
from gimmal.transport.session import Session

TELL_WAITING_SECONDS = 3.0
RETRY_FIRST, RETRY_MOST = 0.3, 5.0
OPEN_SECONDS = 10.0
LOOK_SECONDS = 1.0
"""How often a running transfer looks whether its session has a link."""


@dataclass(frozen=True)
class Transfer:
    """What is moved.

    Attributes:
        noun: what it is called when it is interrupted.
        shares: folders of this computer concerned.
        work: does all of it over one session: files of this computer, of the other side, progress.
        wait: seconds to wait for the other side; infinite for ever.
        limit: bytes per second, or None.
        packing: whether bytes are packed on the way.
        sweep: remove what has been too long in the trash of this computer's folder.
    """

    noun: str
    shares: list[Share]
    work: Callable[[Files, Files, Progress], Awaitable[None]]
    wait: float
    limit: int | None = None
    sweep: bool = False
    packing: Packing = Packing.SLOW


class TransferSession(ABC):
    """A session with the other side, and who asks over it.

    Args:
        session: what the questions go through.
        pool, workers: of the process.
    """

    def __init__(self, session: Session, pool: BufferPool, workers: Workers) -> None:
        self.session = session
        self.pool = pool
        self.workers = workers

    @property
    @abstractmethod
    def path(self) -> str:
        """How what was moved travelled."""

    @abstractmethod
    async def linked(self) -> bool:
        """Whether the other side is reached just now."""

    def local(self, share: ShareSession, roots: Mapping[str, Path]) -> Files:
        """This computer's files; see LocalFiles."""
        return LocalFiles(share, self.pool, self.workers, roots)

    def other(self, files: RemoteFiles) -> Files:
        """The other side's files, as whoever asks sees them."""
        return files

    @abstractmethod
    def leave(self) -> None:
        """A run over this session has ended, however it did."""


class TransferWay(ABC):
    """How a transfer gets sessions, as often as it needs one."""

    @property
    @abstractmethod
    def side(self) -> str:
        """``a`` or ``b``: this side."""

    @abstractmethod
    async def open(self, deadline: float) -> TransferSession:
        """A session with the other side; the one at hand where it still lives.

        Args:
            deadline: seconds.

        Raises:
            HalfGone: the half was pulled out.
            GimmalError: why there is none.
        """

    @abstractmethod
    def journals(self) -> tuple[Path, bytes]:
        """Folder and key of the journals of this computer's part files; known once a session was opened."""

    @abstractmethod
    async def rest(self, seconds: float) -> None:
        """Wait between two tries, but no longer than the half is there.

        Raises:
            HalfGone: it was pulled out.
        """


class TransferWatcher(Protocol):
    """Hears how a transfer stands with the other side."""

    def waiting(self, reason: str) -> None:
        """The other side has been away for a while; ``reason`` may be empty."""

    def going(self) -> None:
        """The other side is there."""


async def transfer_until_done(
    way: TransferWay, transfer: Transfer, progress: Progress, watcher: TransferWatcher
) -> str:
    """Move all of it, however often the connection is cut, waiting for the other side where it is away.

    Returns:
        the path used.

    Raises:
        GimmalError: it could not be begun, or was interrupted. Items that failed are in ``progress``.
    """
    loop = asyncio.get_running_loop()
    away_since: float | None = None
    pause = RETRY_FIRST
    attempts = 0
    failure: GimmalError | None = None

    def tell_waiting() -> None:
        watcher.waiting(failure.message if failure is not None else "")

    telling = loop.call_later(TELL_WAITING_SECONDS, tell_waiting)
    try:
        while True:
            moved = progress.bytes
            trying: float | None = loop.time()
            try:
                opened = await way.open(OPEN_SECONDS)
                trying = None
                telling.cancel()
                watcher.going()
                if attempts:
                    progress.restart()
                    moved = 0
                attempts += 1
                await _run_over(way, opened, transfer, progress, watcher)
                return opened.path
            except _NotBackError as exc:
                # It was waited for as long as was to be waited, and a way was looked for all the time.
                raise _gave_up(transfer, exc, started=True) from None
            except PeerSilent:
                if not attempts:
                    raise
                failure = Interrupted("the other side is not answering", "run the command again")
            except UnreachableError as exc:
                if isinstance(exc, RelayError) and exc.hopeless and not attempts:
                    raise
                failure = exc
            now = loop.time()
            if away_since is None or progress.bytes > moved:
                # A try that found nobody was a part of the waiting, too.
                away_since, pause = now if trying is None else trying, RETRY_FIRST
            if telling.cancelled():
                telling = loop.call_later(TELL_WAITING_SECONDS, tell_waiting)
            if now - away_since >= transfer.wait:
                raise _gave_up(transfer, failure, started=attempts > 0)
            await way.rest(min(pause, max(0.0, transfer.wait - (now - away_since))))
            pause = min(2 * pause, RETRY_MOST)
    finally:
        telling.cancel()


class _NotBackError(Interrupted):
    """The other side was away for as long as this transfer waits."""


def _gave_up(transfer: Transfer, failure: GimmalError, *, started: bool) -> GimmalError:
    if not started and not isinstance(failure, Interrupted):
        return failure
    interrupted = Interrupted(
        f"the {transfer.noun} was interrupted: {failure.message}", "run the command again: it goes on where it was"
    )
    interrupted.__cause__ = failure
    return interrupted


async def _run_over(
    way: TransferWay, opened: TransferSession, transfer: Transfer, progress: Progress, watcher: TransferWatcher
) -> None:
    """One run over one session, with an eye on its links."""
    workers = opened.workers
    directory, key = way.journals()
    service = await workers.call(ShareService, ShareTable(transfer.shares), directory / "local", key)
    share = service.open_session(f"sync on side {way.side}")
    local = opened.local(share, {share.name: share.path for share in transfer.shares})
    limit = Limit(transfer.limit) if transfer.limit is not None else None
    other = RemoteFiles(opened.session) if limit is None else LimitedFiles(opened.session, limit, workers)
    other.choose_packing(transfer.packing)
    tasks = Tasks()
    tasks.start(_watch_links(opened, transfer.wait, watcher), "links of the transfer")
    try:
        if transfer.sweep:
            await workers.long(service.sweep_trash)
        await transfer.work(local, opened.other(other), progress)
    finally:
        progress.saved_bytes += other.saved
        tasks.cancel()
        opened.leave()
        await workers.call(share.close)
        await workers.call(service.close)


async def _watch_links(opened: TransferSession, wait: float, watcher: TransferWatcher) -> None:
    """Say so when the session has been without a link for a while, and end it after ``wait`` seconds."""
    loop = asyncio.get_running_loop()
    linked_at = loop.time()
    told = False
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await opened.linked():
            linked_at = loop.time()
            if told:
                told = False
                watcher.going()
            continue
        away = loop.time() - linked_at
        if away >= max(wait, LOOK_SECONDS):
            opened.session.fail(_NotBackError("the other side did not come back", "run the command again"))
            return
        if away >= TELL_WAITING_SECONDS and not told:
            told = True
            watcher.waiting("the connection was cut")
