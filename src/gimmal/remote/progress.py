"""What a copy has done so far, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES_MAX = 1000
"""Failed items that are listed by name; all are counted."""


@dataclass
class Progress:
    """Counters of one copy.

    Attributes:
        files, bytes: done, verified and under their final names (bytes also while a large file is under way).
        total_files, total_bytes: known so far; final once ``walked``.
        resumed_bytes: bytes that were there already and verified, so not sent again.
        skipped, skipped_bytes: files already there with the same size and time.
        left_out: entries that are neither files nor folders, by displayable name.
        failures: displayable name and reason.
        failed: how many failed in all.
        deleted: entries that a sync removed from the target, or would.
        not_deleted: entries that it left there, for what the source holds is not surely known.
        current: displayable name of what was last begun.
        earlier, earlier_bytes: files done before the copy was interrupted.
        links, links_out: symbolic links made, and how many of those lead out of what is copied.
        hard_links: further names of a file that were made as such.
        plain_links: further names of a file that became files of their own.
        bare: files and folders without some of their extended attributes.
        saved_bytes: how many bytes fewer went over the line, either way, because they were packed; never set back.
        hole_bytes: bytes of ``bytes`` that are holes, which take neither line nor disk.
        to_verify, verified: files to be read again from the target's disk so far, and those that were and are good.
        reused_bytes: bytes that were taken from the versions that stood there, so not sent.
        changed: called after each change, often; must be quick.
    """

    files: int = 0
    folders: int = 0
    bytes: int = 0
    total_files: int = 0
    total_bytes: int = 0
    resumed_bytes: int = 0
    skipped: int = 0
    skipped_bytes: int = 0
    walked: bool = False
    left_out: list[tuple[str, str]] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0
    deleted: int = 0
    not_deleted: int = 0
    current: str = ""
    earlier: int = 0
    earlier_bytes: int = 0
    links: int = 0
    links_out: int = 0
    hard_links: int = 0
    plain_links: int = 0
    bare: int = 0
    hole_bytes: int = 0
    to_verify: int = 0
    verified: int = 0
    reused_bytes: int = 0
    saved_bytes: int = 0
    changed: Callable[[Progress], None] | None = None

    def restart(self) -> None:
        """The copy begins again after an interruption; what it did before will be met as already there."""
        self.earlier += self.files
        self.earlier_bytes += self.bytes
        self.files = self.skipped = self.skipped_bytes = self.total_files = self.total_bytes = self.bytes = (
            self.resumed_bytes
        ) = 0
        self.plain_links = self.bare = self.hole_bytes = self.to_verify = self.verified = 0
        self.walked = False
        self.deleted = self.not_deleted = 0
        self.left_out.clear()
        self.mapped.clear()
        self.failures.clear()
        self.failed = 0

    def finish(self) -> None:
        """The copy is through: what was done before an interruption counts as copied, not as skipped."""
        done = min(self.earlier, self.skipped)
        self.files += done
        self.skipped -= done
        done_bytes = min(self.earlier_bytes, self.skipped_bytes)
        self.bytes += done_bytes
        self.skipped_bytes -= done_bytes
        self.earlier = self.earlier_bytes = 0

    def found(self, size: int) -> None:
        """A file to copy was met."""
        self.total_files += 1
        self.total_bytes += size
        self.tell()

    def did_bytes(self, count: int) -> None:
        """Bytes arrived and were verified."""
        self.bytes += count
        self.tell()

    def did_file(self) -> None:
        """A file stands under its final name."""
        self.files += 1
        self.tell()

    def skip(self, size: int) -> None:
        """A file is already there."""
        self.skipped += 1
        self.skipped_bytes += size
        self.tell()

    def did_verify(self) -> None:
        """A file was read again and is what the source holds."""
        self.verified += 1
        self.tell()

    def did_not_verify(self, size: int, *, placed: bool) -> None:
        """A file was read again and is not, or could not be: it counts no more as placed, or as already there."""
        self.to_verify -= 1
        if placed:
            self.files -= 1
            self.bytes -= size
        else:
            self.skipped -= 1
            self.skipped_bytes -= size

    def fail(self, name: str, reason: str) -> None:
        """An item could not be copied."""
        self.failed += 1
        if len(self.failures) < FAILURES_MAX:
            self.failures.append((name, reason))
        self.tell()

    def leave_out(self, name: str, reason: str) -> None:
        """An entry is of a kind that is not copied."""
        if len(self.left_out) < FAILURES_MAX:
            self.left_out.append((name, reason))

    def map_name(self, name: str) -> None:
        """An entry's name cannot travel as it is."""
        if len(self.mapped) < FAILURES_MAX:
            self.mapped.append(name)

    def tell(self) -> None:
        """Let the watcher know."""
        if self.changed is not None:
            self.changed(self)
