"""From the start of a command to its first output."""

from __future__ import annotations

import compileall
import sys
from collections import defaultdict
from pathlib import Path

import gimmal
from bench.gimmal_rig import GIMMAL, rig
from bench.processes import run_measured
from bench.report import Goal, Report, Table, spread
from bench.ssh_rig import Missing, sshd

RUNS_EACH = 4
"""Starts of each command in one run: they are short."""

LISTING_MAX_MS = 400
HELP_MAX_MS = 150


def measure(runs: int, folder: Path) -> Report:
    """Start each command ``RUNS_EACH`` times in each of ``runs`` runs, after one untimed run."""
    compileall.compile_dir(str(Path(gimmal.__file__).parent), quiet=2)
    shared = Path(__file__).parent
    with rig(folder) as made:
        _agent, address = made.agent("a", str(shared))
        ours = made.environment("b")
        half = ["--half", made.half("b")]
        ways: dict[str, tuple[list[str], dict[str, str]]] = {
            "gimmal ls, relay and addresses raced": ([GIMMAL, "ls", *half, ":bench"], ours),
            "gimmal ls --at": ([GIMMAL, "ls", *half, "--at", address, ":bench"], ours),
            "gimmal ls --path relayed": ([GIMMAL, "ls", *half, "--path", "relayed", ":bench"], ours),
            "gimmal --help": ([GIMMAL, "--help"], ours),
            "python -c 'print()', for comparison": ([sys.executable, "-c", "print()"], ours),
        }
        found: dict[str, list[float]] = defaultdict(list)
        _round(ways, found, runs)
        # Commands use the agent of their own half where one runs: a way of its own.
        local, _address = made.agent("b")
        local.wait_for("connected: ")
        more = {"gimmal ls through the agent here": ([GIMMAL, "ls", *half, ":bench"], ours)}
        try:
            with sshd() as ssh:
                more["ssh HOST ls, for comparison"] = (["ssh", *ssh.options(), "bench", "ls", str(shared)], ours)
                _round(more, found, runs)
        except Missing:
            _round(more, found, runs)
    return _report(found)


def _round(ways: dict[str, tuple[list[str], dict[str, str]]], found: dict[str, list[float]], runs: int) -> None:
    for number in range(runs + 1):
        for _ in range(RUNS_EACH if number else 1):
            for name, (command, environment) in ways.items():
                measured = run_measured(command, environment, 60)
                if number:
                    found[name].append(1000 * measured.first_seconds)


def _report(found: dict[str, list[float]]) -> Report:
    report = Report()
    rows = [[name, spread(values).text(0), str(len(values))] for name, values in found.items()]
    note = (
        "Milliseconds from the start of the command to the first byte it prints; relay and the other side's agent are "
        "up, no password, loopback, bytecode compiled."
    )
    report.tables.append(Table("From command to first output", note, ["command", "ms", "starts"], rows))
    goals = [("gimmal ls, relay and addresses raced", LISTING_MAX_MS), ("gimmal --help", HELP_MAX_MS)]
    for name, most in goals:
        median = spread(found[name]).median
        report.goals.append(Goal(f"first output of {name}", f"{median:.0f} ms", f"<= {most} ms", median <= most))
    return report
