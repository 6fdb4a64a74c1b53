"""Runs the full counts of every test that reports a figure, and writes docs/campaign.md.

    python scripts/campaign.py [PATH...]

Without PATHs: all tests marked ``campaign`` and all tests of the files that report figures. A figure is met when the
test that reported it passed and, where its bar is a plain number, the number holds too. With PATHs only those are
run, and the document is printed, not written. Exits with 0 if every test passed and every figure is met.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from campaign_rows import ROWS

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT / "docs" / "campaign.md"
TEST_SECONDS = 3600
"""For one test; the whole has no deadline of its own."""

_ABOUT = (
    "Written by `make campaign`; do not edit. Every figure comes from a test that asserts it; the same tests run on a "
    "small fixed sample in `make test`. A figure is met when its test passed and, where the bar is a plain number, the "
    "number holds."
)
_NUMBER = re.compile(r"^(<=|>=)?\s*([0-9][0-9,]*(?:\.[0-9]+)?)(?:\s*(?:s|MiB|KiB))?$")


@dataclass(frozen=True)
class Figure:
    """One figure and whether it is met."""

    name: str
    value: str
    bar: str
    test: str
    met: bool


@dataclass(frozen=True)
class Outcome:
    """What pytest says of the tests: names by outcome, those skipped with the reason."""

    passed: set[str]
    failed: list[str]
    skipped: list[tuple[str, str]]
    seconds: float


def main() -> int:
    """Run, write, and return the exit code."""
    paths = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="gimmal-campaign-") as folder:
        lines, results = Path(folder) / "figures", Path(folder) / "results.xml"
        started = time.monotonic()
        code = _run_tests(paths or _selected(), lines, results)
        if not results.exists():
            print(f"campaign: pytest ended with {code} and no results", file=sys.stderr)
            return 1
        outcome = _outcome(results, time.monotonic() - started)
        figures = _figures(lines, outcome)
    text = _document(figures, outcome)
    if paths:
        print(text)
    else:
        DOCUMENT.write_text(text, encoding="utf-8")
    unmet = [figure.name for figure in figures if not figure.met]
    print(f"campaign: {len(figures)} figures, {len(unmet)} not met; {len(outcome.failed)} tests failed")
    return 0 if code == 0 and not unmet else 1


def _selected() -> list[str]:
    """Every test file that reports a figure or has tests marked for the campaign."""
    words = ("tests.figures import", "mark.campaign")
    files = sorted((PROJECT / "tests").rglob("test_*.py"))
    return [str(path) for path in files if any(word in path.read_text(encoding="utf-8") for word in words)]


def _run_tests(paths: Sequence[str], lines: Path, results: Path) -> int:
    environment = os.environ | {"GIMMAL_CAMPAIGN": "full", "GIMMAL_FIGURES": str(lines)}
    command = [sys.executable, "-m", "pytest", "-n0", "-p", "no:randomly", "-v", f"--timeout={TEST_SECONDS}"]
    command += [f"--junitxml={results}", "-o", "junit_family=xunit1", *paths]
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode  # noqa: S603 - our own tests


def _outcome(results: Path, seconds: float) -> Outcome:
    passed: set[str] = set()
    failed: set[str] = set()
    skipped: list[tuple[str, str]] = []
    for case in ElementTree.parse(results).iter("testcase"):  # noqa: S314 - written by our own pytest
        name = f"{case.get('classname')}.{case.get('name')}"
        reason = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
        elif reason is not None:
            skipped.append((name, reason.get("message", "")))
        else:
            passed.add(name)
    return Outcome(passed - failed, sorted(failed), skipped, seconds)


def _figures(lines: Path, outcome: Outcome) -> list[Figure]:
    last: dict[tuple[str, str], Figure] = {}
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.exists() else []:
        found = json.loads(line)
        name, value, bar, test = (str(found[key]) for key in ("name", "value", "bar", "test"))
        holds = _holds(value, bar)
        last[test, name] = Figure(name, value, bar, test, _junit_name(test) in outcome.passed and holds is not False)
    return sorted(last.values(), key=lambda figure: figure.test)


def _junit_name(test: str) -> str:
    """The name that pytest's results give to ``folder/test_file.py::Class::test[parameters]``."""
    path, _colons, rest = test.partition("::")
    head, bracket, parameters = rest.partition("[")
    return f"{path.removesuffix('.py').replace('/', '.')}.{head.replace('::', '.')}{bracket}{parameters}"


def _holds(value: str, bar: str) -> bool | None:
    """Whether a number keeps to a bar that is a number; None where one of them is more than that."""
    wanted, got = _NUMBER.match(bar.strip()), _NUMBER.match(value.strip())
    if wanted is None or got is None or got.group(1):
        return None
    number, limit = (float(match.group(2).replace(",", "")) for match in (got, wanted))
    relation = wanted.group(1)
    return number <= limit if relation == "<=" else number >= limit if relation == ">=" else number == limit


def _document(figures: list[Figure], outcome: Outcome) -> str:
    told = subprocess.run([sys.executable, "-m", "bench.machine"], cwd=PROJECT, capture_output=True, check=True)
    about = json.loads(told.stdout)
    now = datetime.datetime.now(datetime.UTC)
    rows = [[str(number), *_cells(figure)] for number, figure in enumerate(figures, 1)]
    names, met = [figure.name for figure in figures], [figure.met for figure in figures]
    covered = []
    for row in ROWS:
        state, numbers = row.state(names, met)
        covered.append([row.test, state, _ranges(numbers)])
    counts = (
        f"{len(outcome.passed)} tests passed, {len(outcome.failed)} failed, {len(outcome.skipped)} skipped; "
        f"{sum(met)} of {len(met)} figures met"
    )
    parts = [
        "# The campaign",
        _ABOUT,
        f"{now:%Y-%m-%d %H:%M} UTC, commit {about['commit']}, {outcome.seconds / 60:.0f} minutes: {counts}.",
        _table(["machine", ""], about["machine"]),
    ]
    if outcome.failed:
        parts += ["## Failed", "\n".join(f"- `{name}`" for name in outcome.failed)]
    if outcome.skipped:
        parts += ["## Skipped here", "\n".join(f"- `{name}`: {reason}" for name, reason in outcome.skipped)]
    parts += ["## Figures", _table(["no.", "figure", "value", "bar", "met"], rows)]
    parts += ["## Rows of the threat model, section 7", _table(["test and bar", "state", "figures"], covered)]
    return "\n\n".join(parts) + "\n"


def _cells(figure: Figure) -> list[str]:
    return [figure.name, figure.value, figure.bar, "yes" if figure.met else "**no**"]


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


if __name__ == "__main__":
    sys.exit(main())
