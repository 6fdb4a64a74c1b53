"""One large file on tmpfs over loopback, both ways: rate, processor time and memory of everyone concerned."""

from __future__ import annotations

import os
import shutil
import sys
from collections import defaultdict
from pathlib import Path

from bench.contenders import DIRECTIONS, Contender, Field, Ground, Run, field_of
from bench.gimmal_rig import Service
from bench.report import Goal, Report, Spread, Table, spread

SIZE = 2 << 30
MEMORY_MAX_MIB = 120
GROWTH_MAX_MIB = 8
PLAIN_RATIO = 0.6
_CHUNK = 8 << 20

Runs = dict[tuple[str, str], list[Run]]


def measure(runs: int, folder: Path, size: int = SIZE) -> Report:
    """Copy a file of ``size`` bytes ``runs`` times by each way, interleaved, after one untimed round.

    Args:
        folder: where everything lies; tmpfs, so that no disk is measured.
    """
    with field_of(folder, sftp=True, tar=False, more=_yardsticks) as field:
        away, home = field.away / "large.bin", field.home / "large.bin"
        warm(field.away / "warm", 2 * size)
        for path in (away, home):
            _write(path, size)
        found: Runs = defaultdict(list)
        for number in range(runs + 1):
            for direction in DIRECTIONS:
                for contender in field.contenders:
                    run = _once(field, contender, direction, check=number == 0)
                    if number:
                        found[contender.name, direction].append(run)
        # The same once more with an eighth of the file: whether memory grows with it.
        home.unlink()
        away.unlink()
        _write(home, size // 8)
        _write(away, size // 8)
        small: Runs = defaultdict(list)
        for direction in DIRECTIONS:
            for contender in field.contenders:
                if contender.ours:
                    small[contender.name, direction].append(_once(field, contender, direction, check=False))
        return _report(field, found, small, size)


def _once(field: Field, contender: Contender, direction: str, *, check: bool) -> Run:
    source, target = (field.home, field.away) if direction == "download" else (field.away, field.home)
    into = target / "target"
    into.mkdir()
    warm(target / "warm", (source / "large.bin").stat().st_size)
    try:
        run = contender.copy(direction, source / "large.bin", into)
        if check:
            _compare(source / "large.bin", into / "large.bin")
    finally:
        (into / "large.bin").unlink(missing_ok=True)
        into.rmdir()
    return run


def _yardsticks(ground: Ground) -> list[Contender]:
    """What the machine itself can do: the file system, and a TCP connection between two processes."""
    program = [sys.executable, "-m", "bench.plain_tcp"]
    server = Service([*program, "serve"], dict(ground.environment))
    ground.stack.callback(server.stop)
    port = server.wait_for("")[1]

    def local(source: Path, target: Path) -> list[str]:
        return [shutil.which("cp") or "cp", str(source), str(target)]

    def get(source: Path, target: Path) -> list[str]:
        return [*program, "get", port, str(source), str(target / source.name)]

    def put(source: Path, target: Path) -> list[str]:
        return [*program, "put", port, str(source), str(target / source.name)]

    return [
        Contender("cp on this machine", local, local, ground.environment, 0, yardstick=True),
        Contender("plain-text TCP copy", get, put, ground.environment, server.id, yardstick=True),
    ]


def _write(path: Path, size: int) -> None:
    with open(path, "wb") as file:
        file.writelines(os.urandom(min(_CHUNK, size - start)) for start in range(0, size, _CHUNK))


def warm(path: Path, size: int) -> None:
    """Touch memory once: on a virtual machine the first touch of a page is far slower than all later ones."""
    with open(path, "wb") as file:
        file.writelines(bytes(_CHUNK) for _ in range(0, size, _CHUNK))
    path.unlink()


def _compare(left: Path, right: Path) -> None:
    assert left.stat().st_size == right.stat().st_size
    with open(left, "rb") as one, open(right, "rb") as other:
        while piece := one.read(_CHUNK):
            assert piece == other.read(_CHUNK), "a copy is not the same as its source"


def _rates(runs: list[Run], size: int) -> Spread:
    return spread([size / run.command.seconds / 1e9 for run in runs])


def _report(field: Field, found: Runs, small: Runs, size: int) -> Report:
    report = Report()
    gib = size / 2**30
    note = (
        f"{gib:g} GiB of random bytes on tmpfs, loopback, from the start of the command to its end, medians of "
        f"{len(next(iter(found.values())))} runs (least to most), all ways in turn in every run, after one untimed "
        "round; the target is deleted between runs, and as much memory is touched and freed just before each, for on a "
        "virtual machine the first touch of a page is slow. Two yardsticks show what the machine can do at all: cp, "
        "and a plain-text TCP copy (1 MiB pieces, two processes, no check). Processor time is user and system, in "
        "seconds per GB (10^9 "
        "bytes), of the asking command (with its agent where it goes through one), the answering side and the relay. "
        "Peak is resident memory in MiB."
    )
    if field.missing:
        note += " Remarks: " + "; ".join(field.missing) + "."
    rows = []
    scp = next((contender.name for contender in field.contenders if not contender.ours), None)
    for direction in DIRECTIONS:
        base = _rates(found[scp, direction], size).median if scp else None
        for contender in field.contenders:
            runs = found[contender.name, direction]
            rate = _rates(runs, size)
            rows.append([direction, contender.name, rate.text(3), f"{rate.median / base:.2f}" if base else "-"])
            rows[-1] += _costs(contender, runs, size)
    headers = ["direction", "way", "GB/s", "x scp", "CPU asking", "CPU answering", "CPU relay", "peak asking"]
    report.tables.append(Table("One large file", note, [*headers, "peak answering"], rows))
    if size == SIZE:
        _add_goals(report, field, found, small)
    return report


def _costs(contender: Contender, runs: list[Run], size: int) -> list[str]:
    def per_gb(values: list[float]) -> str:
        return f"{spread(values).median / size * 1e9:.2f}"

    return [
        per_gb([run.command.cpu_seconds + run.agent_cpu for run in runs]),
        per_gb([run.answerer_cpu for run in runs]),
        per_gb([run.relay_cpu for run in runs]) if contender.relay else "",
        f"{max(run.command.peak_mib for run in runs):.0f}" if contender.ours else "",
        f"{max(run.answerer_peak for run in runs):.0f}" if contender.ours else "",
    ]


def _add_goals(report: Report, field: Field, found: Runs, small: Runs) -> None:
    ways = {contender.name: contender for contender in field.contenders}
    peers = [name for name in ways if not ways[name].ours and not ways[name].yardstick]

    def ratio(way: str, peer: str, direction: str) -> float:
        mine = _rates(found[way, direction], SIZE).median
        return mine / _rates(found[peer, direction], SIZE).median

    wanted = [("gimmal direct", 0, 2.5, "3 (2.5 holds)"), ("gimmal direct", 1, 2.0, "2")]
    wanted.append(("gimmal through the relay", 0, 1.5, "1.5"))
    for direction in DIRECTIONS:
        for way, index, least, goal in wanted:
            if index < len(peers):
                got = ratio(way, peers[index], direction)
                text = f"2 GiB {direction}: {way} against {peers[index].partition(',')[0]}"
                report.goals.append(Goal(text, f"{got:.2f} times", f">= {goal}", got >= least))
        got = ratio("gimmal direct", "plain-text TCP copy", direction) if "plain-text TCP copy" in ways else 0.0
        report.goals.append(
            Goal(
                f"2 GiB {direction}: gimmal direct against a plain-text TCP copy",
                f"{got:.2f} times",
                ">= 0.6",
                got >= PLAIN_RATIO,
            )
        )
    for way in ("gimmal direct", "gimmal through the relay"):
        peak = max(_peaks(found, way))
        growth = peak - max(_peaks(small, way))
        text = f"resident memory, either side, {way}"
        report.goals.append(Goal(text, f"{peak:.0f} MiB", f"<= {MEMORY_MAX_MIB} MiB", peak <= MEMORY_MAX_MIB))
        text = f"its growth from a file of 256 MiB to one of 2 GiB, {way}"
        report.goals.append(Goal(text, f"{round(growth):+d} MiB", "none", growth <= GROWTH_MAX_MIB))


def _peaks(found: Runs, way: str) -> list[float]:
    runs = [run for direction in DIRECTIONS for run in found[way, direction]]
    return [peak for run in runs for peak in (run.command.peak_mib, run.answerer_peak)]
