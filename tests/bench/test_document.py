"""Each row is kept by itself, and the document names commit and time of each, and what was not measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.document import document
from bench.kept import Kept, keep, kept
from bench.report import Goal, Point, Report, Table
from bench.rows import ROWS

from bench import plot


def result(row: str, commit: str = "abc1234", memory: str = "24 GiB", seconds: float = 61.0) -> Kept:
    table = Table(f"Title of {row}", "A note.", ["way", "seconds"], [["gimmal", "1.00"]])
    goal = Goal(f"figure of {row}", "0.5 times", ">= 2", False)
    points = [Point("speed", row, "gimmal", 0, seconds), Point("speed", row, "scp", 0, 2.0)]
    report = Report([table], [goal], points)
    return Kept(row, commit, "2026-01-02 03:04", seconds, 0.5, [["memory", memory]], report)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    keep(result("large-loopback"), tmp_path)
    assert kept(["small-loopback", "large-loopback"], tmp_path) == [result("large-loopback")]


def test_a_row_measured_again_takes_the_place_of_the_earlier_one_only(tmp_path: Path) -> None:
    for row, commit in (("one", "aaa"), ("two", "aaa"), ("one", "bbb")):
        keep(result(row, commit), tmp_path)
    assert [(one.row, one.commit) for one in kept(["one", "two"], tmp_path)] == [("one", "bbb"), ("two", "aaa")]
    assert len(list(tmp_path.iterdir())) == 2


def test_rows_name_their_commit_and_missing_ones_are_named() -> None:
    text = document([result("one"), result("two", "def5678")], ["three"], [])
    assert "| one | abc1234 | 2026-01-02 03:04 | 1.0" in text.replace("  ", " ")
    assert "def5678" in text
    assert "- `three`" in text
    assert "0 of 2 are met" in text
    assert "| **no** |" in text
    assert "## Title of two" in text


def test_machines_that_differ_are_told_apart() -> None:
    same = document([result("one"), result("two")], [], [])
    differ = document([result("one"), result("two", memory="8 GiB")], [], [])
    assert "machine 2" not in same
    assert "machine 2" in differ


def test_a_plot_is_shown_only_where_there_is_one() -> None:
    assert "benchmarks-speed.png" in document([result("one")], [], ["speed"])
    assert "benchmarks-" not in document([result("one")], [], [])


def test_plots_are_drawn_alike_from_the_same_points(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="make bench installs it")
    points = [point for row in ROWS for point in result(row.name).report.points]
    points += [
        Point("growth", f"{unit}, download", "gimmal", at, at, 60) for unit in ("files", "GiB") for at in (1, 10)
    ]
    drawn = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        assert plot.draw(points, folder) == ["speed", "growth"]
        drawn.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert drawn[0] == drawn[1]
    assert sorted(drawn[0]) == [f"benchmarks-{name}.{kind}" for name in ("growth", "speed") for kind in ("png", "svg")]


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
