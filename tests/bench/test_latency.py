"""What is asked beside a copy is counted only while that copy runs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from bench.copying import Wish

from bench import latency


def test_questions_are_asked_alone_and_beside_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_PLACES", latency._PLACES[:1])
    monkeypatch.setattr(latency, "_IDLE_SECONDS", 1.0)
    # Unix sockets have names of at most 107 bytes; pytest's folders are too deep.
    with tempfile.TemporaryDirectory(prefix="gm-", dir="/tmp") as folder:
        report = latency.measure(Wish(1, Path(folder), percent=25))
        assert list(Path(folder).iterdir()) == []
    (table,) = report.tables
    kinds = [(row[1], row[2]) for row in table.rows]
    questions = ("stat", "listing", "64 KiB")
    assert kinds == [(beside, what) for beside in ("nothing", "a download", "an upload") for what in questions]
    for row in table.rows:
        median, most, longest, first = (float(cell) for cell in row[3:7])
        assert 0 < median <= most <= longest
        assert first <= longest
    assert len(report.goals) == 6
