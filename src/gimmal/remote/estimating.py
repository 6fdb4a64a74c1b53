"""How long a copy will still take, learned from this copy (docs/decisions/0059-verify-and-progress.md).

A file costs time for being a file and for its bytes: ``seconds = a * files + b * bytes``. Both are fitted to the last
stretches of the copy by least squares. While those do not tell a from b (nothing but tiny files so far, say) the usual
ratio of the two stands in, and the estimate says that it is unsure.

Nothing here reads a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gimmal.remote.progress import Progress

FILE_SECONDS, BYTE_SECONDS = 1 / 3000, 1 / 100_000_000
"""What a file and a byte usually cost; only their ratio is used."""

LOOK_SECONDS = 0.4
"""Least time of one stretch that is learned from."""

MEMORY_SECONDS = 10.0
"""After which a stretch counts a third."""

RATE_SECONDS = 4.0
"""The same for the rates that are shown."""

CALM_SECONDS = 3.0
"""In which what is shown comes two thirds nearer to what was worked out."""

FIRST_SECONDS = 1.5
"""Nothing is said before so much time was learned from."""

STALLED_SECONDS, STALLED_GAPS = 5.0, 6.0
"""Without any progress for so long, and for so many times the usual pause between two steps, a copy is stalled."""

_TRUST = 0.002
_LEAST = 0.02
_UNSURE = 0.25
"""Part of the time left that may be for what was hardly seen so far."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How far a copy is.

    Attributes:
        files, bytes: placed and moved so far, without what cost no time: skipped files, resumed bytes, holes.
        files_left, bytes_left: known to be still to do.
        whole: nothing more can come to those.
    """

    files: int
    bytes: int
    files_left: int
    bytes_left: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """What can be said of the rest of a copy.

    Attributes:
        seconds: that it will take, None while nothing can be said.
        at_least: there will be more to do than is known so far.
        sure: it was learned from work of the same kind.
        stalled: seconds without any progress, 0 where there is some.
        bytes_a_second, files_a_second: of late.
    """

    seconds: float | None = None
    at_least: bool = True
    sure: bool = False
    stalled: float = 0.0
    bytes_a_second: float = 0.0
    files_a_second: float = 0.0


def counts_of(progress: Progress) -> Counts:
    """How far a copy is by its counters."""
    return Counts(
        progress.files,
        max(0, progress.bytes - progress.resumed_bytes - progress.hole_bytes),
        max(0, progress.total_files - progress.files - progress.skipped - progress.failed),
        max(0, progress.total_bytes - progress.bytes - progress.skipped_bytes),
        progress.walked,
    )


class Estimator:
    """Learns from each look at a copy; for one copy.

    Args:
        now: seconds of a clock that never runs backwards.
    """

    def __init__(self, now: float) -> None:
        self._looked = self._shown_at = now
        """When a stretch last ended, and when something was last shown."""
        self._gap = 0.0
        self._before: Counts | None = None
        self._seen = _Sums()
        self._late = _Sums()
        self._shown: float | None = None
        self._files = self._bytes = 0.0

    def look(self, now: float, counts: Counts) -> Estimate:
        """What can be said now; to be called a few times a second."""
        before = self._before
        if before is None or counts.files < before.files or counts.bytes < before.bytes:
            # The first look, or the copy began again: what it counted before is no work of this moment.
            self._before, self._looked = counts, now
            return self._estimate(now, counts)
        files, count = counts.files - before.files, counts.bytes - before.bytes
        # A stretch ends with progress: large blocks on a slow line come one every few seconds.
        if (files or count) and now - self._looked >= LOOK_SECONDS:
            self._learn(now, files, count)
            self._before = counts
        return self._estimate(now, counts)

    def _learn(self, now: float, files: int, count: int) -> None:
        passed = now - self._looked
        if not self._stalled(now) or not self._seen.time:
            self._gap = max(passed, self._gap * 0.9)
            self._files += files
            self._bytes += count
            self._seen.add(passed, files, count, MEMORY_SECONDS)
            self._late.add(passed, files, count, RATE_SECONDS)
        else:
            # A stall says nothing of what is to come; but a second pause of this length may be the way of this line.
            self._gap = max(passed / STALLED_GAPS, self._gap * 0.9)
        self._looked = now

    def _stalled(self, now: float) -> bool:
        return now - self._looked > max(STALLED_SECONDS, STALLED_GAPS * self._gap)

    def _estimate(self, now: float, counts: Counts) -> Estimate:
        stalled = now - self._looked if self._stalled(now) else 0.0
        late = self._late
        rates = (0.0, 0.0) if stalled or not late.time else (late.bytes / late.time, late.files / late.time)
        seconds: float | None = None
        sure = False
        if self._seen.time >= FIRST_SECONDS * (1 - _LEAST) and (self._files or self._bytes):
            of_files, of_bytes = self._seen.costs()
            left_files, left_bytes = of_files * counts.files_left, of_bytes * counts.bytes_left
            unseen = (left_files if not self._knows_files(of_files, of_bytes) else 0.0) + (
                left_bytes if not self._knows_bytes(of_files, of_bytes) else 0.0
            )
            sure = unseen <= _UNSURE * (left_files + left_bytes)
            seconds = self._calmed(now, left_files + left_bytes, stopped=bool(stalled))
            if not (counts.files_left or counts.bytes_left):
                seconds = 0.0
        return Estimate(seconds, not counts.whole, sure, stalled, *rates)

    def _knows_files(self, of_files: float, of_bytes: float) -> bool:
        return self._files >= 50 and of_files * self._files >= 0.1 * of_bytes * self._bytes

    def _knows_bytes(self, of_files: float, of_bytes: float) -> bool:
        return of_bytes * self._bytes >= 0.1 * of_files * self._files

    def _calmed(self, now: float, target: float, *, stopped: bool) -> float:
        """What is shown: it counts down by itself, and comes nearer to ``target`` step by step."""
        passed = now - self._shown_at
        self._shown_at = now
        if self._shown is None:
            self._shown = target
        else:
            expected = self._shown if stopped else max(0.0, self._shown - passed)
            self._shown = expected + (target - expected) * (1 - math.exp(-passed / CALM_SECONDS))
        return self._shown


class _Sums:
    """Time, files and bytes of the stretches seen, the older the less, and what a least-squares fit needs of them."""

    def __init__(self) -> None:
        self.time = self.files = self.bytes = 0.0
        self._tt = self._ff = self._fb = self._bb = self._ft = self._bt = 0.0

    def add(self, passed: float, files: float, count: float, memory: float) -> None:
        """One stretch."""
        fade = math.exp(-passed / memory)
        f, b = files * FILE_SECONDS, count * BYTE_SECONDS
        self.time = fade * self.time + passed
        self.files = fade * self.files + files
        self.bytes = fade * self.bytes + count
        self._tt = fade * self._tt + passed * passed
        self._ff = fade * self._ff + f * f
        self._fb = fade * self._fb + f * b
        self._bb = fade * self._bb + b * b
        self._ft = fade * self._ft + f * passed
        self._bt = fade * self._bt + b * passed

    def costs(self) -> tuple[float, float]:
        """Seconds for a file and for a byte.

        The fit is drawn towards the usual ratio, by so little that this decides only where the stretches leave it open.
        Then both are scaled so that they account for all the time that has passed.
        """
        usual = self.files * FILE_SECONDS + self.bytes * BYTE_SECONDS
        if usual <= 0:
            return FILE_SECONDS, BYTE_SECONDS
        scale = self.time / usual
        # In units of the usual costs times ``scale``: both are 1 where the ratio is the usual one.
        ff, fb, bb = (scale * scale * each for each in (self._ff, self._fb, self._bb))
        ft, bt = scale * self._ft, scale * self._bt
        pull = _TRUST * self._tt
        ff, bb, ft, bt = ff + pull, bb + pull, ft + pull, bt + pull
        determinant = ff * bb - fb * fb
        of_file = (ft * bb - bt * fb) / determinant
        of_byte = (bt * ff - ft * fb) / determinant
        of_file, of_byte = max(of_file, _LEAST), max(of_byte, _LEAST)
        fitted = scale * (of_file * self.files * FILE_SECONDS + of_byte * self.bytes * BYTE_SECONDS)
        scale *= self.time / fitted
        return scale * of_file * FILE_SECONDS, scale * of_byte * BYTE_SECONDS
