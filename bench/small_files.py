"""Ten thousand files of 4 KiB, both ways."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections import defaultdict
from pathlib import Path

from bench.contenders import DIRECTIONS, Contender, Field, Run, field_of
from bench.report import Goal, Report, Table, spread

COUNT = 10_000
FILE_SIZE = 4096
_IN_FOLDER = 100
LEAST_RATIO = 3.0

Runs = dict[tuple[str, str], list[Run]]


def measure(runs: int, folder: Path, count: int = COUNT) -> Report:
    """Copy a tree of ``count`` files ``runs`` times by each way, interleaved, after one untimed round."""
    with field_of(folder, sftp=False, tar=True) as field:
        for top in (field.home, field.away):
            _write(top / "tree", count)
        found: Runs = defaultdict(list)
        for number in range(runs + 1):
            for direction in DIRECTIONS:
                for contender in field.contenders:
                    run = _once(field, contender, direction, check=number == 0)
                    if number:
                        found[contender.name, direction].append(run)
        return _report(field, found, count, folder)


def _write(top: Path, count: int) -> None:
    for number in range(count):
        folder = top / f"folder-{number // _IN_FOLDER:03d}"
        if number % _IN_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"file-{number:05d}.bin").write_bytes(os.urandom(FILE_SIZE))


def _once(field: Field, contender: Contender, direction: str, *, check: bool) -> Run:
    source, target = (field.home, field.away) if direction == "download" else (field.away, field.home)
    into = target / "target"
    into.mkdir()
    try:
        run = contender.copy(direction, source / "tree", into)
        if check:
            _compare(source / "tree", into / "tree")
    finally:
        shutil.rmtree(into)
    return run


def _compare(left: Path, right: Path) -> None:
    for folder in sorted(left.iterdir()):
        names = sorted(path.name for path in folder.iterdir())
        assert names == sorted(path.name for path in (right / folder.name).iterdir())
        same, _different, _errors = filecmp.cmpfiles(folder, right / folder.name, names, shallow=False)
        assert len(same) == len(names), f"{folder.name} was not copied exactly"


def _report(field: Field, found: Runs, count: int, folder: Path) -> Report:
    report = Report()
    runs = len(next(iter(found.values())))
    note = (
        f"{count:,} files of 4 KiB in folders of {_IN_FOLDER}, below {folder}, loopback, medians of {runs} runs (least "
        "to most), from the start of the command to its end, all ways in turn in every run, after one untimed round. "
        "gimmal makes what it wrote durable before it calls it copied; scp, tar and rsync do not. Processor time in "
        "seconds per 10,000 files."
    )
    if field.missing:
        note += " Remarks: " + "; ".join(field.missing) + "."
    scp = next((contender.name for contender in field.contenders if not contender.ours), None)
    rows = []
    for direction in DIRECTIONS:
        base = spread([run.command.seconds for run in found[scp, direction]]).median if scp else None
        for contender in field.contenders:
            copies = found[contender.name, direction]
            took = spread([run.command.seconds for run in copies])
            asking = spread([run.command.cpu_seconds + run.agent_cpu for run in copies]).median * 10_000 / count
            answering = spread([run.answerer_cpu for run in copies]).median * 10_000 / count
            ratio = base / took.median if base else 0.0
            row = [direction, contender.name, took.text(), f"{count / took.median:,.0f}"]
            rows.append([*row, f"{ratio:.2f}" if base else "-", f"{asking:.2f}", f"{answering:.2f}"])
            if base and contender.name == "gimmal direct" and count == COUNT:
                text = f"10,000 files of 4 KiB, {direction}: gimmal direct against scp -r"
                report.goals.append(Goal(text, f"{ratio:.2f} times", ">= 3", ratio >= LEAST_RATIO))
    headers = ["direction", "way", "seconds", "files/s", "x scp -r", "CPU asking", "CPU answering"]
    report.tables.append(Table("Many small files", note, headers, rows))
    return report
