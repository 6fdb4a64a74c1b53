"""Time and memory of gimmal against the number of files and against the size of one file."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.contenders import DIRECTIONS, Contender, Run, gimmal_contenders
from bench.copying import Wish
from bench.gimmal_rig import rig
from bench.kept import PROJECT
from bench.material import Made, many_files, random_file, touch_memory
from bench.report import Goal, Point, Report, Spread, Table, spread
from bench.ssh_rig import Missing

COUNTS = (1_000, 10_000, 100_000)
SIZES = (0.1, 1.0, 10.0)
MEMORY_MAX_MIB = 150
TIMES_MAX = 1.5
"""By how much the last step's cost of a file or byte may exceed that of the step before."""

_FILE = 4096
_SPARE = 4 << 30
_RUNS = (5, 3, 1)
"""Of each step: the longer a copy takes, the fewer there are."""

_NAMES = {"files": "files of 4 KiB", "GiB": "GiB in one file"}


def measure(wish: Wish) -> Report:
    """Copy growing trees and growing files both ways."""
    report = Report()
    remarks: list[str] = []
    steps: list[_Step] = []
    for number in range(len(COUNTS)):
        for kind, amount in (("files", COUNTS[number]), ("GiB", SIZES[number])):
            try:
                steps += _step(kind, amount * wish.percent / 100, min(wish.runs, _RUNS[number]), wish.folder)
            except Missing as exc:
                remarks.append(f"{amount:,g} {_NAMES[kind]} was not measured: {exc}")
    rows = []
    for kind in _NAMES:
        for direction in DIRECTIONS:
            mine = [step for step in steps if (step.kind, step.direction) == (kind, direction)]
            rows += [step.row() for step in mine]
            report.points += [step.point() for step in mine]
            if wish.percent == 100 and len(mine) == len(COUNTS):
                _add_goals(report, mine)
    note = (
        "gimmal direct, loopback; median seconds (least to most), their cost for each thousand files or GiB, and the "
        "most resident MiB of the asking and of the answering side. Files lie on tmpfs; the source of the largest file "
        "lies on a disk where memory does not hold it twice, as the table says, and then the disk's rate is in the "
        "figure. No file has holes."
    )
    if remarks:
        note += " Remarks: " + "; ".join(remarks) + "."
    headers = ["direction", "what", "source on", "runs", "seconds", "seconds a unit", "asking", "answering"]
    report.tables.append(Table("Growth of time and memory", note, headers, rows))
    return report


@dataclass(frozen=True)
class _Step:
    """Copies of one amount in one direction; ``kind`` is of _NAMES."""

    kind: str
    direction: str
    amount: float
    place: str
    runs: list[Run]

    @property
    def seconds(self) -> Spread:
        return spread([run.command.seconds for run in self.runs])

    @property
    def cost(self) -> float:
        """Seconds for a thousand files, or for a GiB."""
        return self.seconds.median / self.amount * (1000 if self.kind == "files" else 1)

    @property
    def peaks(self) -> tuple[float, float]:
        """MiB of the asking and of the answering side."""
        return max(run.command.peak_mib for run in self.runs), max(run.answerer_peak for run in self.runs)

    def row(self) -> list[str]:
        name = f"{self.amount:,g} {_NAMES[self.kind]}"
        cells = [self.direction, name, self.place, str(len(self.runs)), self.seconds.text(), f"{self.cost:.3f}"]
        return [*cells, *(f"{peak:.0f}" for peak in self.peaks)]

    def point(self) -> Point:
        group = f"{self.kind}, {self.direction}"
        return Point("growth", group, "gimmal", self.amount, self.seconds.median, max(self.peaks))


def _add_goals(report: Report, steps: list[_Step]) -> None:
    start = f"{_NAMES[steps[0].kind]}, {steps[0].direction}"
    times, most = steps[-1].cost / steps[-2].cost, max(max(step.peaks) for step in steps)
    goal = f"<= {TIMES_MAX:g}"
    text = f"{start}: cost of a unit, last step against the one before"
    report.goals.append(Goal(text, f"{times:.2f} times", goal, times <= TIMES_MAX))
    text = f"{start}: resident memory, either side"
    report.goals.append(Goal(text, f"{most:.0f} MiB", f"<= {MEMORY_MAX_MIB} MiB", most <= MEMORY_MAX_MIB))


def _step(kind: str, amount: float, count: int, memory: Path) -> list[_Step]:
    """Copy an amount so often in each direction.

    Raises:
        Missing: there is no room for it.
    """
    size = int(amount * (2**30 if kind == "GiB" else _FILE))
    fits = psutil.virtual_memory().available >= 2 * size + _SPARE
    origin = memory if fits else _disk(size)
    found = []
    with tempfile.TemporaryDirectory(dir=origin) as far, tempfile.TemporaryDirectory(dir=memory) as near:
        make = many_files(int(amount), _FILE) if kind == "files" else random_file(size)
        there = make(Path(far) / "made", 1.0)
        for direction in DIRECTIONS:
            home = Path(far if direction == "download" else near)
            with rig(memory) as made:
                (contender,) = gimmal_contenders(made, home, line=True)
                runs = [_copy(contender, direction, there, Path(near)) for _ in range(count)]
            found.append(_Step(kind, direction, amount, "tmpfs" if fits else "disk", runs))
    return found


def _copy(contender: Contender, direction: str, there: Made, target: Path) -> Run:
    if there.count == 1:
        touch_memory(target, there.size)
    into = target / "target"
    into.mkdir()
    try:
        return contender.copy(direction, there.path, into)
    finally:
        shutil.rmtree(into)


def _disk(size: int) -> Path:
    """A folder on the disk that has room.

    Raises:
        Missing: it has not, or memory does not even hold the copy.
    """
    folder = PROJECT / "build"
    folder.mkdir(exist_ok=True)
    if psutil.disk_usage(str(folder)).free < size + _SPARE:
        raise Missing(f"neither memory nor the disk of {folder.name} has room for it")
    if psutil.virtual_memory().available < size + _SPARE:
        raise Missing("memory does not hold it once")
    return folder
