"""A small trial of a row: gimmal is really run, and who fails is named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench.copying import Wish, measure
from bench.material import Made
from bench.rows import ROWS


@pytest.fixture(name="folder")
def _folder() -> Iterator[Path]:
    # Unix sockets have names of at most 107 bytes; pytest's folders are too deep.
    with tempfile.TemporaryDirectory(prefix="gm-", dir="/tmp") as folder:
        yield Path(folder)


def test_a_trial_measures_each_way_in_each_direction(folder: Path) -> None:
    row = next(row for row in ROWS if row.name == "small-loopback")
    report = measure(row, Wish(2, folder, percent=0.3, kinds=("gimmal", "gimmal-relay")))
    assert [table.title.rpartition(", ")[2] for table in report.tables] == ["download", "upload"]
    for table in report.tables:
        ways = {cells[0]: cells for cells in table.rows}
        assert set(ways) == {"gimmal direct", "gimmal through the relay"}
        assert {cells[2] for cells in ways.values()} <= {"1", "2"}
        assert "Trial with 0.3 % of the work" in table.note
    assert report.goals == [], "a trial is held against no goal"
    assert {point.series for point in report.points} == {"gimmal", "gimmal-relay"}
    assert list(folder.iterdir()) == [], "something was left behind"


def test_a_way_that_fails_is_named_and_has_no_figure(folder: Path) -> None:
    row = next(row for row in ROWS if row.name == "small-loopback")

    def make(place: Path, _part: float) -> Made:
        (place / "tree").mkdir(parents=True)
        (place / "tree" / "file").write_bytes(b"x" * 100)
        return Made(place / "tree" / "file", 1, 100)

    # Another file of that name is there, and gimmal replaces nothing by itself.
    def before(_source: Path, into: Path) -> None:
        (into / "file").write_bytes(b"y" * 100)

    wrong = replace(row, make=make, before=before, stays=False, directions=("download",))
    report = measure(wrong, Wish(1, folder, percent=1, kinds=("gimmal",)))
    (table,) = report.tables
    assert table.rows == []
    assert "gimmal direct failed" in table.note
