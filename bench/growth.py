"""Time and memory of gimmal against the number of files and against the size of one file."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import psutil

from bench.contenders import DIRECTIONS, Run, gimmal_contenders
from bench.copying import Wish
from bench.gimmal_rig import rig
from bench.kept import PROJECT
from bench.material import many_files, random_file, touch_memory
from bench.report import Goal, Point, Report, Table, spread
from bench.ssh_rig import Missing

COUNTS = (1_000, 10_000, 100_000)
SIZES = (0.1, 1.0, 10.0)
MEMORY_MAX_MIB = 150
TIMES_MAX = 1.5
"""By how much the last step's cost of a file or byte may exceed that of the step before."""

_FILE = 4096
_SPARE = 4 << 30
_RUNS = {0: 5, 1: 3, 2: 1}
"""Runs of the first, second and third step: the longer, the fewer."""


def measure(wish: Wish) -> Report:
    """Copy growing trees and growing files both ways."""
    report = Report()
    rows: list[list[str]] = []
    remarks: list[str] = []
    for direction in DIRECTIONS:
        for kind, unit, steps in (("files of 4 KiB", "files", COUNTS), ("one file", "GiB", SIZES)):
            _measure_kind(report, rows, remarks, direction, (kind, unit, steps), wish)
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


def _measure_kind(
    report: Report,
    rows: list[list[str]],
    remarks: list[str],
    direction: str,
    what: tuple[str, str, tuple[float, ...]],
    wish: Wish,
) -> None:
    kind, unit, steps = what
    costs = []
    peaks: list[float] = []
    for number, step in enumerate(steps):
        amount = step * wish.percent / 100
        name = f"{amount:,.0f} {kind}" if unit == "files" else f"{kind} of {amount:g} GiB"
        try:
            runs, place = _runs(direction, unit, amount, min(wish.runs, _RUNS[number]), wish.folder)
        except Missing as exc:
            remarks.append(f"{name} was not measured: {exc}")
            continue
        took = spread([run.command.seconds for run in runs])
        asking, answering = max(run.command.peak_mib for run in runs), max(run.answerer_peak for run in runs)
        costs.append(took.median / amount * (1000 if unit == "files" else 1))
        peaks += [asking, answering]
        cells = [direction, name, place, str(len(runs)), took.text(), f"{costs[-1]:.3f}"]
        rows.append([*cells, f"{asking:.0f}", f"{answering:.0f}"])
        group = f"{unit}, {direction}"
        report.points.append(Point("growth", group, "gimmal", amount, took.median, max(asking, answering)))
    if wish.percent == 100 and len(costs) == len(steps):
        times, most = costs[-1] / costs[-2], max(peaks)
        text = f"{kind}, {direction}: cost of one, last step against the one before"
        report.goals.append(Goal(text, f"{times:.2f} times", f"<= {TIMES_MAX:g}", times <= TIMES_MAX))
        text = f"{kind}, {direction}: resident memory, either side"
        report.goals.append(Goal(text, f"{most:.0f} MiB", f"<= {MEMORY_MAX_MIB} MiB", most <= MEMORY_MAX_MIB))


def _runs(direction: str, unit: str, amount: float, count: int, memory: Path) -> tuple[list[Run], str]:
    """Copy so often; the runs, and where the source lay.

    Raises:
        Missing: there is no room for it.
    """
    size = int(amount * (2**30 if unit == "GiB" else _FILE))
    origin = memory if psutil.virtual_memory().available >= 2 * size + _SPARE else _disk(size)
    down = direction == "download"
    with rig(origin if down else memory) as made, tempfile.TemporaryDirectory(dir=memory if down else origin) as near:
        home, away = made.folder / "home", Path(near)
        home.mkdir()
        (contender,) = gimmal_contenders(made, home, line=True)
        source, target = (home, away) if down else (away, home)
        make = many_files(int(amount), _FILE) if unit == "files" else random_file(size)
        there = make(source / "growing", 1.0)
        runs = []
        for _ in range(count):
            if unit == "GiB":
                touch_memory(target, size)
            into = target / "target"
            into.mkdir()
            try:
                runs.append(contender.copy(direction, there.path, into))
            finally:
                shutil.rmtree(into)
        return runs, "tmpfs" if origin == memory else "disk"


def _disk(size: int) -> Path:
    folder = PROJECT / "build"
    folder.mkdir(exist_ok=True)
    if psutil.disk_usage(str(folder)).free < size + _SPARE:
        raise Missing(f"neither memory nor the disk of {folder.name} has room for it")
    if psutil.virtual_memory().available < size + _SPARE:
        raise Missing("memory does not hold it once")
    return folder
