"""One run of a queued transfer: the engine that commands use, with eyes on how far it has come."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf

from gimmal.agent.queue.advance import Advance, Counts, Failures, UnfinishedPart, continued, counts_of, failures_of
from gimmal.agent.queue.files import Flow, Parts, QueuedFiles, Room
from gimmal.agent.queue.machine import Outcome, State
from gimmal.agent.queue.order import Order, prepare
from gimmal.agent.queue.rate import Rate
from gimmal.agent.queue.way import Host, QueueWay
from gimmal.base.errors import LocalError, PeerError, RemoteError, UsageError
from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import OpenPart, Replace
from gimmal.remote.files import Files
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.transfer import RETRY_MOST, Transfer, transfer_until_done
from gimmal.share.service import ShareService
from gimmal.share.shares import ShareTable

LOOK_SECONDS = 1.0
"""How often the rate is looked at."""

KEEP_SECONDS = 5.0
"""How often it is noted how far it has come."""

FAULTS_MAX = 5
"""Sessions that may end by a broken rule, as one flipped bit makes them, before a transfer gives up."""

_NO_SOURCE = bytes(16)
_NOTHING_THERE = frozenset(("not_found", "exists", "not_a_directory", "is_a_directory"))
"""Answers to which there is no part file: its folder is gone, or it has its final name."""


class Run:
    """One run.

    Args:
        host: what the agent lends.
        room: of all queued transfers.
        order: what to do.
        advance: how far it has come in other runs.
        keep: keeps how far it has come; its second argument: durably.
        after: tasks that outlive the run, for what has to be told to the other side when it has ended.
    """

    def __init__(
        self,
        host: Host,
        room: Room,
        order: Order,
        advance: Advance,
        keep: Callable[[Advance, bool], Awaitable[None]],
        after: Tasks,
    ) -> None:
        self._host = host
        self._room = room
        self._order = order
        self._before = advance
        self._keep = keep
        self._after = after
        self._into = advance.into
        self._parts = Parts(advance.parts)
        self._flow = Flow()
        self._tasks = Tasks()
        self._started = time.monotonic()
        self._path = advance.path
        self._rate = Rate()
        self._progress = continued(advance.counts)
        self._untouched = counts_of(self._progress)
        self.away: str | None = None
        """Why it waits for the other side, maybe empty; None where it does not wait."""

    # What can be told meanwhile --------------------------------------------------------------------------------------

    @property
    def touched(self) -> bool:
        """Whether it has come to anything yet; before, what other runs did is what there is to tell."""
        return counts_of(self._progress) != self._untouched

    @property
    def counts(self) -> Counts:
        """How far it has come."""
        return counts_of(self._progress) if self.touched else self._before.counts

    @property
    def bytes_per_second(self) -> float:
        """How fast it goes."""
        return 0.0 if self.away is not None else self._rate.bytes_per_second

    @property
    def remaining(self) -> float | None:
        """Seconds to its end; None where it cannot be told."""
        progress = self._progress
        if self.away is not None or not progress.walked:
            return None
        return self._rate.remaining(max(0, progress.total_bytes - progress.bytes - progress.skipped_bytes))

    def advance(self) -> Advance:
        """How far it has come, for keeping."""
        seconds = self._before.seconds + time.monotonic() - self._started
        return Advance(
            self._before.number, self.counts, self._into, self._parts.unfinished, self._path, round(seconds, 3)
        )

    def failures(self) -> Failures:
        """What failed so far."""
        return failures_of(self._before.number, self._progress)

    def waiting(self, reason: str) -> None:
        """See TransferWatcher."""
        self.away = reason

    def going(self) -> None:
        """See TransferWatcher."""
        self.away = None

    # Running ---------------------------------------------------------------------------------------------------------

    async def transfer(self) -> Outcome:
        """Do all of it, however long the other side is away.

        Raises:
            GimmalError: it failed as a whole.
        """
        prepared = await self._host.workers.call(partial(prepare, self._order, make=True))
        prepared.placement.into = self._into
        prepared.placement.keep = self._decided
        self._room.transfers += 1
        self._tasks.start(self._look(), "progress of a queued transfer")
        try:
            self._path = await self._until_done(prepared.transfer)
        finally:
            self._room.transfers -= 1
            self._tasks.cancel()
        return outcome_of(self._progress)

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, and wait for what is under way, but no longer than ``seconds``."""
        await self._flow.drain(seconds)

    async def _until_done(self, transfer: Transfer) -> str:
        faults = 0
        while True:
            way = QueueWay(self._host, self._after, self._room, self._flow, self._parts)
            try:
                return await transfer_until_done(way, transfer, self._progress, self)
            except PeerError as exc:
                faults += 1
                if faults > FAULTS_MAX:
                    raise
                self.away = exc.message
                self._progress.restart()
                await asyncio.sleep(RETRY_MOST)

    async def _decided(self, into: bool) -> None:
        self._into = into
        await self._keep(self.advance(), True)

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        kept, kept_at = self.counts, loop.time()
        while True:
            progress = self._progress
            self._rate.saw(loop.time(), progress.bytes - progress.resumed_bytes - progress.hole_bytes)
            await asyncio.sleep(LOOK_SECONDS)
            if loop.time() - kept_at >= KEEP_SECONDS and self.counts != kept:
                kept, kept_at = self.counts, loop.time()
                with contextlib.suppress(LocalError):
                    await self._keep(self.advance(), False)

    # Removing what a cancelled one left ------------------------------------------------------------------------------

    async def discard(self) -> Outcome:
        """Remove its unfinished part files, on this computer at once, on the other side when that is there."""
        failures: list[str] = []
        here = [part for part in self._parts.unfinished if not part.far]
        there = [part for part in self._parts.unfinished if part.far]
        if here:
            # Where the folder is not there any more, nor is what was in it.
            with contextlib.suppress(LocalError, UsageError):
                await self._remove_here(here, failures)
        if there:

            async def work(_local: Files, other: Files, _progress: Progress) -> None:
                await _remove(there, other, failures)

            await self._until_done(Transfer("removal", [], work, inf))
        self._parts = Parts()
        return Outcome(State.CANCELLED, f"a part file stays: {failures[0]}" if failures else "")

    async def _remove_here(self, parts: Sequence[UnfinishedPart], failures: list[str]) -> None:
        host = self._host
        shares = (await host.workers.call(partial(prepare, self._order, make=False))).transfer.shares
        service = await host.workers.call(ShareService, ShareTable(shares), host.directory / "local", host.key)
        share = service.open_session()
        files = LocalFiles(share, host.pool, host.workers, {share.name: share.path for share in shares})
        try:
            await _remove(parts, QueuedFiles(files, self._room, self._flow, self._parts, None), failures)
        finally:
            await host.workers.call(share.close)
            await host.workers.call(service.close)


async def _remove(parts: Sequence[UnfinishedPart], files: Files, failures: list[str]) -> None:
    """Remove the part files of some names: opened for another source each is begun anew, and that is given up."""
    failures.clear()
    for part in parts:
        replace = Replace.NEVER if part.fresh else Replace.ALWAYS
        try:
            opened = await files.open_part(OpenPart(part.path, 0, _NO_SOURCE, replace))
            await files.discard(opened.part, remove=True)
        except RemoteError as exc:
            if exc.code not in _NOTHING_THERE:
                failures.append(exc.message)


def outcome_of(progress: Progress) -> Outcome:
    """How a run that came to its end has ended."""
    count = progress.failed + len(progress.left_out)
    if not count and not progress.not_deleted:
        return Outcome(State.DONE)
    if not count:
        return Outcome(State.PARTLY, f"{progress.not_deleted:,} entries were not deleted: not all was listed")
    if progress.files + progress.skipped + progress.folders + progress.links:
        return Outcome(State.PARTLY, f"{count:,} of {count + progress.files + progress.skipped:,} could not be done")
    if count == 1 and progress.failures:
        name, reason = progress.failures[0]
        return Outcome(State.FAILED, f"{name}: {reason}")
    return Outcome(State.FAILED, f"none of {count:,} could be done")
