"""What copies have to reach."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contenders import Contender
from bench.copied import Results, bytes_a_second, peaks, whole_seconds, wire_bytes
from bench.report import Goal, Report
from bench.rows import Row

MEMORY_MAX_MIB = 150
UNCHANGED_MAX_SECONDS = 3.0
CHANGED_MAX_BYTES = 3 << 20
LINE_LIMITED = 0.9
LINE_LEAST = {"large": 0.9, "loss": 0.8}
BEST, PLAIN = "best peer", "plain"
TIMES: dict[str, dict[str, float]] = {
    "large-loopback": {"scp": 3, BEST: 2, PLAIN: 0.6},
    "small-loopback": {"scp": 6, "rsync": 2, "tar": 1.5},
    "large-cubic": {"scp": 2},
    "large-bbr": {"scp": 2},
    "loss-cubic": {"scp": 3},
    "loss-bbr": {"scp": 1.6},
    "small-cubic": {"scp": 20, "rsync": 1.5},
    "small-bbr": {"scp": 20, "rsync": 1.5},
}
"""How many times as quick as a peer, by row."""

LINE_EXCUSES = ("loss-cubic",)
"""Rows where a copy that fills the line has done what can be done, however quick the peer is."""

FASTER_THAN_BEST = ("mixed",)
FASTER_THAN_RSYNC = ("unchanged", "changed")


def add_goals(report: Report, row: Row, ways: Sequence[Contender], found: Results, direction: str) -> None:
    """Hold gimmal's figures against the goals of a row."""
    ours = next((contender.name for contender in ways if contender.kind == "gimmal"), None)
    if ours is None:
        return
    copies = found[ours]
    seconds = whole_seconds(copies).median
    share = 8 * bytes_a_second(copies) / row.rate_bits if row.rate_bits else 0.0
    start = f"{row.title}, {row.place}, {direction}"

    def add(what: str, measured: str, goal: str, met: bool) -> None:
        report.goals.append(Goal(f"{start}: {what}", measured, goal, met))

    if row.work in LINE_LEAST and row.rate_bits:
        least = LINE_LEAST[row.work]
        add("part of the line", f"{share:.2f}", f">= {least:g}", share >= least)
    if row.work == "unchanged":
        add("seconds", f"{seconds:.2f} s", f"<= {UNCHANGED_MAX_SECONDS:g} s", seconds <= UNCHANGED_MAX_SECONDS)
    if row.work == "changed":
        wire = wire_bytes(copies)
        add("on the wire", f"{wire / 2**20:.2f} MiB", f"<= {CHANGED_MAX_BYTES >> 20} MiB", wire <= CHANGED_MAX_BYTES)
    limited = " (line-limited)" if share >= LINE_LIMITED else ""
    wanted = dict(TIMES.get(row.name, {}))
    wanted |= {BEST: 1.0} if row.work in FASTER_THAN_BEST else {}
    wanted |= {"rsync": 1.0} if row.work in FASTER_THAN_RSYNC else {}
    for kind, goal in wanted.items():
        against = _quickest(kind, ways, found)
        said = f">= {goal:g}" if goal != 1 else "> 1"
        if against is None:
            add(f"against {kind}", "not measured", said, False)
            continue
        name, took = against
        times = took / seconds
        met = times > 1 if goal == 1 else times >= goal or bool(limited and row.name in LINE_EXCUSES)
        add(f"against {name}", f"{times:.2f} times{limited}", said, met)
    most = max(peaks(copies))
    add("resident memory, either side", f"{most:.0f} MiB", f"<= {MEMORY_MAX_MIB} MiB", most <= MEMORY_MAX_MIB)


def _quickest(kind: str, ways: Sequence[Contender], found: Results) -> tuple[str, float] | None:
    """Name and seconds of whom a goal is about; None where nobody of them was measured."""
    peers = [way for way in ways if way.kind == kind or (kind == BEST and not way.ours and not way.yardstick)]
    if not peers:
        return None
    best = min(peers, key=lambda way: whole_seconds(found[way.name]).median)
    name = f"the best peer ({best.name})" if kind == BEST else best.name
    return name, whole_seconds(found[best.name]).median
