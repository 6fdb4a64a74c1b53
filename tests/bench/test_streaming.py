"""The streaming row measures what its table says, on this machine's loopback."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from bench.copying import Wish

from bench import streaming


def test_jumps_and_reads_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_PLACES", streaming._PLACES[:1])
    monkeypatch.setattr(streaming, "JUMPS", 1)
    # Unix sockets have names of at most 107 bytes; pytest's folders are too deep.
    with tempfile.TemporaryDirectory(prefix="gm-", dir="/tmp") as folder:
        report = streaming.measure(Wish(1, Path(folder), percent=1))
        assert list(Path(folder).iterdir()) == []
    (table,) = report.tables
    assert "was not measured" not in table.note
    assert [row[1] for row in table.rows] == [
        "first byte after a jump, the line idle before",
        "first byte after a jump, the line full before",
        "4 KiB here and there",
        "read in order",
    ]
    assert report.goals == []
