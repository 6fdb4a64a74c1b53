"""How far a transfer has come, as it is kept: counts, what was decided, unfinished part files, what failed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gimmal.remote.progress import Progress

FAILURE_BYTES_MAX = 32 * 1024
"""Bytes of names and reasons that are kept of one transfer; all failures are counted."""

UNFINISHED_PARTS_MAX = 8
"""Part files that are remembered of one transfer, so that they can be removed; four are under way at a time, and the
longest paths of eight fit into one record of the journal."""

COUNT_MAX = (1 << 63) - 1
"""Beyond it nothing is counted: a hostile side may name files of any size, and any number of them."""


class Counts(Struct, frozen=True):
    """Counts of one transfer; see Progress. ``walked``: the totals are final."""

    files: int = 0
    bytes: int = 0
    total_files: int = 0
    total_bytes: int = 0
    skipped: int = 0
    skipped_bytes: int = 0
    resumed_bytes: int = 0
    folders: int = 0
    links: int = 0
    failed: int = 0
    left_out: int = 0
    deleted: int = 0
    not_deleted: int = 0
    walked: bool = False
    earlier: int = 0
    earlier_bytes: int = 0
    links_out: int = 0
    hard_links: int = 0
    plain_links: int = 0
    bare: int = 0
    hole_bytes: int = 0
    verified: int = 0
    reused_bytes: int = 0
    saved_bytes: int = 0


class UnfinishedPart(Struct, frozen=True):
    """A part file that is not under its final name yet.

    Attributes:
        path: wire path of the final name.
        far: it lies on the other side.
        fresh: nothing may be replaced by it.
    """

    path: str
    far: bool
    fresh: bool


class Advance(Struct, frozen=True, tag="advance"):
    """How far a transfer has come.

    Attributes:
        number: of the transfer.
        counts: so far; of the last run once it has ended.
        into: whether a copy goes into its target; None before that was decided.
        parts: unfinished part files.
        path: how it travelled last.
        seconds: for how long it ran in all.
    """

    number: int
    counts: Counts = Counts()
    into: bool | None = None
    parts: Annotated[tuple[UnfinishedPart, ...], Meta(max_length=UNFINISHED_PARTS_MAX)] = ()
    path: str = ""
    seconds: float = 0.0


class Failures(Struct, frozen=True, tag="failures"):
    """What failed of a transfer, and what was left out: displayable name and reason, the first ones of each."""

    number: int
    failed: list[tuple[str, str]] = []
    left_out: list[tuple[str, str]] = []


def counts_of(progress: Progress) -> Counts:
    """What a progress counts."""
    return Counts(
        files=progress.files,
        bytes=_bounded(progress.bytes),
        total_files=progress.total_files,
        total_bytes=_bounded(progress.total_bytes),
        skipped=progress.skipped,
        skipped_bytes=_bounded(progress.skipped_bytes),
        resumed_bytes=_bounded(progress.resumed_bytes),
        folders=progress.folders,
        links=progress.links,
        failed=progress.failed,
        left_out=len(progress.left_out),
        deleted=progress.deleted,
        not_deleted=progress.not_deleted,
        walked=progress.walked,
        earlier=progress.earlier,
        earlier_bytes=_bounded(progress.earlier_bytes),
        links_out=progress.links_out,
        hard_links=progress.hard_links,
        plain_links=progress.plain_links,
        bare=progress.bare,
        hole_bytes=_bounded(progress.hole_bytes),
        verified=progress.verified,
        reused_bytes=_bounded(progress.reused_bytes),
        saved_bytes=_bounded(progress.saved_bytes),
    )


def _bounded(count: int) -> int:
    return max(-COUNT_MAX, min(count, COUNT_MAX))


def continued(counts: Counts) -> Progress:
    """A progress that goes on where another process stopped: what was done counts as copied once it is met again."""
    return Progress(
        earlier=counts.earlier + counts.files,
        earlier_bytes=counts.earlier_bytes + counts.bytes,
        reused_bytes=counts.reused_bytes,
        saved_bytes=counts.saved_bytes,
    )


def failures_of(number: int, progress: Progress) -> Failures:
    """The first failures of a progress, as many as are kept."""
    room = FAILURE_BYTES_MAX
    failures = Failures(number, [], [])
    for kept, items in ((failures.failed, progress.failures), (failures.left_out, progress.left_out)):
        for name, reason in items:
            room -= len(name.encode()) + len(reason.encode()) + 8
            if room < 0:
                return failures
            kept.append((name, reason))
    return failures
