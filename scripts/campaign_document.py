"""docs/campaign.md, made from the results of test files."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from campaign_rows import ROWS

_ABOUT = (
    "Written by `make campaign`; do not edit. Every figure comes from a test that asserts it; the same tests run on a "
    "small fixed sample in `make test`. A figure is met when its test passed and, where the bar is a plain number, the "
    "number holds. Each test file is run by itself, at the commit that its row in the last table names."
)
_NUMBER = re.compile(r"^(<=|>=)?\s*([0-9][0-9,]*(?:\.[0-9]+)?)(?:\s*(?:s|MiB|KiB|%))?$")


@dataclass(frozen=True)
class Figure:
    """One figure and whether it is met."""

    name: str
    value: str
    bar: str
    test: str
    met: bool

    @classmethod
    def of(cls, name: str, value: str, bar: str, test: str, *, passed: bool) -> Figure:
        """A figure of a test that passed or did not."""
        return cls(name, value, bar, test, passed and _holds(value, bar) is not False)


@dataclass
class FileResult:
    """What one test file gave.

    Attributes:
        path: of the file, relative to the project.
        commit, when: what was tested and when it ended, UTC.
        seconds: it took.
        passed, failed: names of tests; skipped ones with the reason.
    """

    path: str
    commit: str
    when: str
    seconds: float
    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For keeping."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> FileResult:
        """As it was kept."""
        figures = [Figure(**figure) for figure in kept.pop("figures")]
        skipped = [(name, reason) for name, reason in kept.pop("skipped")]
        return cls(**kept, skipped=skipped, figures=figures)


def document(results: Sequence[FileResult], missing: Sequence[str], machine: Sequence[Sequence[str]]) -> str:
    """The whole document.

    Args:
        results: of the files that were run.
        missing: files that were not.
        machine: what is known of it, in pairs.
    """
    figures = [figure for result in results for figure in result.figures]
    names, met = [figure.name for figure in figures], [figure.met for figure in figures]
    covered = []
    for row in ROWS:
        state, numbers = row.state(names, met)
        covered.append([row.test, state, _ranges(numbers)])
    passed, failed, skipped = (
        sum(len(getattr(result, kind)) for result in results) for kind in ("passed", "failed", "skipped")
    )
    commits = sorted({commit for result in results for commit in result.commit.split(", ")})
    minutes = sum(result.seconds for result in results) / 60
    counts = f"{passed} tests passed, {failed} failed, {skipped} skipped; {sum(met)} of {len(met)} figures met"
    when = f"{min(result.when for result in results)} to {max(result.when for result in results)}" if results else "-"
    parts = ["# The campaign", _ABOUT]
    parts.append(f"{when} UTC, commit{'s' * (len(commits) > 1)} {', '.join(commits)}, {minutes:.0f} minutes: {counts}.")
    parts.append(_table(["machine", ""], machine))
    if missing:
        parts += ["## Not run", "\n".join(f"- `{path}`" for path in missing)]
    if failed:
        parts += ["## Failed", "\n".join(f"- `{name}`" for result in results for name in result.failed)]
    if skipped:
        lines = [f"- `{name}`: {reason}" for result in results for name, reason in result.skipped]
        parts += ["## Skipped here", "\n".join(lines)]
    rows = [
        [str(number), figure.name, figure.value, figure.bar, "yes" if figure.met else "**no**"]
        for number, figure in enumerate(figures, 1)
    ]
    parts += ["## Rows of the threat model, section 7", _table(["test and bar", "state", "figures"], covered)]
    parts += ["## Figures", _table(["no.", "figure", "value", "bar", "met"], rows)]
    files = [
        [f"`{result.path}`", result.commit, result.when, f"{result.seconds:.0f}", str(len(result.passed))]
        for result in results
    ]
    parts += ["## Files", _table(["file", "commit", "ended, UTC", "seconds", "tests passed"], files)]
    return "\n\n".join(parts) + "\n"


def _holds(value: str, bar: str) -> bool | None:
    """Whether a number keeps to a bar that is a number; None where one of them is more than that."""
    wanted, got = _NUMBER.match(bar.strip()), _NUMBER.match(value.strip())
    if wanted is None or got is None or got.group(1):
        return None
    number, limit = (float(match.group(2).replace(",", "")) for match in (got, wanted))
    relation = wanted.group(1)
    return number <= limit if relation == "<=" else number >= limit if relation == ">=" else number == limit


def _ranges(numbers: list[int]) -> str:
    """1, 2, 3, 7 as ``1-3, 7``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
