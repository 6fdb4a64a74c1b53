"""Where each second of a large copy goes, on each side."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.gimmal_rig import Service, rig
from bench.material import random_file, touch_memory
from bench.processes import run_measured
from bench.report import Report, Table

SIZE = 2 << 30
_ORDER = [
    "wait for events",
    "receive",
    "open",
    "hash",
    "write file",
    "read file",
    "seal",
    "send",
    "allocate",
    "sync file",
]


def measure(_runs: int, folder: Path, size: int = SIZE) -> Report:
    """Copy once each way under clocks; one run, for the clocks themselves cost a little."""
    report = Report()
    for direction in ("download", "upload"):
        sides, seconds = _profile(folder, size, direction)
        for side, counted in sides.items():
            title = f"Profile of a {direction}, {side} side"
            report.tables.append(_table(title, counted, size, seconds))
    return report


def _profile(folder: Path, size: int, direction: str) -> tuple[dict[str, dict[str, Any]], float]:
    with rig(folder) as made, tempfile.TemporaryDirectory() as out:
        home, away = made.folder / "home", made.folder / "away"
        home.mkdir()
        away.mkdir()
        answering, asking = Path(out) / "answering", Path(out) / "asking"
        program = (sys.executable, "-m", "bench.profiled")
        agent, address = made.agent("a", f"home={home}", program=(*program, str(answering)))
        source, target = (home, away) if direction == "download" else (away, home)
        large = random_file(size)(source / "made", 1.0).path
        touch_memory(target, size)
        paths = [":home/made/large.bin", f"{away}/"] if direction == "download" else [str(large), ":home/"]
        command = ["cp", "-q", "--half", made.half("b"), "--at", address, *paths]
        ours = made.environment("b")
        run_measured([*program, str(asking), *command], ours)
        (target / "large.bin").unlink()
        _signal(agent)
        measured = run_measured([*program, str(asking), *command], ours)
        _signal(agent)
        made.stop(agent)
        sides = {"asking": asking, "answering": answering}
        return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in sides.items()}, measured.seconds


def _signal(agent: Service) -> None:
    agent.process.send_signal(signal.SIGUSR1)


def _table(title: str, counted: dict[str, Any], size: int, seconds: float) -> Table:
    rows = []
    for kind in ("loop", "workers"):
        table: dict[str, list[float]] = counted[kind]
        for name in sorted(table, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER)):
            calls, wall, processor = table[name]
            rows.append([kind, name, f"{calls:,.0f}", f"{wall:.3f}", f"{processor:.3f}"])
        if kind == "loop":
            known = sum(row[2] for row in table.values())
            rest = counted["loop_cpu"] - known
            rows.append([kind, "everything else: Python of the event loop", "", "", f"{rest:.3f}"])
    known = counted["loop_cpu"] + sum(row[2] for row in counted["workers"].values())
    rest = counted["process_cpu"] - known
    rows.append(["workers", "everything else: Python of the workers", "", "", f"{rest:.3f}"])
    rows.append(["all", "the process", "", f"{counted['wall']:.3f}", f"{counted['process_cpu']:.3f}"])
    note = (
        f"{size / 2**30:g} GiB on tmpfs, loopback, direct; the command took {seconds:.2f} s under these clocks. Wall "
        "seconds of the workers overlap one another, and both wall columns hold time spent waiting for a core or for "
        "the interpreter's lock; processor seconds do not. A worker sends only to wake the event loop."
    )
    return Table(title, note, ["thread", "what", "calls", "wall s", "CPU s"], rows)
