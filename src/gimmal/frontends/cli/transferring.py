"""Running a transfer for a person: what is shown meanwhile, and what failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gimmal.base.errors import ExitCode, GimmalError, PartlyDone, UsageError
from gimmal.frontends.cli.copy_progress import ProgressView, View
from gimmal.frontends.cli.output import print_json, say
from gimmal.frontends.cli.reaching import Way, hint_of, is_here, run_with_reach
from gimmal.protocol.codes import Code
from gimmal.remote.progress import Progress
from gimmal.remote.transfer import Transfer, transfer_until_done
from gimmal.remote.verifying import HINT as VERIFY_HINT
from gimmal.remote.verifying import UNLIKE

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach


def run_transfer(transfer: Transfer, way: Way, progress: Progress, *, shown: bool, events: bool) -> tuple[float, str]:
    """Run it, however often the connection is cut; seconds it took and the path used.

    Args:
        shown: whether progress is shown, on a terminal.
        events: whether it is printed as JSON.

    Raises:
        GimmalError: it could not be begun, or was interrupted. Items that failed are in ``progress``.
    """
    from gimmal.agent.reach_transfer import ReachWay

    async def run(reach: Reach) -> str:
        with _view_of(transfer, progress, shown=shown, events=events) as view:
            return await transfer_until_done(ReachWay(reach), transfer, progress, _Teller(view))

    started = time.monotonic()
    path = run_with_reach(way, run)
    return time.monotonic() - started, path


def _view_of(transfer: Transfer, progress: Progress, *, shown: bool, events: bool) -> View:
    if events:
        from gimmal.frontends.cli.progress_events import ProgressEvents

        return ProgressEvents(progress, transfer.noun)
    return ProgressView(progress, shown=shown and sys.stderr.isatty())


class _Teller:
    """Tells the person when the other side is away."""

    def __init__(self, view: View) -> None:
        self._view = view

    def waiting(self, reason: str) -> None:
        """See TransferWatcher."""
        self._view.message("waiting for the other side" + (f": {reason}" if reason else ""))

    def going(self) -> None:
        """See TransferWatcher."""


def refuse_contradictions(*, dry_run: bool, verify: bool) -> None:
    """Refuse options of a copy or sync that would let a person believe what is not so.

    Raises:
        UsageError: they contradict each other.
    """
    if dry_run and verify:
        raise UsageError(
            "--dry-run reads no contents, --verify all of them",
            "--verify alone compares what is there, and copies the rest",
        )


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
