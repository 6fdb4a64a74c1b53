"""Measures one row: every contender in turn, in every run.

python -m bench small-cubic --percent 5 --runs 1 --kinds gimmal,scp        a trial
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from bench.contenders import COMPRESSING, Contender, Field, Ground, field_of
from bench.copied import HEADERS, LINE_HEADERS, Copied, table_rows, whole_seconds
from bench.copy_goals import add_goals
from bench.line import Line, line
from bench.material import Made, touch_memory
from bench.peers import more_contenders
from bench.planning import OTHER, OURS, RIVAL, RUNS, Plan, Weight, counting, plan, probe, runs_of
from bench.processes import CommandFailed
from bench.report import Point, Report, Table
from bench.rows import ROUND_TRIP_SECONDS, SECOND_RUNS, Row
from bench.ssh_rig import Missing
from bench.yardsticks import yardsticks

_FURTHER = ("rclone", "sshfs", "wormhole")


@dataclass(frozen=True)
class Wish:
    """What is wanted of a row.

    Attributes:
        runs: of each way at most.
        folder: where everything lies; tmpfs, so that no disk is measured.
        percent: of the work; goals are held against measurements of all of it only.
        kinds: who takes part, by ``Contender.kind``; all that the row lets where there are none.
        directions: in which it is copied; those of the row where there are none.
    """

    runs: int
    folder: Path
    percent: float = 100.0
    kinds: Sequence[str] = ()
    directions: Sequence[str] = ()


@dataclass
class _Work:
    """What was made of one row so far, by part and by side."""

    row: Row
    scale: float
    made: dict[tuple[float, str], Made] = field(default_factory=dict)

    def source(self, top: Path, side: str, part: float) -> Made:
        """The work's part in a side's folder, made where it is not there yet."""
        if (part, side) not in self.made:
            self.made[part, side] = self.row.make(top / f"{self.row.work}-{len(self.made)}", part * self.scale)
        return self.made[part, side]


def measure(row: Row, wish: Wish) -> Report:
    """Measure one row in each of its directions."""
    report = Report()
    try:
        with _place(row) as laid, _contenders(row, laid, wish) as made:
            everyone, plans = list(made.contenders), dict[str, Plan]()
            for number, direction in enumerate(wish.directions or row.directions):
                made.contenders = list(everyone)
                fewer = replace(wish, runs=min(wish.runs, SECOND_RUNS)) if number else wish
                _measure_direction(report, row, laid, made, fewer, direction, plans)
    except Missing as exc:
        report.tables.append(Table(f"{row.title}, {row.place}", f"Not measured: {exc}.", HEADERS, []))
    return report


@contextlib.contextmanager
def _place(row: Row) -> Iterator[Line | None]:
    if not row.rate_bits:
        yield None
        return
    with line(ROUND_TRIP_SECONDS / 2, row.rate_bits, row.loss, row.queue_bytes, row.congestion) as laid:
        yield laid


@contextlib.contextmanager
def _contenders(row: Row, laid: Line | None, wish: Wish) -> Iterator[Field]:
    some = [chosen for chosen in (row.kinds, wish.kinds) if chosen]

    def wanted(*names: str) -> bool:
        return any(all(name in chosen for chosen in some) and (row.shrinks or name != COMPRESSING) for name in names)

    def more(ground: Ground) -> list[Contender]:
        found = more_contenders(ground) if wanted(*_FURTHER) else []
        return [*found, *(yardsticks(ground) if wanted("plain") and row.touch else [])]

    peers = wanted("scp", "sftp", "rsync", COMPRESSING, "tar", "plain", *_FURTHER)
    with field_of(wish.folder, sftp=not row.tree and wanted("sftp"), tar=True, ssh=peers, line=laid, more=more) as made:
        made.contenders = [_suited(one, row) for one in made.contenders if wanted(one.kind)]
        yield made


def _measure_direction(
    report: Report, row: Row, laid: Line | None, made: Field, wish: Wish, direction: str, plans: dict[str, Plan]
) -> None:
    """Measure one direction; plans made for an earlier one hold for it too."""
    work = _Work(row, wish.percent / 100)
    found: dict[str, list[Copied]] = defaultdict(list)
    remarks = list(made.missing)
    copier = _Copier(made, laid, work, direction)

    def attempt(contender: Contender, action: Callable[[], None]) -> None:
        try:
            action()
        except CommandFailed as exc:
            remarks.append(f"{contender.name} failed: {str(exc)[-300:]}")
            made.contenders.remove(contender)

    def prepare(contender: Contender) -> None:
        if contender.name not in plans:
            plans[contender.name], found[contender.name] = _plan(copier, contender, wish.runs)

    def once_more(contender: Contender, number: int) -> None:
        _tell(row, contender, f"run {number + 1}, part {plans[contender.name].part:g}")
        copied = copier.copy(contender, plans[contender.name], check=number == 0)
        found[contender.name].append(copied)
        runs = min(wish.runs, runs_of(whole_seconds([copied]).median, _weight(row, contender)))
        if number == 0 and contender.kind in row.whole:
            plans[contender.name] = replace(plans[contender.name], runs=max(1, runs))
        elif number == 0 and runs and copied.part < 1:
            # The probes were too short to tell: all of it is affordable after all.
            plans[contender.name] = Plan(1.0, runs, 0.0)
            found[contender.name] = []

    with copier:
        for contender in list(made.contenders):
            attempt(contender, lambda: prepare(contender))  # noqa: B023 - called at once
        # One round more than there are runs, for who begins anew with all of it.
        for number in range(wish.runs + 1):
            for contender in list(made.contenders):
                if len(found[contender.name]) < plans[contender.name].runs:
                    attempt(contender, lambda: once_more(contender, number))  # noqa: B023 - called at once
    ways = [contender for contender in made.contenders if found[contender.name]]
    title = f"{row.title}, {row.place}, {direction}"
    note = _note(row, laid, work, wish, remarks)
    headers = LINE_HEADERS if laid else HEADERS
    report.tables.append(Table(title, note, headers, table_rows(ways, found, row.rate_bits)))
    if wish.percent == 100:
        add_goals(report, row, ways, found, direction)
    for contender in ways:
        if contender.kind and not contender.yardstick:
            seconds = whole_seconds(found[contender.name]).median
            report.points.append(Point("speed", title, contender.kind, 0, seconds))


def _weight(row: Row, contender: Contender) -> Weight:
    if contender.kind == "gimmal" or contender.yardstick:
        return OURS
    return RIVAL if contender.kind in row.main else OTHER


def _suited(contender: Contender, row: Row) -> Contender:
    """gimmal replaces what is there only when it is told to."""
    if not contender.ours or row.work != "changed":
        return contender

    def told(way: Callable[[Path, Path], list[str]]) -> Callable[[Path, Path], list[str]]:
        def words(source: Path, target: Path) -> list[str]:
            found = way(source, target)
            after = found.index("cp") + 1
            return [*found[:after], "--overwrite", *found[after:]]

        return words

    return replace(contender, download=told(contender.download), upload=told(contender.upload))


def _plan(copier: _Copier, contender: Contender, most_runs: int) -> tuple[Plan, list[Copied]]:
    """How much of the work a contender does, and how often; and the probe that counts as one of its runs, if any."""
    row = copier.work.row
    if contender.kind in row.whole:
        # How often, its first copy shows.
        return Plan(1.0, 1, 0.0), []
    probed: list[Copied] = []

    def seconds(part: float) -> float:
        _tell(row, contender, f"probe, part {part:g}")
        probed.append(copier.copy(contender, Plan(part, 1, 0.0), check=True))
        return probed[-1].run.command.seconds

    weight = _weight(row, contender)
    probes = probe(seconds)
    chosen = plan(probes, weight, most_runs)
    with_probe = counting(chosen, probes, weight)
    if with_probe is None:
        return chosen, []
    return with_probe, [replace(probed[-1], start_up=with_probe.start_up)]


class _Copier:
    """Copies parts of a row's work in one direction; a context manager that removes what it made."""

    def __init__(self, made: Field, laid: Line | None, work: _Work, direction: str) -> None:
        self.work = work
        self._laid = laid
        self._direction = direction
        down = direction == "download"
        self._side, self._top, target = ("a", made.home, made.away) if down else ("b", made.away, made.home)
        self._into = target / "target"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._into, ignore_errors=True)
        for there in self.work.made.values():
            shutil.rmtree(there.path.parent)

    def copy(self, contender: Contender, chosen: Plan, *, check: bool) -> Copied:
        """Copy a part once; the target is gone afterwards unless it stays as it was.

        Raises:
            CommandFailed: it could not be copied.
        """
        row = self.work.row
        source = self.work.source(self._top, self._side, chosen.part)
        if not (row.stays and self._into.exists()):
            self._into.mkdir()
            if row.before:
                row.before(source.path, self._into)
        try:
            if row.touch:
                touch_memory(self._into.parent, source.size)
            before = self._laid.counters() if self._laid else {}
            run = contender.copy(self._direction, source.path, self._into)
            after = self._laid.counters() if self._laid else {}
            if check:
                _compare(contender, source.path, self._into / source.path.name)
        finally:
            if not row.stays:
                shutil.rmtree(self._into)
        wire = sum(after[one].wire_bytes - before[one].wire_bytes for one in after)
        return Copied(run, chosen.part, chosen.start_up, source.count, source.size, wire)


def _compare(contender: Contender, source: Path, copy: Path) -> None:
    done = subprocess.run(["diff", "-rq", str(source), str(copy)], capture_output=True)
    assert done.returncode == 0, f"{contender.name}: a copy is not the same as its source"


def _tell(row: Row, contender: Contender, what: str) -> None:
    print(f"bench: {row.name}: {what}, {contender.name}", file=sys.stderr, flush=True)


def _note(row: Row, laid: Line | None, work: _Work, wish: Wish, remarks: list[str]) -> str:
    whole = max(work.made.items(), key=lambda item: item[0][0])[1] if work.made else None
    complete = whole is not None and any(part == 1 for part, _side in work.made)
    size = f"{whole.count:,} files, {whole.size / 1e6:,.1f} MB; " if whole and complete and row.tree else ""
    note = (
        f"{size}on tmpfs, from the start of the command to its end, median (least to most), all ways in turn in every "
        f"run. A short copy is done {RUNS} times by gimmal and the peers that goals are about; who takes long does it "
        "less often, or a part of the work: its seconds, less the start-up known from short copies, are scaled to the "
        "whole. The table says runs and part. CPU: seconds of the asking side, the answering side and, where one "
        "carries it, the relay, for what was copied. Peak: resident MiB, asking and answering."
    )
    note = note[0].upper() + note[1:]
    if row.tree:
        note += " gimmal makes what it wrote durable before it calls it copied; the others do not."
    if row.touch:
        note += (
            " As much memory is touched and freed just before each copy, for on a virtual machine the first touch of a "
            "page is slow. A yardstick shows what the machine can do at all: a plain-text TCP copy (1 MiB pieces, two "
            "processes, no check)."
        )
    if laid:
        note += (
            f" Line: {laid.text()}, a queue of {row.queue_bytes / 1e6:g} MB in each direction; TCP buffers as this "
            f"machine has them ({laid.buffers}). Of the line: bits of contents against its rate, of which headers "
            "leave 96.5 % at most. Wire: IP packets of both directions, scaled likewise."
        )
    if wish.percent != 100:
        note = f"**Trial with {wish.percent:g} % of the work.** {note}"
    if remarks:
        note += " Remarks: " + "; ".join(remarks) + "."
    return note
