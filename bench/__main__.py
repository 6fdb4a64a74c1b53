"""Measures the figures of docs/benchmarks.md.

    python -m bench                            every row, anew
    python -m bench --rest                     the rows of which nothing is kept from this commit
    python -m bench ROW...                     these rows; the results of the others are kept
    python -m bench --write                    nothing; document and plots again from what is kept
    python -m bench ROW --percent 5 --runs 1   a trial of one row, printed only

Each row is kept in build/bench with commit and time, and the document is written from what is kept. The exit code tells
only whether everything could be measured.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import (
    as_if_here,
    copying,
    growth,
    latency,
    line_check,
    plot,
    profiling,
    relay_parts,
    start_up,
    streaming,
    unplug,
)
from bench.contenders import DIRECTIONS
from bench.copying import Wish
from bench.document import document
from bench.kept import PROJECT, RESULTS, Kept, keep, kept
from bench.machine import commit, load, machine
from bench.planning import RUNS
from bench.report import Report, Table
from bench.rows import ROWS

Measure = Callable[[Wish], Report]
DOCUMENT = PROJECT / "docs" / "benchmarks.md"


def _plain(measure: Callable[[int, Path], Report]) -> Measure:
    return lambda wish: measure(wish.runs, wish.folder)


ALL: dict[str, Measure] = {
    **{row.name: partial(copying.measure, row) for row in ROWS},
    "latency": latency.measure,
    "streaming": streaming.measure,
    "as-if-here": as_if_here.measure,
    "growth": growth.measure,
    "start-up": _plain(start_up.measure),
    "unplug": _plain(unplug.measure),
    "relay-idle": _plain(relay_parts.measure_idle),
    "relay-forward": _plain(relay_parts.measure_forwarding),
    "line-check": _plain(line_check.measure),
    "profile": _plain(profiling.measure),
}


def main() -> int:
    """Measure what was asked for, keep it, and write the document."""
    wish = _arguments()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    trial = wish.percent != 100 or bool(wish.kinds or wish.direction) or wish.runs != RUNS
    rows = [] if wish.write else wish.rows or list(ALL)
    if wish.rest:
        rows = [row for row in rows if not any(result.commit == commit() for result in kept([row]))]
    elif not wish.rows and not wish.write and not trial:
        shutil.rmtree(RESULTS, ignore_errors=True)
    failed = []
    for row in rows:
        print(f"bench: {row} ...", file=sys.stderr, flush=True)
        try:
            result = _measure(row, Wish(wish.runs, wish.folder, wish.percent, wish.kinds, wish.direction))
        except Exception as exc:
            # The rows after it are worth an hour too.
            failed.append(row)
            print(f"bench: {row} failed: {exc!r}", file=sys.stderr, flush=True)
            continue
        _show(result)
        if not trial:
            keep(result)
    if not trial:
        _write()
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[[], *ALL], help=", ".join(ALL))
    parser.add_argument("--rest", action="store_true", help="only what is not kept from this commit")
    parser.add_argument("--write", action="store_true", help="measure nothing, write the document")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"timed runs of each way at most ({RUNS})")
    parser.add_argument("--percent", type=float, default=100, help="of the work; a trial where it is not all")
    parser.add_argument("--kinds", type=_words, default=[], help="gimmal, scp, sftp, tar, rsync, rclone, sshfs, ...")
    parser.add_argument("--direction", choices=DIRECTIONS, action="append", default=[], help="a trial of that one")
    parser.add_argument("--folder", type=Path, default=_memory_folder(), help="where files lie (tmpfs)")
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _memory_folder() -> Path:
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else Path()


def _measure(row: str, wish: Wish) -> Kept:
    began, before, measured = time.monotonic(), load(), commit()
    report = ALL[row](wish)
    ended = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}"
    about = [list(pair) for pair in machine()]
    return Kept(row, measured, ended, time.monotonic() - began, before, about, report)


def _show(result: Kept) -> None:
    print("\n\n".join(table.markdown() for table in result.report.tables) + "\n")
    if result.report.goals:
        headers = ["figure", "measured", "goal", "met"]
        print(Table("Goals", "", headers, [goal.row() for goal in result.report.goals]).markdown() + "\n")
    print(f"bench: {result.row} took {result.seconds:.0f} s", file=sys.stderr, flush=True)


def _write() -> None:
    results = kept(list(ALL))
    missing = [name for name in ALL if name not in [result.row for result in results]]
    plots = plot.draw([point for result in results for point in result.report.points], DOCUMENT.parent)
    DOCUMENT.write_text(document(results, missing, plots), encoding="utf-8")
    print(f"bench: {DOCUMENT} written", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
