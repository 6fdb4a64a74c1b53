"""Hits copies of trees at random points, and reports what came of it in docs/faults.md.

    python -m bench.faults                          200 points, and writes docs/faults.md
    python -m bench.faults --points 10              fewer, printed only
    python -m bench.faults --seed 7 --scale 0.2     its own points, on a smaller tree

Ends with 0 if no file was wrong, no final name was ever incomplete, and every command ended as it should.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import random
import signal
import sys
import tempfile
from pathlib import Path

from bench.contenders import DIRECTIONS
from bench.faults.document import document
from bench.faults.outcomes import KINDS, Outcome, as_line
from bench.faults.points import TooLate, may_mount, opened_range
from bench.kept import PROJECT
from bench.machine import commit, machine

POINTS = 200
DOCUMENT = PROJECT / "docs" / "faults.md"
KEPT = PROJECT / "build" / "faults"


def main() -> int:
    """Try the points, and report."""
    wish = _arguments()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    seed = wish.seed if wish.seed is not None else random.randrange(10**6)
    print(f"faults: seed {seed}", flush=True)
    kinds = [kind for kind in KINDS if kind != "full" or may_mount()]
    missing = [] if "full" in kinds else ["full: only root can mount a small disk"]
    outcomes: list[Outcome] = []
    late = 0
    measured = commit()
    KEPT.mkdir(parents=True, exist_ok=True)
    with (
        opened_range(wish.folder, seed, wish.scale) as there,
        open(KEPT / "points.jsonl", "w", encoding="utf-8") as kept,
    ):
        turns = itertools.cycle(itertools.product(kinds, DIRECTIONS))
        for number, (kind, direction) in zip(range(wish.points), turns, strict=False):
            chance = random.Random(f"{seed} {number}")
            try:
                outcome = there.try_point(chance, kind, direction)
            except TooLate:
                late += 1
                continue
            outcomes.append(outcome)
            print(as_line(outcome), file=kept, flush=True)
            _tell(number, outcome)
        head = {
            "ended": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
            "commit": measured,
            "seed": str(seed),
            "tree": f"{there.summary()}, scale {wish.scale:g}",
            **dict(machine()),
        }
        text = document(outcomes, late, there.idle, head, missing)
    print(text)
    if wish.points >= POINTS and wish.scale >= 1:
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"faults: {DOCUMENT} written", file=sys.stderr)
    return 0 if all(outcome.good for outcome in outcomes) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--seed", type=int, help="of trees and points; drawn and printed where there is none")
    parser.add_argument("--scale", type=float, default=1.0, help="of the tree")
    parser.add_argument("--folder", type=Path, default=_folder(), help="where trees lie (tmpfs)")
    return parser.parse_args()


def _folder() -> Path:
    shared = Path("/dev/shm")
    return shared if shared.is_dir() else Path(tempfile.gettempdir())


def _tell(number: int, outcome: Outcome) -> None:
    what = "good" if outcome.good else f"WRONG {outcome.remarks} {outcome.incomplete[:3]} {outcome.wrong[:3]}"
    where = f"{outcome.kind}, {outcome.direction}, at {outcome.at:.2f}"
    print(f"faults: {number}: {where}: first {outcome.first}, missing {outcome.missing:,}: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
