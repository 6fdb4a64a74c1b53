"""Runs the full counts of every test that reports a figure, and writes docs/campaign.md.

    python scripts/campaign.py            every file, anew
    python scripts/campaign.py PATH...    these files only; the results of the others are kept
    python scripts/campaign.py --rest     the files of which no result is kept
    python scripts/campaign.py --failed   only the tests that failed; all other results are kept, with their commit
    python scripts/campaign.py --write    nothing; the document again from the results that are kept

Each test file is run by itself and its result kept in build/campaign with commit and time, so that a run of hours
that was interrupted, or one file that was mended, needs only the rest. A figure is met when the test that reported it
passed and, where its bar is a plain number, the number holds too. Exits with 0 if every file was run, every test
passed and every figure is met.
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from campaign_document import Figure, FileResult, document

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = PROJECT / "docs" / "campaign.md"
RESULTS = PROJECT / "build" / "campaign"
TEST_SECONDS = 3600
"""For one test; the whole has no deadline of its own."""
SIDE_BY_SIDE = {"tests/endtoend/test_hostile_relay.py": 6}
"""Files whose tests mostly wait, 300 times for some seconds each, with how many of them run at a time."""


def main() -> int:
    """Run, write, and return the exit code."""
    words = sys.argv[1:]
    wanted = selected()
    again: dict[str, FileResult] = {}
    names = words or wanted
    if words == ["--failed"]:
        again = {path: found for path in wanted if (found := _kept(path)) is not None and found.failed}
        names = list(again)
    elif words == ["--rest"]:
        names = [path for path in wanted if _kept(path) is None]
    elif words == ["--write"]:
        names = []
    elif not words:
        shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = Path(name).resolve().relative_to(PROJECT)
        print(f"campaign: {path}", flush=True)
        result = run_file(path, again.get(name))
        (RESULTS / f"{str(path).replace('/', '.')}.json").write_text(json.dumps(result.as_json()), encoding="utf-8")
    results = {path: found for path in wanted if (found := _kept(path)) is not None}
    missing = [path for path in wanted if path not in results]
    DOCUMENT.write_text(document(list(results.values()), missing, _machine()), encoding="utf-8")
    unmet = sum(not figure.met for result in results.values() for figure in result.figures)
    failed = sum(len(result.failed) for result in results.values())
    print(f"campaign: {unmet} figures not met, {failed} tests failed, {len(missing)} files not run", flush=True)
    return 1 if unmet or failed or missing else 0


def selected() -> list[str]:
    """Every test file with a figure, a promise of seconds or tests marked for the campaign, relative to the project."""
    words = ("tests.figures import", "mark.campaign", "within(")
    files = sorted((PROJECT / "tests").rglob("test_*.py"))
    found = [path for path in files if any(word in path.read_text(encoding="utf-8") for word in words)]
    return [str(path.relative_to(PROJECT)) for path in found]


def run_file(path: Path, before: FileResult | None = None) -> FileResult:
    """Run one test file in full counts.

    Args:
        path: relative to the project.
        before: what it gave: only the tests that failed then are run, and take the place of what they gave.
    """
    with tempfile.TemporaryDirectory(prefix="gimmal-campaign-") as folder:
        lines, junit = Path(folder) / "figures", Path(folder) / "results.xml"
        started = time.monotonic()
        environment = os.environ | {"GIMMAL_CAMPAIGN": "full", "GIMMAL_FIGURES": str(lines)}
        workers = SIDE_BY_SIDE.get(str(path), 0)
        command = [
            sys.executable,
            "-m",
            "pytest",
            f"-n{workers}",
            "-p",
            "no:randomly",
            "-q",
            f"--timeout={TEST_SECONDS}",
        ]
        command += [f"--junitxml={junit}", "-o", "junit_family=xunit1", *nodes_of(path, before)]
        code = subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode  # noqa: S603 - our tests
        result = FileResult(str(path), _commit(), _now(), time.monotonic() - started)
        if junit.exists():
            _read_outcome(result, junit)
        else:
            result.failed.append(f"{path}: pytest ended with {code} and no results")
        result.figures = _figures(lines, result)
    return result if before is None else together(before, result)


def nodes_of(path: Path, before: FileResult | None) -> list[str]:
    """What to give to pytest: the file, or the tests of it that failed."""
    if before is None:
        return [str(path)]
    module = str(path).removesuffix(".py").replace("/", ".") + "."
    nodes = []
    for name in before.failed:
        head, bracket, parameters = name.removeprefix(module).partition("[")
        nodes.append(f"{path}::{head.replace('.', '::')}{bracket}{parameters}")
    return nodes


def together(before: FileResult, now: FileResult) -> FileResult:
    """All that passed before, and what the tests that had failed give now."""
    kept = [figure for figure in before.figures if _junit_name(figure.test) not in before.failed]
    now.commit = before.commit if before.commit == now.commit else f"{before.commit}, {now.commit}"
    now.seconds += before.seconds
    now.passed = sorted({*before.passed, *now.passed})
    now.skipped = [*before.skipped, *now.skipped]
    now.figures = sorted([*kept, *now.figures], key=lambda figure: figure.test)
    return now


def _read_outcome(result: FileResult, junit: Path) -> None:
    for case in ElementTree.parse(junit).iter("testcase"):  # noqa: S314 - written by our own pytest
        name = f"{case.get('classname')}.{case.get('name')}"
        reason = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed.append(name)
        elif reason is not None:
            result.skipped.append((name, reason.get("message", "")))
        else:
            result.passed.append(name)
    result.passed = sorted(set(result.passed) - set(result.failed))


def _figures(lines: Path, result: FileResult) -> list[Figure]:
    last: dict[tuple[str, str], Figure] = {}
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.exists() else []:
        found = json.loads(line)
        name, value, bar, test = (str(found[key]) for key in ("name", "value", "bar", "test"))
        last[test, name] = Figure.of(name, value, bar, test, passed=_junit_name(test) in result.passed)
    return sorted(last.values(), key=lambda figure: figure.test)


def _junit_name(test: str) -> str:
    """The name that pytest's results give to ``folder/test_file.py::Class::test[parameters]``."""
    path, _colons, rest = test.partition("::")
    head, bracket, parameters = rest.partition("[")
    return f"{path.removesuffix('.py').replace('/', '.')}.{head.replace('::', '.')}{bracket}{parameters}"


def _kept(path: str) -> FileResult | None:
    try:
        return FileResult.from_json(json.loads((RESULTS / f"{path.replace('/', '.')}.json").read_text("utf-8")))
    except FileNotFoundError:
        return None


def _commit() -> str:
    return str(_about()["commit"])


def _machine() -> list[list[str]]:
    return [[str(cell) for cell in row] for row in _about()["machine"]]


def _about() -> dict[str, list[list[str]] | str]:
    told = subprocess.run([sys.executable, "-m", "bench.machine"], cwd=PROJECT, capture_output=True, check=True)
    about: dict[str, list[list[str]] | str] = json.loads(told.stdout)
    return about


def _now() -> str:
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    sys.exit(main())
