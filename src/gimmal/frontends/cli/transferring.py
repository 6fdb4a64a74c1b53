"""Running a transfer for a person: what is shown meanwhile, and what failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from gimmal.base.errors import ExitCode, GimmalError, PartlyDone
from gimmal.frontends.cli.copy_progress import ProgressView
from gimmal.frontends.cli.output import print_json, say
from gimmal.frontends.cli.reaching import Way, hint_of, is_here, run_with_reach
from gimmal.remote.progress import Progress
from gimmal.remote.transfer import Transfer, transfer_until_done

if TYPE_CHECKING:
    from gimmal.agent.reach import Reach


def run_transfer(transfer: Transfer, way: Way, progress: Progress, *, shown: bool) -> tuple[float, str]:
    """Run it, however often the connection is cut; seconds it took and the path used.

    Args:
        shown: whether progress is shown, on a terminal.

    Raises:
        GimmalError: it could not be begun, or was interrupted. Items that failed are in ``progress``.
    """
    from gimmal.agent.reach_transfer import ReachWay

    async def run(reach: Reach) -> str:
        with ProgressView(progress, shown=shown and sys.stderr.isatty()) as view:
            return await transfer_until_done(ReachWay(reach), transfer, progress, _Teller(view))

    started = time.monotonic()
    path = run_with_reach(way, run)
    return time.monotonic() - started, path


class _Teller:
    """Tells the person when the other side is away."""

    def __init__(self, view: ProgressView) -> None:
        self._view = view

    def waiting(self, reason: str) -> None:
        """See TransferWatcher."""
        self._view.message("waiting for the other side" + (f": {reason}" if reason else ""))

    def going(self) -> None:
        """See TransferWatcher."""


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


def raise_transfer_failures(progress: Progress, done: str) -> None:
    """Say what was left out, and end a transfer that did not do all of it.

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
            error = GimmalError(f"{name}: {reason}", hint_of(reason))
            error.exit_code = ExitCode.LOCAL if is_here(reason) else ExitCode.REFUSED
            raise error
        nothing = not (progress.files + progress.skipped + progress.folders + progress.links or progress.left_out)
        partly = PartlyDone(
            f"{count} of {count + progress.files + progress.skipped} could not be {done}",
            "the lines above say why" + ("" if nothing else f"; the rest is {done} and verified"),
            tuple(failed),
        )
        if nothing:
            partly.exit_code = ExitCode.REFUSED
        raise partly
