"""The list of conflicts: sealed, in several places, written by several processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gimmal.base.errors import LocalError
from gimmal.protocol.messages import Version
from gimmal.remote.edits.conflict_list import Conflict, ConflictList, new_identifier

KEY = bytes(range(32))
VERSION = Version(7, 8, 9)


def conflict(path: str, moment: float = 1.0) -> Conflict:
    return Conflict(new_identifier(), path, path + " (conflict)", "anna", moment, VERSION, VERSION, True)


def test_what_is_noted_is_there_until_it_is_settled(tmp_path: Path) -> None:
    conflicts = ConflictList((tmp_path / "half", tmp_path / "here"), KEY)
    assert conflicts.read() == []
    late, early = conflict("far/b", 2.0), conflict("far/a", 1.0)
    conflicts.note(late)
    conflicts.note(early)
    assert ConflictList((tmp_path / "half", tmp_path / "here"), KEY).read() == [early, late]
    conflicts.settle(late.identifier)
    conflicts.settle("0" * 16)
    assert conflicts.read() == [early]
    conflicts.settle(early.identifier)
    assert conflicts.read() == []
    assert not list((tmp_path / "half").glob("*.list"))


def test_without_the_key_it_is_noise(tmp_path: Path) -> None:
    conflicts = ConflictList((tmp_path,), KEY)
    conflicts.note(conflict("far/secret name"))
    for path in tmp_path.iterdir():
        assert b"secret" not in path.read_bytes()
        assert "conflict" not in path.name
    assert ConflictList((tmp_path,), bytes(32)).read() == []
    assert "secret" not in repr(conflicts)


def test_where_the_half_takes_nothing_it_is_noted_here(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(b"no folder")
    conflicts = ConflictList((tmp_path / "half" / "edits", tmp_path / "here"), KEY)
    noted = conflict("far/a")
    conflicts.note(noted)
    assert ConflictList((tmp_path / "here",), KEY).read() == [noted]
    with pytest.raises(LocalError):
        ConflictList((tmp_path / "half" / "edits",), KEY).note(noted)


def test_two_that_note_at_a_time_lose_nothing(tmp_path: Path) -> None:
    def note(letter: str) -> None:
        conflicts = ConflictList((tmp_path,), KEY)
        for number in range(20):
            conflicts.note(conflict(f"far/{letter}{number}"))

    threads = [threading.Thread(target=note, args=(letter,)) for letter in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ConflictList((tmp_path,), KEY).read()) == 60
