"""A journal of edits: whole up to the last complete operation, wherever it is cut, and of one owner."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gimmal.base.errors import LocalError
from gimmal.base.sealed_journal import SealedJournal
from gimmal.protocol.messages import Version
from gimmal.remote.edits import journal as module
from gimmal.remote.edits.journal import JournalFile, choose_folder, folders, left_over, waiting_operations
from gimmal.remote.edits.operations import DATA_BYTES, Data, Gone, MakeFolder, Old, Remove, Save, SetTimes
from gimmal.remote.edits.unreadable import unreadable_journals

KEY = bytes(range(32))
VERSION = Version(1, 2, 3)


def save(number: int, path: str = "far/a", size: int = 100_000) -> Save:
    return Save(number, path, VERSION, 0, 5, size, 7, None)


def claimed(path: Path, key: bytes = KEY) -> JournalFile:
    journal = JournalFile.claim(path, key)
    assert journal is not None
    return journal


def filled(folder: Path) -> Path:
    """A folder made, a save of several records, a removal."""
    journal = JournalFile.begin(folder, KEY, "anna")
    journal.add(MakeFolder(1, "far/new", None))
    journal.add_save(save(2), [(0, b"x" * 50), (100, b"y" * 20)], [(60, b"old")])
    journal.add(Remove(3, "far/b", VERSION, 0))
    path = journal.path
    journal.close()
    return path


def test_what_was_noted_is_there_for_the_next_owner(tmp_path: Path) -> None:
    path = filled(tmp_path / "edits")
    journal = claimed(path)
    assert list(journal.pending) == [1, 2, 3]
    assert journal.next_number == 4
    assert journal.computer == "anna"
    assert list(journal.bytes_of(2)) == [Data(0, b"x" * 50), Data(100, b"y" * 20), Old(60, b"old")]
    assert list(journal.bytes_of(2)) == list(journal.bytes_of(2))
    journal.note_home(Gone(1, "far/new", None))
    journal.close()
    again = claimed(path)
    assert list(again.pending) == [2, 3]
    assert again.results == {1: Gone(1, "far/new", None)}
    again.note_home(Gone(2, "far/a", None))
    again.note_home(Gone(3, "far/b", None))
    again.close()
    assert JournalFile.claim(path, KEY) is None
    assert not path.exists(), "nothing of it is left to do"
    assert JournalFile.claim(path, KEY) is None


def test_bytes_of_large_saves_are_in_pieces_and_saves_follow_each_other(tmp_path: Path) -> None:
    journal = JournalFile.begin(tmp_path / "edits", KEY, "anna")
    content = os.urandom(3 * DATA_BYTES + 17)
    for number in range(1, 6):
        journal.add_save(save(number, f"far/{number}"), [(number, content)], [])
    for number in (1, 2, 3, 5, 4, 1):
        pieces = list(journal.bytes_of(number))
        assert b"".join(piece.content for piece in pieces) == content
        assert pieces[0].offset == number
    journal.remove()
    assert os.listdir(tmp_path / "edits") == []


def test_it_is_of_one_owner(tmp_path: Path) -> None:
    journal = JournalFile.begin(tmp_path / "edits", KEY, "anna")
    journal.add(Remove(1, "far/b", VERSION, 0))
    assert JournalFile.claim(journal.path, KEY) is None
    assert [operation.number for operation in waiting_operations([tmp_path / "edits"], KEY)] == [1]
    journal.close()
    claimed(journal.path).close()


def test_one_that_is_just_made_is_not_taken_from_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between making the file and locking it another process looks: for now, for good, or to remove it."""
    folder = tmp_path / "edits"
    take = module._take
    seen: list[Path] = []

    def claim(path: Path, _lock: int) -> None:
        assert JournalFile.claim(path, KEY) is None
        assert path.exists()

    def remove(path: Path, _lock: int) -> None:
        path.unlink()

    def hold(path: Path, _lock: int) -> None:
        held.append(os.open(path, os.O_RDONLY))
        assert take(held[-1])

    held: list[int] = []
    for look in (claim, remove, hold):

        def first(lock: int, look: Callable[[Path, int], None] = look) -> bool:
            monkeypatch.setattr(module, "_take", take)
            [path] = left_over([folder])
            seen.append(path)
            look(path, lock)
            return take(lock)

        monkeypatch.setattr(module, "_take", first)
        journal = JournalFile.begin(folder, KEY, "anna")
        assert left_over([folder]) == [journal.path]
        journal.add(Remove(1, "far/b", VERSION, 0))
        assert JournalFile.claim(journal.path, KEY) is None
        journal.remove()
    assert len(seen) == 3
    os.close(held[0])


def test_an_empty_one_goes_when_nobody_can_be_making_it(tmp_path: Path) -> None:
    path = tmp_path / ("0" * 32)
    path.touch(mode=0o600)
    assert JournalFile.claim(path, KEY) is None
    assert path.exists()
    os.utime(path, (1, 1))
    assert JournalFile.claim(path, KEY) is None
    assert not path.exists()


def test_cut_anywhere_it_holds_exactly_the_operations_that_were_complete(tmp_path: Path) -> None:
    path = filled(tmp_path / "edits")
    whole = path.read_bytes()
    found: list[list[int]] = []
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        journal = JournalFile.claim(path, KEY)
        found.append([] if journal is None else list(journal.pending))
        if journal is not None:
            if 2 in journal.pending:
                assert [piece.offset for piece in journal.bytes_of(2)] == [0, 100, 60]
            journal.close()
        path.write_bytes(whole[:size])
        # What is noted after the cut counts, and what was cut off does not come back.
        if journal is not None:
            more = claimed(path)
            more.add(Remove(more.next_number, "far/c", VERSION, 0))
            more.close()
            again = claimed(path)
            assert list(again.pending)[:-1] == found[-1]
            again.close()
    assert [key for key, last in zip(found, [None, *found], strict=False) if key != last] == [
        [],
        [1],
        [1, 2],
        [1, 2, 3],
    ]


def test_one_byte_that_is_another_ends_it_there(tmp_path: Path) -> None:
    path = filled(tmp_path / "edits")
    whole = bytearray(path.read_bytes())
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        journal = JournalFile.claim(path, KEY)
        pending = [] if journal is None else list(journal.pending)
        assert pending in ([], [1], [1, 2])
        if journal is not None:
            journal.close()


def test_of_a_damaged_one_nothing_is_thrown_away(tmp_path: Path) -> None:
    folder = tmp_path / "edits"
    path = filled(folder)
    whole = path.read_bytes()
    begun = len(whole) - sum(len(data) for data in _records(path)[1:])
    for place in range(begun, len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x40
        path.write_bytes(damaged)
        assert unreadable_journals([folder], KEY) == [path], place
        journal = JournalFile.claim(path, KEY)
        if journal is not None:
            for number in list(journal.pending):
                journal.note_home(Gone(number, "far/a", None))
            journal.remove()
        [copy] = folder.iterdir()
        assert copy.read_bytes() == damaged, place
        assert unreadable_journals([folder], KEY) == [copy]
        copy.unlink()


def _records(path: Path) -> list[bytes]:
    """As they lie on the disk: 32 bytes around each."""
    journal = SealedJournal.open_to_read(path, module._seal_key(KEY), path.name.encode())
    with journal:
        return [bytes(32) + data for data in journal.records()]


def test_a_record_that_a_crash_cut_short_is_no_damage(tmp_path: Path) -> None:
    folder = tmp_path / "edits"
    path = filled(folder)
    whole = path.read_bytes()
    first = len(_records(path)[0])
    for size in (*range(first, first + 90), *range(len(whole) - 90, len(whole) + 1)):
        path.write_bytes(whole[:size])
        assert unreadable_journals([folder], KEY) == [], size
        journal = JournalFile.claim(path, KEY)
        if journal is not None:
            journal.remove()
        assert list(folder.iterdir()) == [], size


def test_bytes_that_are_damaged_meanwhile_are_no_save(tmp_path: Path) -> None:
    journal = JournalFile.begin(tmp_path / "edits", KEY, "anna")
    journal.add_save(save(1), [(0, b"x" * 1000), (2000, b"y" * 1000)], [])
    data = bytearray(journal.path.read_bytes())
    data[-500] ^= 1
    journal.path.write_bytes(data)
    with pytest.raises(LocalError, match="cannot be read"):
        list(journal.bytes_of(1))
    journal.close()


def test_a_save_that_did_not_fit_was_never_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalFile.begin(tmp_path / "edits", KEY, "anna")
    journal.add(MakeFolder(1, "far/new", None))
    with monkeypatch.context() as patch:
        patch.setattr(module, "RESERVE", 1 << 60)
        with pytest.raises(LocalError, match="no room"):
            journal.add_save(save(2), [(0, b"abc")], [])
        with pytest.raises(LocalError, match="no room"):
            journal.add(Remove(journal.next_number, "far/b", VERSION, 0))
    number = journal.next_number
    journal.add_save(save(number), [(0, b"def")], [])
    assert list(journal.pending) == [1, number]
    journal.close()
    again = claimed(journal.path)
    assert list(again.pending) == [1, number]
    assert [piece.content for piece in again.bytes_of(number)] == [b"def"]
    again.close()


def test_one_that_did_not_fit_leaves_no_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalFile.begin(tmp_path / "edits", KEY, "anna")
    size = journal.path.stat().st_size
    monkeypatch.setattr("gimmal.base.sealed_journal.JOURNAL_BYTES_MAX", 300_000)
    for _ in range(2):
        with pytest.raises(LocalError):
            journal.add_save(save(journal.next_number), [(0, bytes(400_000))], [])
        assert journal.path.stat().st_size == size
        assert journal.refuses
    journal.add_save(save(journal.next_number), [(0, bytes(200_000))], [])
    assert not journal.refuses
    journal.remove()


def test_it_goes_on_elsewhere_with_all_that_is_pending(tmp_path: Path) -> None:
    journal = JournalFile.begin(tmp_path / "half", KEY, "anna")
    content = os.urandom(3 * DATA_BYTES)
    for number in (1, 2, 4):
        journal.add_save(save(number, f"far/{number}"), [(number, content)], [(0, b"old")])
    journal.add(MakeFolder(5, "far/new", None))
    journal.note_home(Gone(2, "far/2", None))
    before = list(journal.bytes_of(1))
    reading = journal.bytes_of(4)
    first = next(reading)
    journal.move_to(tmp_path / "computer")
    assert os.listdir(tmp_path / "half") == []
    assert os.listdir(tmp_path / "computer") == [journal.path.name]
    assert [first, *reading] == list(journal.bytes_of(4)), "who reads reads on"
    assert list(journal.bytes_of(1)) == before
    assert JournalFile.claim(journal.path, KEY) is None
    journal.add(Remove(6, "far/b", VERSION, 0))
    journal.close()
    again = claimed(journal.path)
    assert list(again.pending) == [1, 4, 5, 6]
    assert again.results == {2: Gone(2, "far/2", None)}
    assert (again.next_number, again.computer) == (7, "anna")
    assert list(again.bytes_of(1)) == before
    assert again.path.stat().st_size < 2.2 * len(content), "what is at home was left behind"
    again.close()


def test_what_is_pending_takes_along_what_it_builds_on(tmp_path: Path) -> None:
    journal = JournalFile.begin(tmp_path / "half", KEY, "anna")
    journal.add_save(save(1), [(0, b"first")], [(10, b"old")])
    journal.add(SetTimes(2, "far/a", 9, None, 1))
    journal.add_save(save(3, "far/b"), [(0, bytes(1000))], [])
    journal.add_save(Save(4, "far/a", None, 2, 5, 10, 7, None), [(5, b"later")], [])
    for number in (1, 2, 3):
        journal.note_home(Gone(number, "far/a", None))
    journal.move_to(tmp_path / "computer")
    assert list(journal.bytes_of(1)) == [Data(0, b"first"), Old(10, b"old")]
    assert list(journal.bytes_of(4)) == [Data(5, b"later")]
    with pytest.raises(LocalError):
        list(journal.bytes_of(3))
    journal.close()
    assert list(claimed(journal.path).pending) == [4]


def test_it_stays_where_not_all_of_it_can_be_taken_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = JournalFile.begin(tmp_path / "half", KEY, "anna")
    journal.add_save(save(1), [(0, bytes(1000))], [])
    journal.add(MakeFolder(2, "far/new", None))
    path, whole = journal.path, journal.path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(module, "RESERVE", 1 << 60)
        with pytest.raises(LocalError):
            journal.move_to(tmp_path / "computer")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(LocalError):
        journal.move_to(tmp_path / "computer")
    assert os.listdir(tmp_path / "computer") == []
    assert journal.path == path
    path.write_bytes(whole)
    assert list(journal.pending) == [1, 2]
    journal.close()
    assert len(claimed(path).pending) == 2


def test_another_half_finds_nothing_and_removes_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path / "edits")
    assert JournalFile.claim(path, bytes(32)) is None
    assert path.exists()
    assert waiting_operations([tmp_path / "edits"], bytes(32)) == []
    assert len(claimed(path).pending) == 3


def test_names_and_contents_tell_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path / "edits")
    assert b"far" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert folders(None, tmp_path, KEY) != folders(None, tmp_path, bytes(32))


def test_it_begins_on_the_half_where_that_has_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = tmp_path / "GIMMAL"
    half.mkdir()
    places = folders(half, tmp_path / "state", KEY)
    assert choose_folder(places) == half / "edits"
    assert choose_folder(places[1:]) == places[1]
    with monkeypatch.context() as patch:
        patch.setattr(module, "BEGIN_ROOM", 1 << 60)
        assert choose_folder(places) == places[1]
    assert choose_folder(folders(tmp_path / "gone", tmp_path / "state", KEY)).parent.parent == tmp_path / "state"


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "edits"
    first, second = filled(folder), filled(folder)
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    (folder / "notes.txt").write_text("mine")
    os.symlink(first, folder / ("0" * 32))
    (folder / ("1" * 32)).mkdir()
    assert [path for path in left_over([folder, tmp_path / "missing"]) if path in (first, second)] == [first, second]
    for path in left_over([folder]):
        if path not in (first, second):
            with contextlib.suppress(LocalError):
                assert JournalFile.claim(path, KEY) is None
    assert len(waiting_operations([folder], KEY)) == 6
    assert (folder / "notes.txt").exists()
