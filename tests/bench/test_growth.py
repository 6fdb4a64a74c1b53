"""Growth is measured in both directions, also where the source has to lie on a disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.copying import Wish

from bench import growth


@pytest.fixture(name="folder")
def _folder() -> Iterator[Path]:
    # Unix sockets have names of at most 107 bytes; pytest's folders are too deep.
    with tempfile.TemporaryDirectory(prefix="gm-", dir="/tmp") as folder:
        yield Path(folder)


def test_each_amount_is_copied_both_ways(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "COUNTS", (30, 60))
    monkeypatch.setattr(growth, "SIZES", (0.001, 0.002))
    asked: list[int] = []

    def available_disk(size: int) -> Path:
        asked.append(size)
        return tmp_path

    # As if memory held none of them twice.
    monkeypatch.setattr(growth, "_disk", available_disk)
    monkeypatch.setattr(growth, "_SPARE", 1 << 50)
    report = growth.measure(Wish(1, folder))
    (table,) = report.tables
    assert len(table.rows) == 8
    assert [row[:2] for row in table.rows[:3]] == [
        ["download", "30 files of 4 KiB"],
        ["download", "60 files of 4 KiB"],
        ["upload", "30 files of 4 KiB"],
    ]
    assert {row[2] for row in table.rows} == {"disk"}
    assert len(asked) == 4
    assert len(report.points) == 8
    assert all(point.memory > 10 for point in report.points)
    assert len(report.goals) == 8
    assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
