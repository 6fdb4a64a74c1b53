"""What a chain of saves in a journal makes of a version, and which of its bytes are missing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gimmal.protocol.messages import Version
from gimmal.remote.edits.journal import JournalFile
from gimmal.remote.edits.operations import Move, Save, SetTimes
from gimmal.remote.edits.saved_version import SavedVersion

KEY = bytes(range(32))
BASE = Version(7, 100, 1)
OLD = bytes(range(100, 200))
ANY = 1 << 62


def made(version: SavedVersion, size: int) -> bytes:
    content = bytearray(size)
    for offset, data in version.ranges():
        content[offset : offset + len(data)] = data
        assert len(content) == size, "nothing lies behind the end"
    return bytes(content)


def test_a_chain_that_begins_with_a_name_has_the_old_bytes_of_its_first_save(tmp_path: Path) -> None:
    journal = JournalFile.begin(tmp_path / "edits", KEY)
    journal.add(Move(1, "a", "b", BASE, 0, False, None, 0))
    journal.add(SetTimes(2, "b", 1, None, 1))
    save = Save(3, "b", None, 2, ANY, 120, 1, None)
    journal.add_save(save, [(110, b"x")], [(0, OLD[:90])])
    version = SavedVersion(journal, save)
    assert version.kept == 100
    assert not version.is_whole()
    whole = Save(4, "b", None, 3, ANY, 120, 1, None)
    journal.add_save(whole, [(85, b"y" * 15)], [])
    assert SavedVersion(journal, whole).is_whole()
    assert made(SavedVersion(journal, whole), 120) == OLD[:85] + b"y" * 15 + bytes(10) + b"x" + bytes(9)
    journal.close()


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_writing_and_cutting_would_have_made(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    journal = JournalFile.begin(tmp_path / "edits", KEY)
    model = bytearray(OLD)
    for number in range(1, 7):
        kept = 100 if number == 1 else ANY
        if rng.random() < 0.4:
            kept = rng.randrange(len(model) + 1)
            del model[kept:]
        at, data = rng.randrange(120), rng.randbytes(rng.randrange(1, 30))
        if len(model) < at + len(data):
            model += bytes(at + len(data) - len(model))
        model[at : at + len(data)] = data
        base = BASE if number == 1 else None
        save = Save(number, "a", base, number - 1, kept, len(model), 1, None)
        journal.add_save(save, [(at, data)], [(0, OLD[:kept])] if number == 1 else [])
        if rng.random() < 0.3:
            journal.close()
            claimed = JournalFile.claim(journal.path, KEY)
            assert claimed is not None
            journal = claimed
        version = SavedVersion(journal, save)
        assert version.is_whole()
        assert made(version, save.size) == bytes(model)
    journal.close()
