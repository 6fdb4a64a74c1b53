"""The relay's own figures in the report: memory of idle agents, rate of bare forwarding."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench import relay_forward, relay_idle
from bench.relay_process import relay_process
from bench.report import Goal, Report, Table, spread

AGENTS = 1000
IDLE_MAX_KIB = 32
RUNS_IDLE = 3
"""Of a thousand agents, for connecting them takes long and hardly differs."""

_FORWARDED = 2 << 30


def measure_idle(runs: int, _folder: Path, agents: int = AGENTS) -> Report:
    """Connect ``agents`` idle agents to a fresh relay, ``RUNS_IDLE`` times at most."""
    found: list[dict[str, float]] = []
    runs = min(runs, RUNS_IDLE)
    for _ in range(runs):
        with relay_process() as (process, url):
            found.append(asyncio.run(relay_idle.measure(process, url, agents)))
    columns = [name for name in found[0] if name != "agents"]
    rows = [[name, spread([run[name] for run in found]).text()] for name in columns]
    note = f"{agents:,} agents of as many pairs connected to one relay process and idle; medians of {runs} runs."
    report = Report([Table("Idle agents at a relay", note, ["figure", "value"], rows)])
    if agents == AGENTS:
        median = spread([run["KiB per idle agent"] for run in found]).median
        text = "relay, 1,000 idle agents: resident memory a connection"
        report.goals.append(Goal(text, f"{median:.1f} KiB", f"<= {IDLE_MAX_KIB} KiB", median <= IDLE_MAX_KIB))
    return report


def measure_forwarding(runs: int, _folder: Path) -> Report:
    """Send bytes through a relay between two bare sockets, ``runs`` times each way of forwarding."""
    rows = []
    for splice in (True, False):
        result = relay_forward.measure(splice, _FORWARDED, runs)
        rows.append([str(result[name]) for name in ("way", "GB/s", "relay CPU s/GB", "relay MiB")])
    note = (
        f"2 GiB through a relay between two bare sockets, without gimmal's own sealing and disks; medians of {runs} "
        "runs. The plain way is what the relay falls back to where the system has no splice."
    )
    headers = ["way", "GB/s", "relay CPU s/GB", "relay MiB"]
    return Report([Table("Bare forwarding by a relay", note, headers, rows)])
