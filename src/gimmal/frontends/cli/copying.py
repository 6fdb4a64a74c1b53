"""Running a copy for a person: both ends, waiting, progress, summary."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from gimmal.base.display import displayable
from gimmal.base.errors import (
    ExitCode,
    GimmalError,
    Interrupted,
    LocalError,
    PartlyDone,
    PeerSilent,
    RelayError,
    UnreachableError,
    UsageError,
)
from gimmal.base.tasks import Tasks
from gimmal.frontends.cli.copy_progress import ProgressView
from gimmal.frontends.cli.output import human_size, print_json, say
from gimmal.frontends.cli.reaching import Way, hint_of, is_here, run_with_reach
from gimmal.remote.copy import CopyJob, copy_once
from gimmal.remote.copy_plan import Named, local_source, local_target, remote_named
from gimmal.remote.copy_tree import CopyOptions, Existing
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.share.service import ShareService
from gimmal.share.shares import Share, ShareTable

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach, Reached

TELL_WAITING_SECONDS = 3.0
RETRY_FIRST, RETRY_MOST = 0.3, 5.0
OPEN_SECONDS = 10.0
LOOK_SECONDS = 1.0
"""How often a running copy looks whether its session has a link."""


@dataclass(frozen=True)
class CopyCommand:
    """The command line of ``gimmal cp``."""

    sources: tuple[str, ...]
    target: str
    recursive: bool
    overwrite: bool
    update: bool
    dry_run: bool
    wait: float
    quiet: bool
    as_json: bool
    xattrs: bool = True
    safe_links: bool = False


@dataclass
class _Ends:
    """Which side is which, and the folders of this computer concerned."""

    shares: list[Share]
    job: CopyJob
    upload: bool
    far: bool
    missing: list[tuple[str, str]]
    """Sources of this computer that are not there; the others are copied all the same."""


def run_copy(command: CopyCommand, way: Way) -> None:
    """Copy, and report; raises what the command's exit code shall say."""
    ends = _ends(command)
    progress = Progress()
    loop_started = _now()
    path = run_with_reach(way, lambda reach: _copy(reach, command, ends, progress))
    for name, reason in ends.missing:
        progress.fail(name, reason)
    _summary(command, progress, _now() - loop_started, path)
    for name, reason in progress.left_out:
        say(f"left out: {name}: {reason}")
    for name in progress.mapped:
        say(f"name changed: {name}: the characters that cannot travel are written in private ones")
    failed = list(progress.failures)
    if failed or progress.left_out:
        count = progress.failed + len(progress.left_out)
        if progress.files + progress.skipped == 0 and count == 1 and failed:
            name, reason = failed[0]
            error = GimmalError(f"{name}: {reason}", hint_of(reason))
            error.exit_code = ExitCode.LOCAL if is_here(reason) else ExitCode.REFUSED
            raise error
        nothing = not (progress.files + progress.skipped + progress.folders + progress.links or progress.left_out)
        partly = PartlyDone(
            f"{count} of {count + progress.files + progress.skipped} could not be copied",
            "the lines above say why" + ("" if nothing else "; the rest is copied and verified"),
            tuple(failed),
        )
        if nothing:
            partly.exit_code = ExitCode.REFUSED
        raise partly


def _now() -> float:
    import time

    return time.monotonic()


def _ends(command: CopyCommand) -> _Ends:
    from_far = [source.startswith(":") for source in command.sources]
    to_far = command.target.startswith(":")
    if any(from_far) != all(from_far):
        raise UsageError("the sources lie on both sides", "copy those of one side at a time")
    if not to_far and not any(from_far):
        raise UsageError("neither source nor target is on the other side", "write :PATH for the other side, or use cp")
    existing = Existing.OVERWRITE if command.overwrite else Existing.UPDATE if command.update else Existing.REFUSE
    shares: list[Share] = []
    sources: list[Named] = []
    missing: list[tuple[str, str]] = []
    if any(from_far):
        sources = [remote_named(source) for source in command.sources]
    else:
        for index, source in enumerate(command.sources):
            try:
                share, named = local_source(source, index)
            except LocalError as exc:
                missing.append((displayable(source), exc.message.rpartition(": ")[2]))
                if len(missing) == len(command.sources):
                    raise
                continue
            shares.append(share)
            sources.append(named)
    if to_far:
        target = remote_named(command.target)
    else:
        share, target = local_target(command.target)
        shares.append(share)
    if len(command.sources) > 1:
        target = replace(target, into=True)
    would = _say_would(far=to_far, as_json=command.as_json) if command.dry_run else None
    options = CopyOptions(existing, command.dry_run, would, xattrs=command.xattrs, safe_links=command.safe_links)
    job = CopyJob(sources, target, command.recursive, options)
    return _Ends(shares, job, upload=to_far, far=to_far and any(from_far), missing=missing)


def _say_would(*, far: bool, as_json: bool) -> Callable[[str, str], None]:
    def would(path: str, what: str) -> None:
        shown = ":" + path if far else path.removeprefix("here/")
        if as_json:
            print_json({"would": what, "path": shown})
        else:
            print(f"would {what}: {shown}")

    return would


async def _copy(reach: Reach, command: CopyCommand, ends: _Ends, progress: Progress) -> str:
    """Copy until it is done, waiting for the other side where it is away; returns the path used."""
    loop = asyncio.get_running_loop()
    view = ProgressView(progress, shown=not command.quiet and not command.as_json and sys.stderr.isatty())
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
                await _copy_over(reach, reached, ends, progress, partial(_watch_links, wait=command.wait, view=view))
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
            if now - away_since >= command.wait:
                raise _gave_up(failure, started=attempts > 0)
            await reach.rest(min(pause, max(0.0, command.wait - (now - away_since))))
            pause = min(2 * pause, RETRY_MOST)


def _gave_up(failure: GimmalError, *, started: bool) -> GimmalError:
    if not started and not isinstance(failure, Interrupted):
        return failure
    interrupted = Interrupted(
        f"the copy was interrupted: {failure.message}", "run the command again: it goes on where it was"
    )
    interrupted.__cause__ = failure
    return interrupted


async def _copy_over(
    reach: Reach,
    reached: Reached,
    ends: _Ends,
    progress: Progress,
    watch: Callable[[Reach, Reached], Coroutine[None, None, None]],
) -> None:
    """One run over one session, with ``watch`` beside it."""
    service = await reach.workers.call(
        ShareService, ShareTable(ends.shares), reach.journal_directory / "local", reach.journal_key
    )
    share = service.open_session()
    local = LocalFiles(share, reach.pool, reach.workers, {share.name: share.path for share in ends.shares})
    source, target = (local, reached.files) if ends.upload else (reached.files, local)
    if ends.far:
        source = target = reached.files
    tasks = Tasks()
    tasks.start(watch(reach, reached), "links of the copy")
    try:
        await copy_once(source, target, ends.job, progress)
    finally:
        tasks.cancel()
        await reach.workers.call(share.close)
        await reach.workers.call(service.close)


async def _watch_links(reach: Reach, reached: Reached, *, wait: float, view: ProgressView) -> None:
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


def _summary(command: CopyCommand, progress: Progress, seconds: float, path: str) -> None:
    if command.dry_run:
        return
    if command.as_json:
        print_json(
            {
                "files": progress.files,
                "folders": progress.folders,
                "bytes": progress.bytes,
                "resumed_bytes": progress.resumed_bytes,
                "skipped": progress.skipped,
                "links": progress.links,
                "links_out": progress.links_out,
                "hard_links": progress.hard_links,
                "plain_links": progress.plain_links,
                "without_xattrs": progress.bare,
                "hole_bytes": progress.hole_bytes,
                "seconds": round(seconds, 3),
                "path": path,
                "left_out": [{"name": name, "reason": reason} for name, reason in progress.left_out],
                "failed": progress.failed,
            }
        )
        return
    if command.quiet or (progress.failed and not progress.files + progress.skipped + progress.folders):
        return
    files = "1 file" if progress.files == 1 else f"{progress.files:,} files"
    text = f"copied {files}, {human_size(progress.bytes)} in {seconds:.2f} s"
    if seconds > 0 and progress.files:
        text += f" ({human_size(int(max(0, progress.bytes - progress.hole_bytes) / seconds))}/s"
        text += f", {progress.files / seconds:,.0f} files/s)" if progress.files > 1 else ")"
    text += f", {path}"
    if progress.skipped:
        text += f"; {progress.skipped:,} already there"
    if progress.resumed_bytes:
        text += f"; {human_size(progress.resumed_bytes)} continued"
    if progress.hole_bytes:
        text += f"; {human_size(progress.hole_bytes)} of it holes"
    if progress.links:
        text += f"; {_count(progress.links, 'symbolic link')}"
    if progress.hard_links:
        text += f"; {_count(progress.hard_links, 'hard link')}"
    say(displayable(text))
    _notes(progress)


def _notes(progress: Progress) -> None:
    if progress.links_out:
        say(f"note: {_count(progress.links_out, 'symbolic link')} lead out of what was copied; look before following")
    if progress.plain_links:
        say(f"note: {_count(progress.plain_links, 'hard link')} became files of their own: the target takes none")
    if progress.bare:
        say(f"note: {_count(progress.bare, 'file or folder', 'files or folders')} lack extended attributes")


def _count(number: int, one: str, many: str = "") -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many or one + 's'}"
