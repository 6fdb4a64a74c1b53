"""How many files have edits that are not at home."""

from __future__ import annotations

from pathlib import Path

from gimmal.agent.safe import Unplugging
from gimmal.agent.unsent import Unsent, unsent_edits
from gimmal.remote.edits.journal import JournalFile, folders
from gimmal.remote.edits.operations import Gone, Save

KEY = bytes(range(32))


def save(path: str, number: int = 1) -> Save:
    return Save(number, path, None, 0, 0, 3, 0, None)


def test_files_are_counted_by_where_their_edits_lie(tmp_path: Path) -> None:
    half, state = tmp_path / "GIMMAL", tmp_path / "state"
    half.mkdir()
    state.mkdir()
    assert unsent_edits(half, state, KEY) == Unsent(0, 0)
    on_half, here = folders(half, state, KEY)
    journal = JournalFile.begin(on_half, KEY)
    for number, path in enumerate(("share/a", "share/a", "share/b"), 1):
        journal.add_save(save(path, number), [(0, b"abc")], [])
    other = JournalFile.begin(here, KEY)
    other.add_save(save("share/c"), [(0, b"abc")], [])
    # Also while their process has them, and after it let go of them.
    assert unsent_edits(half, state, KEY) == Unsent(2, 1)
    journal.note_home(Gone(3, "share/b", None))
    journal.close()
    other.close()
    found = unsent_edits(half, state, KEY)
    assert found == Unsent(1, 1)
    assert found.files == 2
    assert unsent_edits(half, state, bytes(32)) == Unsent(0, 0, (journal.path,)), "sealed by a key that is not here"


def test_why_the_other_side_does_not_take_something_is_told_until_it_does(tmp_path: Path) -> None:
    half, state = tmp_path / "GIMMAL", tmp_path / "state"
    half.mkdir()
    journal = JournalFile.begin(folders(half, state, KEY)[0], KEY)
    journal.add_save(save("share/a"), [(0, b"abc")], [])
    for reason in ("its disk is full", "its disk reported an error"):
        journal.note_not_done(1, reason)
        size = journal.path.stat().st_size
        journal.note_not_done(1, reason)
        assert journal.path.stat().st_size == size, "told once"
        assert unsent_edits(half, state, KEY) == Unsent(1, 0, not_done=(reason,))
    journal.note_not_done(1, "x" * 100_000)
    assert len(unsent_edits(half, state, KEY).not_done[0]) == 8192
    journal.note_home(Gone(1, "share/a", None))
    assert unsent_edits(half, state, KEY) == Unsent(0, 0)
    journal.close()


def test_journals_that_cannot_be_read_are_told_until_a_person_removes_them(tmp_path: Path) -> None:
    half, state = tmp_path / "GIMMAL", tmp_path / "state"
    half.mkdir()
    state.mkdir()
    on_half, here = folders(half, state, KEY)
    lost = []
    for place in (on_half, here):
        journal = JournalFile.begin(place, KEY)
        journal.add_save(save("share/a"), [(0, b"abc")], [])
        path = journal.path
        journal.close()
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        lost.append(path)
    found = unsent_edits(half, state, KEY)
    assert found == Unsent(0, 0, tuple(lost))
    assert not Unplugging([], 0, found).safe
    for path in lost:
        assert JournalFile.claim(path, KEY) is None
    found = unsent_edits(half, state, KEY)
    assert (found.files, len(found.unreadable)) == (0, 2)
    for path in found.unreadable:
        assert path.suffix == ".damaged"
        path.unlink()
    assert unsent_edits(half, state, KEY) == Unsent(0, 0)
    assert Unplugging([], 0, Unsent(1, 0)).safe
