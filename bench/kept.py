"""Results of rows, kept in build/bench, so that one row can be measured again without the others."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import Report

PROJECT = Path(__file__).resolve().parent.parent
RESULTS = PROJECT / "build" / "bench"


@dataclass(frozen=True)
class Kept:
    """What a row gave.

    Attributes:
        row: its name.
        commit, when: what was measured and when it ended, UTC.
        seconds: it took.
        load: of the machine when it began, over one minute.
        machine: what is known of it, in pairs.
    """

    row: str
    commit: str
    when: str
    seconds: float
    load: float
    machine: list[list[str]]
    report: Report


def keep(result: Kept, folder: Path = RESULTS) -> None:
    """Keep a row's result in place of its earlier one; a crash leaves the earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
    told["report"] = result.report.as_json()
    fresh = folder / f"{result.row}.json.new"
    fresh.write_text(json.dumps(told, indent=1), encoding="utf-8")
    os.replace(fresh, folder / f"{result.row}.json")


def kept(rows: Sequence[str], folder: Path = RESULTS) -> list[Kept]:
    """The kept results of some rows, in the rows' order; those that are not there are left out."""
    found = []
    for row in rows:
        try:
            told: dict[str, Any] = json.loads((folder / f"{row}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        found.append(Kept(**{**told, "report": Report.from_json(told["report"])}))
    return found
