"""Copies across lines with delay, rate and loss, each with cubic and with bbr.

python -m bench lines                                                    all of it
python -m bench.lines --rows small,loss --percent 5 --runs 1             a trial
python -m bench.lines --rows large --congestion cubic --kinds gimmal,scp
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.contenders import Contender, Field, field_of
from bench.line import CONGESTIONS, Line, line
from bench.line_goals import add_goals
from bench.line_results import Copied, table_rows
from bench.line_rows import ROWS, Made, Row
from bench.peers import more_contenders
from bench.processes import CommandFailed
from bench.report import Report, Table
from bench.ssh_rig import Missing

RUNS = 3
"""Of each way at most: these copies take long."""

WHOLE_SECONDS, OUR_WHOLE_SECONDS = 40.0, 150.0
PART_SECONDS = 15.0
"""A way that would take longer than the first (a peer, gimmal) does what it can in about the last."""

_PROBE = 1 / 64
_PROBES = (_PROBE, 4 * _PROBE)
_PROBE_SECONDS = 4.0
_PART_SECONDS_LEAST = 5.0
_PARTS = [2.0**-number for number in range(1, 9)]
_START_UP_SECONDS = 1.0
HEADERS = [
    "way",
    "part",
    "seconds for the whole",
    "Mbit/s",
    "of the line",
    "files/s",
    "x scp",
    "wire MB",
    "CPU",
    "peak",
]


@dataclass(frozen=True)
class _Plan:
    """What a contender does of a row.

    Attributes:
        part: of the work.
        start_up: seconds that are not scaled with it.
    """

    part: float
    start_up: float


@dataclass
class _Work:
    """What was made of one row so far, by part and by side."""

    row: Row
    scale: float
    made: dict[tuple[float, str], Made] = field(default_factory=dict)

    def source(self, top: Path, side: str, part: float) -> Made:
        """The work's part in a side's folder, made where it is not there yet."""
        if (part, side) not in self.made:
            self.made[part, side] = self.row.make(top / f"{self.row.name}-{len(self.made)}", part * self.scale)
        return self.made[part, side]


def measure(runs: int, folder: Path, percent: int = 100) -> Report:
    """Download all rows' work; at most ``RUNS`` runs.

    Args:
        percent: of the work that each row names; goals are held against measurements of all of it only.
    """
    return measure_some(min(runs, RUNS), folder, percent)


def measure_upload(runs: int, folder: Path, percent: int = 100) -> Report:
    """The same the other way."""
    return measure_some(min(runs, RUNS), folder, percent, direction="upload")


def measure_some(
    runs: int,
    folder: Path,
    percent: float,
    *,
    direction: str = "download",
    rows: Sequence[str] = (),
    congestions: Sequence[str] = CONGESTIONS,
    kinds: Sequence[str] = (),
) -> Report:
    """Some rows, ways of congestion control and kinds of contenders; all where none are named."""
    report = Report()
    for row in ROWS:
        if rows and row.name not in rows:
            continue
        for congestion in congestions:
            try:
                with line(0.025, row.rate_bits, row.loss, row.queue_bytes, congestion) as laid:
                    _measure_row(report, row, laid, runs, folder, percent / 100, direction, kinds)
            except Missing as exc:
                report.tables.append(Table(f"{row.title}, {congestion}", f"Not measured: {exc}.", HEADERS, []))
    return report


def _measure_row(
    report: Report,
    row: Row,
    laid: Line,
    runs: int,
    folder: Path,
    scale: float,
    direction: str,
    kinds: Sequence[str],
) -> None:
    tree = row.name in ("small", "mixed", "unchanged")
    some = [chosen for chosen in (row.kinds, kinds) if chosen]

    def wanted(*names: str) -> bool:
        return any(all(name in chosen for chosen in some) for name in names)

    more = more_contenders if wanted("rclone", "sshfs", "wormhole") else None
    with field_of(folder, sftp=not tree and wanted("sftp"), tar=True, line=laid, more=more) as made:
        made.contenders = [_suited(contender, row) for contender in made.contenders if wanted(contender.kind)]
        work = _Work(row, scale)
        plans: dict[str, _Plan] = {}
        for contender in list(made.contenders):
            try:
                plans[contender.name] = _plan(made, laid, work, contender, direction)
            except CommandFailed as exc:
                made.missing.append(f"{contender.name} failed: {str(exc)[-300:]}")
                made.contenders.remove(contender)
        found: dict[str, list[Copied]] = defaultdict(list)
        for number in range(runs):
            for contender in list(made.contenders):
                _tell(row, laid, contender, number, plans[contender.name].part)
                try:
                    found[contender.name].append(
                        _once(made, laid, work, contender, direction, plans[contender.name], check=number == 0)
                    )
                except CommandFailed as exc:
                    made.missing.append(f"{contender.name} failed: {str(exc)[-300:]}")
                    made.contenders.remove(contender)
        ways = [contender for contender in made.contenders if found[contender.name]]
        note = _note(row, laid, runs, scale, direction, made, work)
        title = f"{row.title}, 50 ms, {laid.congestion}, {direction}"
        report.tables.append(Table(title, note, HEADERS, table_rows(ways, found, laid)))
        if scale == 1:
            add_goals(report, row, laid, ways, found, direction)


def _suited(contender: Contender, row: Row) -> Contender:
    """gimmal replaces what is there only when it is told to."""
    if not contender.ours or row.name != "changed":
        return contender

    def told(way: Callable[[Path, Path], list[str]]) -> Callable[[Path, Path], list[str]]:
        def words(source: Path, target: Path) -> list[str]:
            found = way(source, target)
            after = found.index("cp") + 1
            return [*found[:after], "--overwrite", *found[after:]]

        return words

    return replace(contender, download=told(contender.download), upload=told(contender.upload))


def _plan(made: Field, laid: Line, work: _Work, contender: Contender, direction: str) -> _Plan:
    """How much of the work a contender does, and how much of its time is there however much it does."""
    if work.row.whole:
        _tell(work.row, laid, contender, -1, _PROBE)
        _once(made, laid, work, contender, direction, _Plan(_PROBE, 0.0), check=False)
        return _Plan(1.0, 0.0)
    seconds = []
    for part in _PROBES:
        _tell(work.row, laid, contender, -1, part)
        seconds.append(_once(made, laid, work, contender, direction, _Plan(part, 0.0), check=False).run.command.seconds)
        if seconds[-1] > _PROBE_SECONDS:
            break
    start_up = min(_START_UP_SECONDS, seconds[0])
    if len(seconds) > 1:
        slope = max(0.0, seconds[1] - seconds[0]) / (_PROBES[1] - _PROBES[0])
        start_up = min(max(0.0, seconds[0] - slope * _PROBES[0]), seconds[0])
    whole = start_up + (seconds[-1] - start_up) / _PROBES[len(seconds) - 1]
    if whole <= (OUR_WHOLE_SECONDS if contender.ours else WHOLE_SECONDS):
        return _Plan(1.0, 0.0)
    share = max(_PART_SECONDS_LEAST, PART_SECONDS - start_up) / (whole - start_up)
    return _Plan(next((part for part in _PARTS if part <= share), _PARTS[-1]), start_up)


def _once(
    made: Field, laid: Line, work: _Work, contender: Contender, direction: str, plan: _Plan, *, check: bool
) -> Copied:
    side, top, target = ("a", made.home, made.away) if direction == "download" else ("b", made.away, made.home)
    source = work.source(top, side, plan.part)
    into = target / "target"
    into.mkdir()
    try:
        if work.row.before:
            work.row.before(source.path, into)
        before = laid.counters()
        run = contender.copy(direction, source.path, into)
        after = laid.counters()
        if check:
            done = subprocess.run(["diff", "-rq", str(source.path), str(into / source.path.name)], capture_output=True)
            assert done.returncode == 0, f"{contender.name}: a copy is not the same as its source"
    finally:
        shutil.rmtree(into)
    wire = sum(after[one].wire_bytes - before[one].wire_bytes for one in after)
    return Copied(run, plan.part, plan.start_up, source.count, source.size, wire)


def _tell(row: Row, laid: Line, contender: Contender, number: int, part: float) -> None:
    what = f"run {number + 1}" if number >= 0 else "probe"
    print(f"bench: {row.name}, {laid.congestion}: {what}, {contender.name}, part {part:g}", file=sys.stderr, flush=True)


def _note(row: Row, laid: Line, runs: int, scale: float, direction: str, made: Field, work: _Work) -> str:
    whole = next((done for (part, _side), done in work.made.items() if part == 1), None)
    size = f" ({whole.count:,} files, {whole.size / 1e6:,.1f} MB)" if whole else ""
    note = (
        f"{row.title}{size}, {direction}, tmpfs, medians of {runs} runs (least to most), all ways in turn in each. "
        f"Line: {laid.text()}, a queue of {row.queue_bytes / 1e6:g} MB in each direction; TCP buffers as this machine "
        f"has them ({laid.buffers}). A peer that would take more than {WHOLE_SECONDS:g} s copies the part of the work "
        f"that the table says, in about {PART_SECONDS:g} s; its seconds, less its start-up (known from two short "
        "copies), are scaled to the whole. Of the line: bits of contents against its rate, of which headers leave "
        "96.5 % at most. Wire: IP packets of both directions, scaled likewise. CPU: seconds of the asking and the "
        "answering side, for what was copied. Peak: resident MiB, asking and answering."
    )
    if scale != 1:
        note = f"**Trial with {scale:.0%} of the work.** {note}"
    if made.missing:
        note += " Remarks: " + "; ".join(made.missing) + "."
    return note


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def main() -> int:
    """A trial from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.lines", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=_words, default=[], help=", ".join(row.name for row in ROWS))
    parser.add_argument("--congestion", type=_words, default=list(CONGESTIONS))
    parser.add_argument(
        "--kinds", type=_words, default=[], help="gimmal, scp, sftp, tar, rsync, rclone, sshfs, wormhole"
    )
    parser.add_argument("--direction", choices=["download", "upload"], default="download")
    parser.add_argument("--percent", type=float, default=100)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    wish = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    report = measure_some(
        wish.runs,
        wish.folder,
        wish.percent,
        direction=wish.direction,
        rows=wish.rows,
        congestions=wish.congestion,
        kinds=wish.kinds,
    )
    print("\n\n".join(table.markdown() for table in report.tables))
    for goal in report.goals:
        print(goal.row())
    return 0


if __name__ == "__main__":
    sys.exit(main())
