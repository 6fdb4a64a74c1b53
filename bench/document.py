"""docs/benchmarks.md, made from what is kept of each row."""

from __future__ import annotations

from collections.abc import Sequence

from bench.kept import Kept
from bench.report import Table, table_text

_ABOUT = (
    "Written by `make bench`; do not edit. Both sides and the relay share one machine's cores, so that figures compare "
    "ways with one another; they are no promise for other machines. Each row was measured by itself, at the commit and "
    "time that the table of rows names; `python -m bench ROW` measures one of them again."
)
_SPEED = (
    "Each row holds every way that was compared in it, by its speed against that of the best peer (the quickest that "
    "is not gimmal): right of 1 is quicker than all of them. Seconds, and what ran on a part of the work, stand in the "
    "tables below."
)
_GROWTH = "Time and resident memory of one copy against the number of files and against the size of one file."
PLOTS = (("speed", "Speed against the best peer", _SPEED), ("growth", "Growth", _GROWTH))


def document(results: Sequence[Kept], missing: Sequence[str], plots: Sequence[str]) -> str:
    """The whole document.

    Args:
        results: of the rows that were measured, in the order in which they are shown.
        missing: rows that were not.
        plots: which plots there are, by name.
    """
    parts = ["# Benchmarks", _ABOUT]
    if results:
        parts += _machines(results)
        parts += [_rows(results).markdown()]
    if missing:
        parts += ["## Not measured", "\n".join(f"- `{name}`" for name in missing)]
    goals = [[result.row, *goal.row()] for result in results for goal in result.report.goals]
    if goals:
        met = sum(goal.met for result in results for goal in result.report.goals)
        note = f"{met} of {len(goals)} are met."
        parts.append(Table("Goals", note, ["row", "figure", "measured", "goal", "met"], goals).markdown())
    for name, title, note in PLOTS:
        if name in plots:
            parts += [f"## {title}", note, f"[![{title}](benchmarks-{name}.png)](benchmarks-{name}.svg)"]
    parts += [table.markdown() for result in results for table in result.report.tables]
    return "\n\n".join(parts) + "\n"


def _machines(results: Sequence[Kept]) -> list[str]:
    """The machine, or each of them with its rows."""
    seen: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for result in results:
        seen.setdefault(tuple(tuple(pair) for pair in result.machine), []).append(result.row)
    if len(seen) == 1:
        return [table_text(["machine", ""], next(iter(seen)))]
    parts = ["Rows were measured on machines that differ:"]
    for number, (machine, rows) in enumerate(seen.items(), 1):
        named = [*machine, ("rows", ", ".join(rows))]
        parts.append(table_text([f"machine {number}", ""], named))
    return parts


def _rows(results: Sequence[Kept]) -> Table:
    rows = [
        [result.row, result.commit, result.when, f"{result.seconds / 60:.1f}", f"{result.load:.2f}"]
        for result in results
    ]
    minutes = sum(result.seconds for result in results) / 60
    note = f"All of them took {minutes:.0f} minutes. Load is the machine's, over the minute before the row began."
    return Table("Rows", note, ["row", "commit", "ended, UTC", "minutes", "load"], rows)
