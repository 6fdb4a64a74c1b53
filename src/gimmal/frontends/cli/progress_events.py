"""The progress of a copy for programs: JSON events on stdout, one a line."""

from __future__ import annotations

import asyncio
import select
import sys
from typing import Any, Self

from gimmal.frontends.cli.output import print_json, say
from gimmal.remote.estimating import Estimate, Estimator, counts_of
from gimmal.remote.progress import Progress

EVENT_SECONDS = 0.5
"""Between two events of progress, at least."""

LOOK_SECONDS = 0.25

NAME_MOST = 200
"""Characters of a name in an event of progress; those of failures are whole."""


class ProgressEvents:
    """Prints ``start``, ``progress``, ``failed`` and ``waiting`` while used as a context manager.

    A reader that is slow misses events of progress: the copy does not wait for it. Failures and messages wait until it
    reads again, at the latest until the copy has ended.

    Args:
        progress: the counters.
        noun: what is done, as ``copy``.
    """

    def __init__(self, progress: Progress, noun: str) -> None:
        self._progress = progress
        self._noun = noun
        self._estimator: Estimator | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._last: dict[str, Any] = {}
        self._failures = 0
        self._waiting: list[dict[str, Any]] = []
        self._gone = False

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._estimator = Estimator(loop.time())
        self._told_at = loop.time()
        self._waiting.append({"event": "start", "what": self._noun})
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._collect()
        self._print_waiting(last=True)

    def message(self, text: str) -> None:
        """The copy waits for the other side, and why."""
        say(text)
        self._waiting.append({"event": "waiting", "text": text})

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._collect()
        self._print_waiting()
        now = loop.time()
        if now - self._told_at >= EVENT_SECONDS and not self._waiting and self._has_room():
            assert self._estimator is not None
            event = progress_event(self._progress, self._estimator.look(now, counts_of(self._progress)))
            if event != self._last:
                self._last, self._told_at = event, now
                self._print(event)
        self._timer = loop.call_later(LOOK_SECONDS, self._look)

    def _collect(self) -> None:
        failures = self._progress.failures
        if len(failures) < self._failures:
            self._failures = 0  # the copy began again
        for name, reason in failures[self._failures :]:
            self._waiting.append({"event": "failed", "name": name, "reason": reason})
        self._failures = len(failures)

    def _print_waiting(self, *, last: bool = False) -> None:
        while self._waiting and (last or self._has_room()):
            self._print(self._waiting.pop(0))

    def _has_room(self) -> bool:
        """Whether something can be printed without waiting for the reader; the event loop must not."""
        poll = select.poll()
        try:
            poll.register(sys.stdout.fileno(), select.POLLOUT)
        except (OSError, ValueError):
            return True  # no descriptor at all, as in some tests
        return any(events & select.POLLOUT for _descriptor, events in poll.poll(0))

    def _print(self, event: dict[str, Any]) -> None:
        if self._gone:
            return
        try:
            print_json(event)
        except OSError:
            self._gone = True  # the summary meets the same, and its error is told


def progress_event(progress: Progress, estimate: Estimate) -> dict[str, Any]:
    """One event: how far a copy is."""
    seconds = estimate.seconds
    return {
        "event": "progress",
        "files": progress.files,
        "bytes": progress.bytes,
        "skipped": progress.skipped,
        "failed": progress.failed,
        "total_files": progress.total_files,
        "total_bytes": progress.total_bytes,
        "totals_known": progress.walked,
        "verified": progress.verified,
        "bytes_per_second": round(estimate.bytes_a_second),
        "files_per_second": round(estimate.files_a_second, 1),
        "seconds_left": None if seconds is None else round(seconds, 1),
        "at_least": estimate.at_least,
        "sure": estimate.sure,
        "stalled_seconds": round(estimate.stalled, 1),
        "current": progress.current[:NAME_MOST],
    }
