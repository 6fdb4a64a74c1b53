"""Measures the figures of docs/benchmarks.md.

    python -m bench                          all parts, and writes docs/benchmarks.md
    python -m bench large-file --runs 3      one part, printed only
    python -m bench profile                  where each second of a large copy goes

Peers run in the same run, in turn, with medians of at least five runs. Parts: large-file, profile, small-files,
start-up, unplug, relay-idle, relay-forward, line-check, lines, lines-upload.
"""

from __future__ import annotations

import argparse
import datetime
import inspect
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import large_file, line_check, lines, profiling, relay_parts, small_files, start_up, unplug
from bench.machine import commit, machine
from bench.report import Report, Table, table_text

PARTS: dict[str, Callable[..., Report]] = {
    "large-file": large_file.measure,
    "profile": profiling.measure,
    "small-files": small_files.measure,
    "start-up": start_up.measure,
    "unplug": unplug.measure,
    "relay-idle": relay_parts.measure_idle,
    "relay-forward": relay_parts.measure_forwarding,
    "line-check": line_check.measure,
    "lines": lines.measure,
    "lines-upload": lines.measure_upload,
}
RUNS = 5
DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main() -> int:
    """Measure what was asked for; the exit code tells only whether it could be measured."""
    arguments = _arguments()
    names = arguments.parts or list(PARTS)
    about = machine()
    started = time.monotonic()
    report = Report()
    for name in names:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        part = _measure(PARTS[name], arguments)
        report.tables += part.tables
        report.goals += part.goals
        print("\n\n".join(table.markdown() for table in part.tables) + "\n", flush=True)
    text = _document(report, about, arguments.runs, time.monotonic() - started)
    if report.goals:
        print(_goals(report).markdown())
    if arguments.write or (not arguments.parts and arguments.runs >= RUNS):
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"\nbench: {DOCUMENT} written", file=sys.stderr)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[[], *PARTS], help=", ".join(PARTS))
    parser.add_argument("--runs", type=int, default=RUNS, help=f"timed runs of each way ({RUNS})")
    parser.add_argument("--size", type=int, help="bytes of the large file, or number of small files or agents")
    parser.add_argument("--folder", type=Path, default=_memory_folder(), help="where files lie (tmpfs)")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name} even for some of the parts")
    return parser.parse_args()


def _memory_folder() -> Path:
    shared = Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else Path()


def _measure(part: Callable[..., Report], arguments: argparse.Namespace) -> Report:
    parameters = list(inspect.signature(part).parameters)
    if arguments.size is not None and len(parameters) > 2:
        return part(arguments.runs, arguments.folder, arguments.size)
    return part(arguments.runs, arguments.folder)


def _goals(report: Report) -> Table:
    return Table("Goals", "", ["figure", "measured", "goal", "met"], [goal.row() for goal in report.goals])


def _document(report: Report, about: list[tuple[str, str]], runs: int, seconds: float) -> str:
    now = datetime.datetime.now(datetime.UTC)
    head = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit. Measured on one machine, both sides and the relay sharing its cores, so",
        "that figures compare ways with one another; they are no promise for other machines.",
        "",
        f"{now:%Y-%m-%d %H:%M} UTC, commit {commit()}, {runs} timed runs of each way, {seconds / 60:.0f} minutes.",
        "",
        table_text(["machine", ""], [list(row) for row in about]),
        "",
    ]
    sections = [table.markdown() for table in ([_goals(report)] if report.goals else []) + report.tables]
    return "\n".join(head) + "\n" + "\n\n".join(sections) + "\n"


if __name__ == "__main__":
    sys.exit(main())
