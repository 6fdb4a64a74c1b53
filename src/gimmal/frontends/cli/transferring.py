"""Running a transfer for a person: both ends, waiting while the other side is away, going on, what failed."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gimmal.base.errors import (
    ExitCode,
    GimmalError,
    Interrupted,
    PartlyDone,
    PeerSilent,
    RelayError,
    UnreachableError,
)
from gimmal.base.tasks import Tasks
from gimmal.frontends.cli.copy_progress import ProgressView, View
from gimmal.frontends.cli.output import print_json, say
from gimmal.frontends.cli.reaching import Way, hint_of, is_here, run_with_reach
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Packing
from gimmal.remote.limit import Limit
from gimmal.remote.limited_files import LimitedFiles
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.verifying import HINT as VERIFY_HINT
from gimmal.remote.verifying import UNLIKE
from gimmal.share.service import ShareService
from gimmal.share.shares import Share, ShareTable

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach, Reached

TELL_WAITING_SECONDS = 3.0
RETRY_FIRST, RETRY_MOST = 0.3, 5.0
OPEN_SECONDS = 10.0
LOOK_SECONDS = 1.0
"""How often a running transfer looks whether its session has a link."""


@dataclass(frozen=True)
class Transfer:
    """What one command moves.

    Attributes:
        noun: what it is called when it is interrupted.
        shares: folders of this computer concerned.
        work: does all of it over one session: files of this computer, of the other side, progress.
        wait: seconds to wait for the other side.
        shown: whether progress is shown, on a terminal.
        events: whether progress is printed as JSON.
        limit: bytes per second, or None.
        packing: whether bytes are packed on the way.
        sweep: remove what has been too long in the trash of this computer's folder.
    """

    noun: str
    shares: list[Share]
    work: Callable[[LocalFiles, RemoteFiles, Progress], Awaitable[None]]
    wait: float
    shown: bool
    limit: int | None = None
    sweep: bool = False
    events: bool = False
    packing: Packing = Packing.SLOW


def run_transfer(transfer: Transfer, way: Way, progress: Progress) -> tuple[float, str]:
    """Run it, however often the connection is cut; seconds it took and the path used.

    Raises:
        GimmalError: it could not be begun, or was interrupted. Items that failed are in ``progress``.
    """
    started = time.monotonic()
    path = run_with_reach(way, lambda reach: transfer_until_done(reach, transfer, progress))
    return time.monotonic() - started, path


def say_would(*, far: bool, as_json: bool) -> Callable[[str, str], None]:
    """What says one thing that a dry run would do."""

    def would(path: str, what: str) -> None:
        shown = path if path.startswith(":") or not far else ":" + path
        shown = shown.removeprefix("here/")
        if as_json:
            print_json({"would": what, "path": shown})
        else:
            print(f"would {what}: {shown}")

    return would


def raise_transfer_failures(
    progress: Progress, done: str, *, dry_run: bool = False, hints: Mapping[Code, str] | None = None
) -> None:
    """Say what was left out, and end a transfer that did not do all of it.

    Args:
        progress: what came of it.
        done: what is done to an item, in the past.
        dry_run: nothing was done to any.
        hints: by protocol code, where the command knows better than the table what to do.

    Raises:
        PartlyDone: some items failed; where none was done, its exit code is REFUSED.
        GimmalError: the only one failed.
    """
    for name, reason in progress.left_out:
        say(f"left out: {name}: {reason}")
    for name in progress.mapped:
        say(f"name changed: {name}: the characters that cannot travel are written in private ones")
    failed = list(progress.failures)
    if failed or progress.left_out:
        count = progress.failed + len(progress.left_out)
        if progress.files + progress.skipped == 0 and count == 1 and failed:
            name, reason = failed[0]
            error = GimmalError(f"{name}: {reason}", VERIFY_HINT if reason in UNLIKE else hint_of(reason, hints))
            here = is_here(reason) or (reason in UNLIKE and not name.startswith(":"))
            error.exit_code = ExitCode.LOCAL if here else ExitCode.REFUSED
            raise error
        nothing = not (progress.files + progress.skipped + progress.folders + progress.links or progress.left_out)
        message = f"{count} of {count + progress.files + progress.skipped} could not be {done}"
        hint = "the lines above say why" + ("" if nothing else f"; the rest is {done} and verified")
        if dry_run:
            message = f"{'1 entry' if count == 1 else f'{count} entries'} could not be {done}"
            hint = "the lines above say why; nothing was changed"
        partly = PartlyDone(message, hint, tuple(failed))
        if nothing:
            partly.exit_code = ExitCode.REFUSED
        raise partly


async def transfer_until_done(reach: Reach, transfer: Transfer, progress: Progress) -> str:
    """Copy until it is done, waiting for the other side where it is away; returns the path used."""
    loop = asyncio.get_running_loop()
    view = _view_of(transfer, progress)
    away_since: float | None = None
    pause = RETRY_FIRST
    attempts = 0
    failure: GimmalError | None = None

    def tell_waiting() -> None:
        view.message("waiting for the other side" + (f": {failure.message}" if failure is not None else ""))

    with view:
        telling = loop.call_later(TELL_WAITING_SECONDS, tell_waiting)
        while True:
            moved = progress.bytes
            try:
                reached = await reach.open(OPEN_SECONDS)
                telling.cancel()
                if attempts:
                    progress.restart()
                attempts += 1
                watch = partial(_watch_links, wait=transfer.wait, view=view)
                await _run_over(reach, reached, transfer, progress, watch)
                return _path_of(reached)
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
                away_since, pause = now, RETRY_FIRST
            if telling.cancelled():
                telling = loop.call_later(TELL_WAITING_SECONDS, tell_waiting)
            if now - away_since >= transfer.wait:
                raise _gave_up(transfer, failure, started=attempts > 0)
            await reach.rest(min(pause, max(0.0, transfer.wait - (now - away_since))))
            pause = min(2 * pause, RETRY_MOST)


def _view_of(transfer: Transfer, progress: Progress) -> View:
    if transfer.events:
        from gimmal.frontends.cli.progress_events import ProgressEvents

        return ProgressEvents(progress, transfer.noun)
    return ProgressView(progress, shown=transfer.shown and sys.stderr.isatty())


def _gave_up(transfer: Transfer, failure: GimmalError, *, started: bool) -> GimmalError:
    if not started and not isinstance(failure, Interrupted):
        return failure
    interrupted = Interrupted(
        f"the {transfer.noun} was interrupted: {failure.message}", "run the command again: it goes on where it was"
    )
    interrupted.__cause__ = failure
    return interrupted


async def _run_over(
    reach: Reach,
    reached: Reached,
    transfer: Transfer,
    progress: Progress,
    watch: Callable[[Reach, Reached], Coroutine[None, None, None]],
) -> None:
    """One run over one session, with ``watch`` beside it."""
    service = await reach.workers.call(
        ShareService, ShareTable(transfer.shares), reach.journal_directory / "local", reach.journal_key
    )
    share = service.open_session(f"sync on side {reach.header.side.value}")
    local = LocalFiles(share, reach.pool, reach.workers, {share.name: share.path for share in transfer.shares})
    tasks = Tasks()
    tasks.start(watch(reach, reached), "links of the transfer")
    other = reached.files
    other.saved = 0
    try:
        if transfer.sweep:
            await reach.workers.long(service.sweep_trash)
        if transfer.limit is not None:
            other = LimitedFiles(reached.session, Limit(transfer.limit), reach.workers)
        other.choose_packing(transfer.packing)
        await transfer.work(local, other, progress)
    finally:
        progress.saved_bytes += other.saved
        tasks.cancel()
        await reach.workers.call(share.close)
        await reach.workers.call(service.close)


async def _watch_links(reach: Reach, reached: Reached, *, wait: float, view: View) -> None:
    """Say so when the session has been without a link for a while, and end it after ``wait`` seconds."""
    loop = asyncio.get_running_loop()
    linked_at = loop.time()
    told = False
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if await _is_linked(reach, reached):
            linked_at, told = loop.time(), False
            continue
        away = loop.time() - linked_at
        if away >= max(wait, LOOK_SECONDS):
            reached.session.fail(Interrupted("the other side did not come back", "run the command again"))
            return
        if away >= TELL_WAITING_SECONDS and not told:
            told = True
            view.message("waiting for the other side: the connection was cut")


async def _is_linked(reach: Reach, reached: Reached) -> bool:
    if not reached.through_agent:
        return bool(reached.session.links)
    # The link to the agent is always there; the agent knows how it stands with the other side.
    with contextlib.suppress(GimmalError):
        answered = await reach.ask_agent("status", LOOK_SECONDS)
        if answered is not None:
            reply, connection = answered
            connection.close()
            return bool(reply.status.get("connected"))
    return False


def _path_of(reached: Reached) -> str:
    if reached.through_agent:
        return reached.path
    links = sorted(reached.session.links, key=lambda link: link.bytes_sent + link.bytes_received)
    return links[-1].path.value if links else reached.path
