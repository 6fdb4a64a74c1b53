"""The ledger in one SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

from gimmal.base.errors import LocalError
from gimmal.base.persistence import local_errors
from gimmal.base.side import Side
from gimmal.relay.ledger import Admission, PairKeys, Usage

_FORMAT = 1
_SCHEMA = """
CREATE TABLE pairs (
  pair_id BLOB PRIMARY KEY, lock BLOB NOT NULL, sign_a BLOB NOT NULL, sign_b BLOB NOT NULL,
  first_seen INTEGER NOT NULL, seen_a INTEGER NOT NULL DEFAULT 0, seen_b INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX pairs_by_lock ON pairs (lock);
CREATE TABLE disabled (pair_id BLOB PRIMARY KEY, code TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE usage (
  pair_id BLOB NOT NULL, day TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (pair_id, day)
) STRICT, WITHOUT ROWID;
"""
_SEEN = {
    Side.A: "UPDATE pairs SET seen_a = max(seen_a, ?) WHERE pair_id = ?",
    Side.B: "UPDATE pairs SET seen_b = max(seen_b, ?) WHERE pair_id = ?",
}


class SqliteLedger:
    """A ledger of one relay.

    Args:
        path: the file, made if absent.
        pairs_max: a new pair beyond is not admitted.

    Raises:
        LocalError: it cannot be opened or is of a newer format.
    """

    def __init__(self, path: Path, pairs_max: int) -> None:
        self._pairs_max = pairs_max
        with local_errors("make the relay's ledger", path):
            # SQLite would make it readable for all that the umask lets in.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        with _local_errors():
            # isolation_level None: transactions are written out below, none begins by itself.
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            # A new pair is remembered without a sync: a stranger can make pairs at will, and a lost one comes back.
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute("PRAGMA busy_timeout=5000")
            self._make_tables()
            self._pairs: int = self._database.execute("SELECT count(*) FROM pairs").fetchone()[0]

    def admit(self, keys: PairKeys, second: int) -> Admission:
        """See ``Ledger.admit``."""
        with _local_errors():
            row = self._database.execute(
                "SELECT seen_a, seen_b FROM pairs WHERE pair_id = ?", (keys.pair_id,)
            ).fetchone()
            disabled = self.is_disabled(keys.pair_id)
            if row is not None:
                return Admission(True, disabled, {Side.A: row[0], Side.B: row[1]})
            if self._pairs >= self._pairs_max or disabled:
                return Admission(False, disabled, {})
            self._database.execute(
                "INSERT INTO pairs (pair_id, lock, sign_a, sign_b, first_seen) VALUES (?, ?, ?, ?, ?)",
                (keys.pair_id, keys.lock, keys.sign_a, keys.sign_b, second),
            )
            self._pairs += 1
        return Admission(True, False, {})

    def is_disabled(self, pair_id: bytes) -> bool:
        """See ``Ledger.is_disabled``."""
        with _local_errors():
            query = "SELECT 1 FROM disabled WHERE pair_id = ?"
            return self._database.execute(query, (pair_id,)).fetchone() is not None

    def add_bytes(self, amounts: Mapping[tuple[bytes, date], int]) -> None:
        """See ``Ledger.add_bytes``."""
        rows = [(pair_id, day.isoformat(), count) for (pair_id, day), count in amounts.items()]
        statement = (
            "INSERT INTO usage (pair_id, day, bytes) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes"
        )
        with _local_errors(), self._transaction():
            self._database.executemany(statement, rows)

    def saw(self, sightings: Iterable[tuple[bytes, Side, int]]) -> None:
        """See ``Ledger.saw``."""
        with _local_errors(), self._transaction():
            for pair_id, side, second in sightings:
                self._database.execute(_SEEN[side], (second, pair_id))

    def usage(self, pair_id: bytes | None = None) -> list[Usage]:
        """See ``Ledger.usage``."""
        query = "SELECT pair_id, day, bytes FROM usage WHERE ?1 IS NULL OR pair_id = ?1 ORDER BY day, pair_id"
        with _local_errors():
            rows = self._database.execute(query, (pair_id,)).fetchall()
        return [Usage(row[0], date.fromisoformat(row[1]), row[2]) for row in rows]

    def close(self) -> None:
        """See ``Ledger.close``."""
        with _local_errors():
            self._database.close()

    def _make_tables(self) -> None:
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version > _FORMAT:
            raise LocalError(f"the relay's ledger has format {version}, newer than this program", "update gimmal")
        if version == 0:
            self._database.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={_FORMAT};COMMIT;")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        # NORMAL would leave the last commits to the next checkpoint, and a power cut would take them.
        self._database.execute("PRAGMA synchronous=FULL")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        finally:
            # Also a commit can fail, and would leave the transaction open for ever.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._database.execute("PRAGMA synchronous=NORMAL")


@contextlib.contextmanager
def _local_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise LocalError(
            f"the relay's ledger cannot be used: {exc}", "look at the free space and the owner of the state folder"
        ) from exc
