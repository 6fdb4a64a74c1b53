"""Makes mutants of the modules that security rests on, and says which the tests did not notice.

    python scripts/mutants.py [--group NAME]... [--module PATH]... [--sample COUNT] [--json FILE] [--project DIR]

Without arguments: every mutant of every group of mutants_plan.py. Mutants known to change no behaviour are listed,
each with its reason, in tests/scripts/mutants_equivalent.toml and not counted. Nothing in the work tree is changed.
Exits with 0 if every group reaches its bar, 1 if not, 2 if the tests fail without a change or an entry of the list
is stale.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutants_edits import Mutant, mutants
from mutants_plan import GROUPS
from mutants_run import DEADLINE_FACTOR, DEADLINE_LEAST, BaselineFailed, Runner, Verdict, scratch_copy

PROJECT = Path(__file__).resolve().parent.parent


@dataclass
class Count:
    """What became of the mutants of one group."""

    bar: int
    mutants: int = 0
    killed: int = 0
    late: int = 0
    equivalent: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Killed, of those counted; rounded down, so that 100 means all."""
        return self.killed * 1000 // self.mutants / 10 if self.mutants else 0.0


class Stale(Exception):
    """The list of equivalent mutants names one that there is none of."""


def main(arguments: Sequence[str]) -> int:
    """Run, print, and return the exit code."""
    options = _options(arguments)
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # so that the copy goes, whoever ends us
    try:
        with scratch_copy(options.project) as copy:
            counts = _run(options, copy)
    except (BaselineFailed, Stale) as error:
        print(f"mutants: {error}", file=sys.stderr)
        return 2
    for name, count in counts.items():
        print(
            f"mutants killed: {name}: {count.killed} of {count.mutants} ({count.percent} %), {count.late} by the "
            f"deadline; {count.equivalent} equivalent"
        )
    print(f"mutants: {time.monotonic() - started:.0f} s")
    if options.json:
        told = {name: vars(count) | {"percent": count.percent} for name, count in counts.items()}
        options.json.write_text(json.dumps(told), encoding="utf-8")
    return 0 if all(count.percent >= count.bar for count in counts.values()) else 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mutation testing of the modules that security rests on")
    parser.add_argument("--group", action="append", choices=[group.name for group in GROUPS])
    parser.add_argument("--module", action="append")
    parser.add_argument("--sample", type=int, default=0, help="mutants of each module, evenly spread; 0 is all")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--project", type=Path, default=PROJECT)
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace, copy: Path) -> dict[str, Count]:
    runner = Runner(copy)
    equivalent = _equivalent(copy)
    counts: dict[str, Count] = {}
    for group in GROUPS:
        if options.group and group.name not in options.group:
            continue
        for module, tests in group.tests.items():
            if options.module and module not in options.module:
                continue
            count = counts.setdefault(group.name, Count(group.bar))
            _run_module(runner, copy, module, tests, equivalent, options.sample, count)
    return counts


def _run_module(
    runner: Runner,
    copy: Path,
    module: str,
    tests: Sequence[str],
    equivalent: dict[tuple[str, str, str], str],
    sample: int,
    count: Count,
) -> None:
    path = copy / "src" / "gimmal" / module
    everything = mutants(module, path.read_text(encoding="utf-8"), str(path))
    stale = {key for key in equivalent if key[0] == module} - {mutant.key for mutant in everything}
    if stale:
        raise Stale(f"there is no such mutant any more: {sorted(stale)}")
    chosen = [mutant for mutant in everything if mutant.key not in equivalent]
    count.equivalent += len(everything) - len(chosen)
    chosen = _spread(chosen, sample)
    started = time.monotonic()
    seconds = runner.baseline(tests)
    deadline = max(DEADLINE_LEAST, DEADLINE_FACTOR * seconds)
    killed = 0
    for verdict in runner.run(chosen, tests, deadline):
        killed += verdict.killed
        count.late += verdict.late
        if not verdict.killed:
            count.survivors.append(_told(verdict))
            print(count.survivors[-1], flush=True)
    count.killed += killed
    count.mutants += len(chosen)
    print(f"{module}: {killed} of {len(chosen)} in {time.monotonic() - started:.0f} s", flush=True)


def _spread(items: list[Mutant], count: int) -> list[Mutant]:
    """So many of them, evenly spread over the whole; the same each time."""
    if not count or count >= len(items):
        return items
    return [items[number * len(items) // count] for number in range(count)]


def _equivalent(copy: Path) -> dict[tuple[str, str, str], str]:
    path = copy / "tests" / "scripts" / "mutants_equivalent.toml"
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", []) if path.exists() else []
    return {(entry["module"], entry["line"], entry["change"]): entry["reason"] for entry in entries}


def _told(verdict: Verdict) -> str:
    mutant = verdict.mutant
    return f"survived: {mutant.module}:{mutant.line}: {mutant.text!r} {mutant.change!r}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
