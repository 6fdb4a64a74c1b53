"""The kinds of copies that are measured: which files, between which places, by whom."""

from __future__ import annotations

from dataclasses import dataclass

from bench.line import CONGESTIONS
from bench.material import Before, Make, many_files, mixed_tree, older_there, random_file, same_there

ROUND_TRIP_SECONDS = 0.05
RIVALS = ("scp", "sftp", "rsync", "tar")
"""Peers that the goals are about; the others take part with fewer runs."""


@dataclass(frozen=True)
class Row:
    """One kind of work at one place.

    Attributes:
        work: one word for it.
        title: as tables show it.
        make: makes a part of the work (1 is the whole) in a folder that is not there yet.
        rate_bits, loss: of the line, whose round trip takes 50 ms; a rate of 0 is this machine's loopback.
        congestion: of the line.
        tree: many files.
        kinds: who takes part, by ``Contender.kind``; all where there are none.
        before: prepares the target folder, given the source.
        stays: what ``before`` made is as good after a copy as it was before.
        whole: kinds that may not run on a part of the work.
        touch: touch the target's memory before each copy.
        directions: in which it is copied.
    """

    work: str
    title: str
    make: Make
    rate_bits: float = 0.0
    loss: float = 0.0
    congestion: str = ""
    tree: bool = False
    kinds: tuple[str, ...] = ()
    before: Before | None = None
    stays: bool = False
    whole: tuple[str, ...] = ()
    touch: bool = False
    directions: tuple[str, ...] = ("download",)

    @property
    def name(self) -> str:
        """As the command line calls it."""
        return f"{self.work}-{self.congestion or 'loopback'}"

    @property
    def queue_bytes(self) -> int:
        """What the line carries in one round trip."""
        return int(self.rate_bits * ROUND_TRIP_SECONDS / 8)

    @property
    def place(self) -> str:
        """Where, in a title."""
        return f"50 ms, {self.congestion}" if self.rate_bits else "loopback"


BOTH = ("download", "upload")
_LARGE, _SMALL, _SOME = random_file(2 << 30), many_files(10_000, 4096), "mixed tree of this system"


def _lined(congestion: str) -> list[Row]:
    """The rows on a line."""
    few = ("gimmal", *RIVALS) if congestion != CONGESTIONS[0] else ()
    unchanged, changed = ("rsync", "rclone", "gimmal"), ("scp", "rsync", "gimmal")
    return [
        Row("large", "2 GiB file, 1 Gbit/s", _LARGE, 1e9, 0.0, congestion),
        Row("loss", "512 MiB file, 200 Mbit/s, 0.5 % loss", random_file(512 << 20), 200e6, 0.005, congestion),
        Row("small", "10,000 files of 4 KiB, 200 Mbit/s", _SMALL, 200e6, 0.0, congestion, tree=True),
        Row("mixed", f"{_SOME}, 200 Mbit/s", mixed_tree, 200e6, 0.0, congestion, tree=True, kinds=few),
        Row(
            "unchanged",
            "100,000 files, nothing changed, 200 Mbit/s",
            many_files(100_000, 64),
            200e6,
            0.0,
            congestion,
            tree=True,
            kinds=unchanged if not few else unchanged[::2],
            before=same_there,
            stays=True,
            whole=unchanged,
        ),
        Row(
            "changed",
            "1 GiB file, 1 MiB inserted at its front, 200 Mbit/s",
            random_file(1 << 30),
            200e6,
            0.0,
            congestion,
            kinds=changed,
            before=older_there,
            whole=changed[1:],
        ),
    ]


ROWS: tuple[Row, ...] = (
    Row("large", "2 GiB file", _LARGE, touch=True, directions=BOTH),
    Row("small", "10,000 files of 4 KiB", _SMALL, tree=True, directions=BOTH),
    Row("mixed", _SOME, mixed_tree, tree=True),
    *(row for congestion in CONGESTIONS for row in _lined(congestion)),
)
