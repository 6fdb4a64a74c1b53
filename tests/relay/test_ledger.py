"""The ledger in its SQLite file."""

from __future__ import annotations

import os
import sqlite3
import stat
from datetime import date
from pathlib import Path

import pytest

from gimmal.base.errors import LocalError
from gimmal.base.side import Side
from gimmal.relay.ledger import PairKeys, Usage
from gimmal.relay.ledger_sqlite import SqliteLedger

KEYS = PairKeys(b"p" * 16, b"l" * 32, b"a" * 32, b"b" * 32)
DAY = date(2026, 3, 1)


def test_pair_is_admitted_once_and_remembered(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger", 10)
    first = ledger.admit(KEYS, 100)
    assert first.admitted and not first.disabled and first.last_seen == {}
    ledger.saw([(KEYS.pair_id, Side.A, 120), (KEYS.pair_id, Side.A, 110), (b"?" * 16, Side.B, 1)])
    ledger.close()
    ledger = SqliteLedger(tmp_path / "ledger", 10)
    assert ledger.admit(KEYS, 200).last_seen == {Side.A: 120, Side.B: 0}
    # The code alone finds the pair: the lock is indexed.
    plan = ledger._database.execute(
        "EXPLAIN QUERY PLAN SELECT pair_id FROM pairs WHERE lock = ?", (KEYS.lock,)
    ).fetchall()
    assert "pairs_by_lock" in str(plan)
    ledger.close()


def test_bytes_add_up_by_pair_and_day(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger", 10)
    other, later = b"q" * 16, date(2026, 3, 2)
    ledger.add_bytes({(KEYS.pair_id, DAY): 5, (other, DAY): 1 << 50})
    ledger.add_bytes({(KEYS.pair_id, DAY): 7, (KEYS.pair_id, later): 1})
    ledger.add_bytes({})
    assert ledger.usage(KEYS.pair_id) == [Usage(KEYS.pair_id, DAY, 12), Usage(KEYS.pair_id, later, 1)]
    assert len(ledger.usage()) == 3
    ledger.close()


def test_failed_write_changes_nothing(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger", 10)
    with pytest.raises(LocalError):
        ledger.add_bytes({(KEYS.pair_id, DAY): 5, (None, DAY): 1})
    assert ledger.usage() == []
    ledger.add_bytes({(KEYS.pair_id, DAY): 5})
    ledger.close()


def test_limit_of_pairs_holds_over_a_restart(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger", 1)
    assert ledger.admit(KEYS, 1).admitted
    ledger.close()
    ledger = SqliteLedger(tmp_path / "ledger", 1)
    assert not ledger.admit(PairKeys(b"q" * 16, b"l" * 32, b"a" * 32, b"b" * 32), 1).admitted
    assert ledger.admit(KEYS, 1).admitted
    ledger.close()


def test_disabled_pair_is_known_also_before_it_was_seen(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path / "ledger", 10)
    ledger._database.execute("INSERT INTO disabled VALUES (?, 'CODE', 1)", (KEYS.pair_id,))
    assert ledger.is_disabled(KEYS.pair_id) and not ledger.is_disabled(b"q" * 16)
    assert ledger.admit(KEYS, 1).disabled
    ledger.close()


def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ledger = SqliteLedger(tmp_path / "ledger", 10)
        ledger.admit(KEYS, 1)
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        ledger.close()
    finally:
        os.umask(before)
    assert modes == {0o600}


def test_newer_or_damaged_file_is_refused(tmp_path: Path) -> None:
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version=99")
    newer.close()
    (tmp_path / "damaged").write_bytes(b"no database" * 1000)
    for name in ("newer", "damaged"):
        with pytest.raises(LocalError):
            SqliteLedger(tmp_path / name, 10)
