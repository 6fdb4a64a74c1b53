"""The kinds of copies that are measured: which files, between which places, by whom."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contenders import COMPRESSING
from bench.line import CONGESTIONS
from bench.material import Before, Make, many_files, mixed_tree, older_there, random_file, same_there

ROUND_TRIP_SECONDS = 0.05
FILE_RIVALS, TREE_RIVALS = ("scp", "sftp", "rsync"), ("scp", "rsync", "tar")
"""Peers that the goals are about, for one file and for a tree; the others take part with fewer runs."""

SECOND_RUNS = 3
"""Of each way at most in the second direction of a row."""


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
        main: kinds that have the runs of a main peer.
        directions: in which it is copied.
        shrinks: the files do, and the line is slow: who compresses when told to takes part too.
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
    main: tuple[str, ...] = TREE_RIVALS
    directions: tuple[str, ...] = ("download",)
    shrinks: bool = False

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
_LARGE, _SMALL = random_file(2 << 30), many_files(10_000, 4096)
_SOME, _SLOW = "mixed tree of this system", "200 Mbit/s"


def _lined(congestion: str) -> list[Row]:
    """The rows on a line; with the second way of congestion control only those of whom a goal is."""
    all_of_them = congestion == CONGESTIONS[0]
    files = () if all_of_them else ("gimmal", *FILE_RIVALS)
    trees = () if all_of_them else ("gimmal", *TREE_RIVALS)
    mixed = () if all_of_them else (*trees, COMPRESSING)
    lossy = random_file(512 << 20)
    unchanged, changed = many_files(100_000, 64), random_file(1 << 30)
    checkers = ("rsync", "rclone", "gimmal")
    return [
        Row("large", "2 GiB file, 1 Gbit/s", _LARGE, 1e9, 0.0, congestion, kinds=files, main=FILE_RIVALS),
        Row(
            "loss", f"512 MiB file, {_SLOW}, 0.5 % loss", lossy, 200e6, 0.005, congestion, kinds=files, main=FILE_RIVALS
        ),
        Row("small", f"10,000 files of 4 KiB, {_SLOW}", _SMALL, 200e6, 0.0, congestion, tree=True, kinds=trees),
        Row("mixed", f"{_SOME}, {_SLOW}", mixed_tree, 200e6, 0.0, congestion, tree=True, kinds=mixed, shrinks=True),
        Row(
            "unchanged",
            f"100,000 files, nothing changed, {_SLOW}",
            unchanged,
            200e6,
            0.0,
            congestion,
            tree=True,
            kinds=checkers if all_of_them else checkers[::2],
            before=same_there,
            stays=True,
            whole=checkers,
        ),
        Row(
            "changed",
            f"1 GiB file, 1 MiB inserted at its front, {_SLOW}",
            changed,
            200e6,
            0.0,
            congestion,
            kinds=("scp", "rsync", "gimmal"),
            before=older_there,
            whole=("rsync", "gimmal"),
        ),
    ]


ROWS: tuple[Row, ...] = (
    Row("large", "2 GiB file", _LARGE, touch=True, main=FILE_RIVALS, directions=BOTH),
    Row("small", "10,000 files of 4 KiB", _SMALL, tree=True, directions=BOTH),
    Row("mixed", _SOME, mixed_tree, tree=True),
    *(row for congestion in CONGESTIONS for row in _lined(congestion)),
)
