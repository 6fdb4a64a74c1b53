"""What copies across lines have to reach."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contenders import Contender
from bench.line import Line
from bench.line_results import Results, line_share, peaks, whole_seconds, wire_megabytes
from bench.line_rows import Row
from bench.report import Goal, Report

MEMORY_MAX_MIB = 150
UNCHANGED_MAX_SECONDS = 3.0
CHANGED_MAX_MB = 3 * 2**20 / 1e6
LINE_LIMITED = 0.9
LINE_LEAST = {"large": 0.9, "loss": 0.8}
TIMES: dict[tuple[str, str], dict[str, float]] = {
    ("large", "cubic"): {"scp": 2},
    ("large", "bbr"): {"scp": 2},
    ("loss", "cubic"): {"scp": 3},
    ("loss", "bbr"): {"scp": 1.6},
    ("small", "cubic"): {"scp": 20, "rsync": 1.5},
    ("small", "bbr"): {"scp": 20, "rsync": 1.5},
}
"""How many times as quick as a peer, by row and congestion control."""

FASTER_THAN_ALL = ("unchanged", "mixed", "changed")


def add_goals(report: Report, row: Row, laid: Line, ways: Sequence[Contender], found: Results, direction: str) -> None:
    """Hold gimmal's figures against the goals of a row."""
    ours = next((contender.name for contender in ways if contender.ours), None)
    if ours is None:
        return
    copies = found[ours]
    seconds, share = whole_seconds(copies).median, line_share(copies, laid)
    start = f"{row.title}, 50 ms, {laid.congestion}, {direction}"

    def add(what: str, measured: str, goal: str, met: bool) -> None:
        report.goals.append(Goal(f"{start}: {what}", measured, goal, met))

    if row.name in LINE_LEAST:
        least = LINE_LEAST[row.name]
        add("part of the line", f"{share:.2f}", f">= {least:g}", share >= least)
    if row.name == "unchanged":
        add("seconds", f"{seconds:.2f} s", f"<= {UNCHANGED_MAX_SECONDS:g} s", seconds <= UNCHANGED_MAX_SECONDS)
    if row.name == "changed":
        wire = wire_megabytes(copies)
        add("on the wire", f"{wire:.2f} MB", f"<= {CHANGED_MAX_MB:.2f} MB", wire <= CHANGED_MAX_MB)
    limited = " (line-limited)" if share >= LINE_LIMITED else ""
    for peer in ways:
        if peer.ours:
            continue
        times = whole_seconds(found[peer.name]).median / seconds
        goal = TIMES.get((row.name, laid.congestion), {}).get(peer.kind)
        if goal:
            add(f"against {peer.name}", f"{times:.2f} times{limited}", f">= {goal:g}", times >= goal or bool(limited))
        elif row.name in FASTER_THAN_ALL:
            add(f"against {peer.name}", f"{times:.2f} times", "> 1", times > 1)
    most = max(peaks(copies))
    add("resident memory, either side", f"{most:.0f} MiB", f"<= {MEMORY_MAX_MIB} MiB", most <= MEMORY_MAX_MIB)
