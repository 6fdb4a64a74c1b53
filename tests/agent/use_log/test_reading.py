"""The log is read while an agent writes it and lets its oldest files go."""

from __future__ import annotations

from pathlib import Path

import pytest

from gimmal.agent.use_log import store as store_module
from gimmal.agent.use_log.reading import Unreadable, read_both_logs, read_use_log
from gimmal.agent.use_log.records import Served, encode_record
from gimmal.agent.use_log.store import UseLogFiles, UseLogStore

KEY = bytes(range(32))


def test_files_that_go_and_come_meanwhile_are_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FILE_BYTES", 1)
    monkeypatch.setattr(store_module, "FILES_MAX", 6)
    store = UseLogStore(UseLogFiles(tmp_path, KEY))
    store.append([encode_record(Served(number)) for number in range(6)])
    reading = read_use_log(tmp_path, KEY, written=True)
    found = [next(reading)]
    store.append([encode_record(Served(number)) for number in range(6, 9)])
    found += reading
    store.close()
    assert found == [Served(0), Served(3), Served(4), Served(5)]
    (inside,) = (tmp_path / "log").iterdir()
    assert len([path for path in inside.iterdir() if path.name != "lock"]) == 6  # nothing was made by reading


def test_an_agent_may_be_in_the_midst_of_a_record(tmp_path: Path) -> None:
    store = UseLogStore(UseLogFiles(tmp_path, KEY))
    store.append([encode_record(Served(1))])
    (inside,) = (tmp_path / "log").iterdir()
    with (inside / "00000001").open("ab") as file:
        file.write(b"beginning of a record")
    assert list(read_use_log(tmp_path, KEY, written=True)) == [Served(1)]
    assert list(read_use_log(tmp_path, KEY, written=False)) == [Served(1), Unreadable(0, True)]
    store.close()


def test_both_logs_side_by_side_each_in_its_own_order(tmp_path: Path) -> None:
    here, there = (UseLogStore(UseLogFiles(tmp_path, KEY, own=own)) for own in (False, True))
    here.append([encode_record(Served(at)) for at in (10, 30, 5, 40)])  # a clock was put back in between
    there.append([encode_record(Served(at)) for at in (20, 35)])
    for store in (here, there):
        store.close()
    both = [
        (record.at, own) for record, own in read_both_logs(tmp_path, KEY, written=False) if isinstance(record, Served)
    ]
    assert both == [(10, False), (20, True), (30, False), (5, False), (35, True), (40, False)]
