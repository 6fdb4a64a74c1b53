"""How quickly a listing and a piece of a film come while a copy runs on the same session."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.copying import Wish
from bench.gimmal_rig import GIMMAL, Inside, Rig, here, rig
from bench.latency_probe import QUESTIONS
from bench.line import Line, line
from bench.material import many_files, random_file
from bench.report import Goal, Report, Table
from bench.rows import ROUND_TRIP_SECONDS
from bench.ssh_rig import Missing

SIZE = 2 << 30
_IDLE_SECONDS, _BUSY_SECONDS = 3.0, 8.0
_FIRST_SECONDS = 1.0
ADDED_MAX_MS = 250
"""What a question may take longer beside a copy, median: a queue of one round trip, and one more."""

_HEADERS = ["place", "beside", "question", "median ms", "95 % ms", "longest ms", "longest of the first s", "asked"]


@dataclass(frozen=True)
class _Place:
    name: str
    rate_bits: float = 0.0
    loss: float = 0.0


_PLACES = (
    _Place("loopback"),
    _Place("50 ms, 1 Gbit/s, cubic", 1e9),
    _Place("50 ms, 200 Mbit/s, 0.5 % loss, cubic", 200e6, 0.005),
)


def measure(wish: Wish) -> Report:
    """Ask without a copy, beside a download and beside an upload, at each place."""
    rows: list[list[str]] = []
    report = Report()
    remarks = []
    size = int(SIZE * wish.percent / 100)
    for place in _PLACES:
        try:
            with _laid(place) as laid:
                medians = _measure_place(rows, place, laid, wish, size)
        except Missing as exc:
            remarks.append(f"{place.name} was not measured: {exc}")
            continue
        for (beside, what), median in medians.items():
            if beside != "nothing":
                added = median - medians["nothing", what]
                text = f"{what} beside {beside}, {place.name}: added to its median"
                report.goals.append(Goal(text, f"{added:.0f} ms", f"<= {ADDED_MAX_MS} ms", added <= ADDED_MAX_MS))
    note = (
        f"Milliseconds from question to answer, through the running agent and its one session, while `gimmal cp` of "
        f"{size / 2**30:g} GiB runs through the same agent: the attributes of a folder, the listing of its 100 files, "
        "and 64 KiB at a random place of another large file, as a film that is sought in. One process asks in turn, so "
        "that no start of a program counts."
    )
    if remarks:
        note += " Remarks: " + "; ".join(remarks) + "."
    report.tables.append(Table("Latency beside a copy", note, _HEADERS, rows))
    return report


@contextlib.contextmanager
def _laid(place: _Place) -> Iterator[Line | None]:
    if not place.rate_bits:
        yield None
        return
    queue = int(place.rate_bits * ROUND_TRIP_SECONDS / 8)
    with line(ROUND_TRIP_SECONDS / 2, place.rate_bits, place.loss, queue) as laid:
        yield laid


def _measure_place(
    rows: list[list[str]], place: _Place, laid: Line | None, wish: Wish, size: int
) -> dict[tuple[str, str], float]:
    host, inside = (laid.address("a"), laid.in_namespace) if laid else ("127.0.0.1", here)
    with rig(wish.folder, host, inside) as made:
        home, away = made.folder / "home", made.folder / "away"
        many_files(100, 4096)(home / "folder", 1.0)
        random_file(size)(home / "film", 1.0)
        random_file(size)(away / "upload", 1.0)
        made.agent("a", f"home={home}")
        local, _address = made.agent("b", listen="" if not laid else f"{laid.address('b')}:0")
        local.wait_for("connected: ")
        copies = {
            "nothing": [],
            "a download": [":home/film/large.bin", str(away)],
            "an upload": [str(away / "upload" / "large.bin"), ":home/"],
        }
        medians: dict[tuple[str, str], float] = {}
        for beside, words in copies.items():
            answers = _asked(made, inside, words)
            for what, told in answers.items():
                took = [ms for ms, _at in told]
                early = [ms for ms, at in told if at < _FIRST_SECONDS] or took[:1]
                medians[beside, what] = statistics.median(took)
                figures = [medians[beside, what], _percentile(took, 0.95), max(took), max(early)]
                rows.append([place.name, beside, what, *(f"{ms:.1f}" for ms in figures), str(len(took))])
        return medians


def _asked(made: Rig, inside: Inside, words: Sequence[str]) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each question and moments from the copy's start; beside no copy where there are no words."""
    seconds = _BUSY_SECONDS if words else _IDLE_SECONDS
    half, environment = made.half("b"), made.environment("b")
    command = [sys.executable, "-m", "bench.latency_probe", half, str(seconds), "home/folder/tree/folder-0000"]
    found: dict[str, list[tuple[float, float]]] = {what: [] for what in QUESTIONS}
    tree = str(Path(__file__).resolve().parent.parent)
    with subprocess.Popen(
        inside("b", [*command, "home/film/large.bin"]), env=environment, cwd=tree, stdout=subprocess.PIPE, text=True
    ) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "ready\n"
        ready = time.monotonic()
        copy = _start(inside("b", [GIMMAL, "cp", "-q", "--half", half, *words]), environment) if words else None
        begun = time.monotonic() - ready
        for told in asking.stdout:
            if copy is not None and copy.poll() is not None:
                break
            answer = json.loads(told)
            if answer["at"] >= begun:
                found[answer["what"]].append((answer["ms"], answer["at"] - begun))
        asking.kill()
    if copy is not None and copy.poll() is None:
        copy.send_signal(signal.SIGINT)
        copy.wait(20)
    elif copy is not None:
        assert copy.returncode == 0, f"the copy ended with {copy.returncode}"
    _forget(made.folder)
    assert all(len(told) > 1 for told in found.values()), "nothing was asked while the copy ran"
    return found


def _start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _forget(folder: Path) -> None:
    """Remove what a copy left."""
    for top in (folder / "home", folder / "away"):
        for name in os.listdir(top):
            if name == "large.bin" or name.startswith(".gimmal-part-"):
                os.unlink(top / name)


def _percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]
