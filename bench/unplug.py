"""From the disappearance of a half to the moment at which the other side knows."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from pathlib import Path

from bench.gimmal_rig import Rig, rig
from bench.report import Goal, Report, Table, spread

UNPLUG_MAX_SECONDS = 1.0
_PATHS = {"direct": "127.0.0.1:0", "relayed": "localhost:0"}
"""Where the agents listen. A host name is no address to leave with the relay, so that only the relay is left."""


def measure(runs: int, folder: Path) -> Report:
    """Pull one half ``runs`` times by each path."""
    found: dict[str, list[float]] = defaultdict(list)
    with rig(folder) as made:
        for _ in range(runs):
            for path, listen in _PATHS.items():
                found[path].append(_once(made, path, listen))
    report = Report()
    note = (
        "Seconds from the removal of one side's half to the line in which the other side's agent says so; loopback. "
        "The half is looked for every 250 ms."
    )
    rows = [[path, spread(values).text(3), str(len(values))] for path, values in found.items()]
    report.tables.append(Table("Unplugging", note, ["path", "seconds", "runs"], rows))
    for path, values in found.items():
        text = f"unplugging until the other side knows, {path}, longest of {len(values)}"
        worst = max(values)
        goal = f"<= {UNPLUG_MAX_SECONDS:g} s"
        report.goals.append(Goal(text, f"{worst:.2f} s", goal, worst <= UNPLUG_MAX_SECONDS))
    return report


def _once(made: Rig, path: str, listen: str) -> float:
    staying, _address = made.agent("a", listen=listen)
    leaving, _address = made.agent("b", listen=listen)
    try:
        for agent in (staying, leaving):
            line = agent.wait_for("connected: ")[1]
            assert line.endswith(path), f"wanted a {path} connection, got {line!r}"
        half = Path(made.half("b")) / "GIMMAL"
        hidden = half.with_name("pulled")
        # Without it the moment would always be the same one between two looks.
        time.sleep(random.uniform(0.25, 0.5))
        pulled = time.perf_counter()
        half.rename(hidden)
        heard = staying.wait_for("disconnected: ", 10)[0]
        leaving.wait_for("unplugged: ", 10)
        hidden.rename(half)
        return heard - pulled
    finally:
        made.stop(leaving)
        made.stop(staying)
