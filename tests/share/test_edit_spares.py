"""The version before the last, taken for the next edit: what it saves, and that nobody can see it."""

from __future__ import annotations

import asyncio
import os
import random
import stat
import threading
import time
from pathlib import Path

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codec import decode_struct
from gimmal.protocol.messages import (
    CommitEdit,
    DiscardEdit,
    Done,
    EditOpened,
    Failed,
    Found,
    Notices,
    OpenEdit,
    QuickEdit,
    RemoveMany,
    Replace,
    Results,
    TruncateEdit,
    Version,
    Watch,
    Watched,
    WriteEdit,
)
from gimmal.share import edit_file, edit_placing, edit_spares
from gimmal.share.edit_spares import SPARES_MAX, is_nobodys
from gimmal.share.shares import ShareTable, parse_share
from tests.remote.two_sides import Sides, TwoSides
from tests.share.rig import MTIME, Rig

SIZE = 3 << 20


class Copied:
    """Counts the bytes that are copied for edits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        copy = edit_file.copy_bytes

        def counted(reading: int, writing: int, start: int, size: int) -> None:
            copy(reading, writing, start, size)
            self.bytes += max(0, size - start)

        monkeypatch.setattr(edit_file, "copy_bytes", counted)

    def since(self) -> int:
        count, self.bytes = self.bytes, 0
        return count


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> Copied:
    return Copied(monkeypatch)


@pytest.fixture
def file(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A file on a disk that shares no bytes between files."""
    monkeypatch.setattr(edit_file, "clone_file", lambda *_: False)
    (rig.rw / "file").write_bytes(bytes(SIZE))
    with open(rig.rw / "file", "r+b") as opened:
        if not is_nobodys(opened.fileno()):
            pytest.skip("this system does not tell whether a file is open")
    return rig


def version_of(path: Path) -> Version:
    state = path.stat()
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def save(rig: Rig, at: int, data: bytes, name: str = "file", mtime_ns: int | None = None) -> Version:
    """Write over a stretch of a file at once."""
    base = version_of(rig.rw / name)
    size = max(base.size, at + len(data))
    ranges = ((at, len(data)),)
    request = QuickEdit(
        f"rw/{name}", base, base.size, size, Replace.EXPECTED, ranges, data, blake3_digest(data), mtime_ns
    )
    answer = rig.session.answer(request)
    assert isinstance(answer, Found), answer
    found = answer.attributes
    assert version_of(rig.rw / name) == Version(found.identity, found.size, found.mtime_ns)
    return version_of(rig.rw / name)


def hidden(rig: Rig) -> list[str]:
    return [name for name in os.listdir(rig.rw) if name.startswith(".gimmal-part")]


def test_from_the_second_on_a_save_copies_what_the_one_before_changed(file: Rig, copied: Copied) -> None:
    model = bytearray(SIZE)
    for number in range(6):
        at, data = number * 300_000, b"%d" % number * 1000
        model[at : at + 1000] = data
        save(file, at, data)
        assert copied.since() == (1000 if number else SIZE)
        assert (file.rw / "file").read_bytes() == model


@pytest.mark.parametrize("seed", range(6))
def test_random_edits_do_what_they_do_to_bytes(
    file: Rig, copied: Copied, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(edit_spares, "SPARE_BYTES_MIN", 1)
    chance = random.Random(seed)
    model = bytearray(chance.randbytes(50_000))
    (file.rw / "file").write_bytes(model)
    ask = file.session.answer
    seen = {version_of(file.rw / "file")}
    edit, taken = 0, 0
    for number in range(150):
        act = chance.randrange(12)
        if act == 0:  # somebody else writes
            edit = 0
            model = bytearray(chance.randbytes(chance.randrange(60_000)))
            (file.rw / "file").write_bytes(model)
            continue
        if act < 4:
            edit = 0
            data = chance.randbytes(chance.choice([1, 100, 5000]))
            at = chance.randrange(len(model) + 1000)
            model.extend(bytes(max(0, at + len(data) - len(model))))
            model[at : at + len(data)] = data
            save(file, at, data, mtime_ns=chance.choice([None, MTIME + number]))
        else:
            if not edit:
                base = version_of(file.rw / "file")
                kept = chance.choice([base.size, base.size, chance.randrange(base.size + 1)])
                size = chance.choice([kept, kept + 500])
                opened = ask(OpenEdit("rw/file", base, kept, size, Replace.EXPECTED))
                assert isinstance(opened, EditOpened)
                edit = opened.edit
                model = model[:kept] + bytes(size - kept)
            for _ in range(chance.randrange(4)):
                data, at = chance.randbytes(chance.choice([1, 3000])), chance.randrange(len(model) + 100)
                if chance.randrange(3):
                    assert ask(WriteEdit(edit, ((at, len(data)),), data, blake3_digest(data))) == Done()
                    model.extend(bytes(max(0, at + len(data) - len(model))))
                    model[at : at + len(data)] = data
                else:
                    assert ask(TruncateEdit(edit, at)) == Done()
                    model = model[:at] + bytes(max(0, at - len(model)))
            keep_open = chance.random() < 0.7
            placed = ask(CommitEdit(edit, chance.choice([None, MTIME + number]), keep_open=keep_open))
            assert isinstance(placed, Found)
            edit = edit if keep_open else 0
        taken += len(hidden(file))
        assert (file.rw / "file").read_bytes() == model
        version = version_of(file.rw / "file")
        assert version not in seen
        seen.add(version)
    assert taken > 20


def test_who_reads_the_old_version_goes_on_reading_it(file: Rig, copied: Copied) -> None:
    with open(file.rw / "file", "rb") as reader:
        for number in range(3):
            save(file, 0, b"%d" % number * 100)
        assert reader.read() == bytes(SIZE)
    assert copied.since() == 2 * SIZE + 100, "the first was read and is no spare"


def test_another_name_of_the_old_version_keeps_it(file: Rig, copied: Copied) -> None:
    os.link(file.rw / "file", file.rw / "other")
    for number in range(3):
        save(file, 0, b"%d" % number * 100)
    assert (file.rw / "other").read_bytes() == bytes(SIZE)


def test_no_version_comes_twice_though_all_have_one_time_and_size(file: Rig) -> None:
    versions = [save(file, 0, b"%d" % (number % 10), mtime_ns=MTIME) for number in range(50)]
    assert len(set(versions)) == 50
    assert len({version.identity for version in versions}) <= 4, "else it was not tried"
    assert all(MTIME <= version.mtime_ns < MTIME + 100 for version in versions)


def test_what_is_kept_goes_after_a_while(file: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    save(file, 0, b"x")
    assert len(hidden(file)) == 1
    assert file.names("rw") == ["file"]
    assert file.session.drop_old_spares() is True
    later = time.monotonic() + edit_spares.SPARE_SECONDS + 1
    monkeypatch.setattr(edit_spares.time, "monotonic", lambda: later)
    assert file.session.drop_old_spares() is False
    assert os.listdir(file.rw) == ["file"]


def test_the_serving_loop_sees_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_spares, "SPARE_SECONDS", 0.0)
    monkeypatch.setattr("gimmal.share.serving.TIDY_SECONDS", 0.01)
    world = TwoSides(tmp_path)
    (world.far / "file").write_bytes(bytes(SIZE))

    async def work(sides: Sides) -> None:
        base = version_of(world.far / "file")
        request = QuickEdit("far/file", base, SIZE, SIZE, Replace.EXPECTED, (), b"", blake3_digest(b""))
        assert isinstance(await sides.far.ask(request), Found)
        while os.listdir(world.far) != ["file"]:
            await asyncio.sleep(0.01)

    world.run(work)


def test_few_are_kept_and_none_of_a_session_or_share_that_is_over(file: Rig) -> None:
    names = [f"file {number}" for number in range(SPARES_MAX + 2)]
    for name in names:
        (file.rw / name).write_bytes(bytes(SIZE))
        save(file, 0, b"x", name)
    assert len(hidden(file)) == SPARES_MAX
    file.again()
    assert hidden(file) == []
    save(file, 0, b"x")
    assert len(hidden(file)) == 1
    file.service.set_shares(ShareTable([parse_share(f"rw={file.base / 'rw'}:ro")]))
    assert hidden(file) == []


def test_small_files_and_what_goes_to_the_trash_leave_nothing(file: Rig) -> None:
    (file.rw / "small").write_bytes(b"small")
    save(file, 0, b"x", "small")
    base = version_of(file.rw / "file")
    keep = QuickEdit("rw/file", base, SIZE, SIZE, Replace.EXPECTED, (), b"", blake3_digest(b""), keep=True)
    assert isinstance(file.session.answer(keep), Found)
    assert hidden(file) == []


def test_an_old_version_is_written_to_only_once_the_new_one_has_its_name_for_good(
    file: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut the name may mean again what it meant before the last flush of its folder."""
    trace: list[str] = []
    fsync, keep, swap = os.fsync, edit_spares.EditSpares.keep, edit_placing.exchange

    def tracing_fsync(descriptor: int) -> None:
        trace.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def tracing_keep(self: edit_spares.EditSpares, spare: edit_spares.Spare) -> None:
        trace.append("keep")
        keep(self, spare)

    def tracing_exchange(name: bytes, final: bytes, folder: int, old: int) -> bool | None:
        trace.append("exchange")
        return swap(name, final, folder, old)

    monkeypatch.setattr(os, "fsync", tracing_fsync)
    monkeypatch.setattr(edit_spares.EditSpares, "keep", tracing_keep)
    monkeypatch.setattr(edit_placing, "exchange", tracing_exchange)
    save(file, 0, b"1")
    assert trace == ["fsync file", "exchange", "fsync folder", "keep"]


def test_one_that_is_not_durable_leaves_the_old_version_alone(file: Rig) -> None:
    base = version_of(file.rw / "file")
    request = QuickEdit("rw/file", base, SIZE, SIZE, Replace.EXPECTED, (), b"", blake3_digest(b""), durable=False)
    assert isinstance(file.session.answer(request), Found)
    assert hidden(file) == []


def test_each_save_is_told_to_who_watches(file: Rig) -> None:
    if not Path("/proc/sys/fs/inotify").exists():
        pytest.skip("the system tells of no changes")
    ask = file.session.answer
    assert file.session.open_notices(7, lambda: None) == Done()
    assert ask(Watch(7, ["rw"])) == Watched([1], 0)
    for number in range(3):
        version = save(file, number, b"x")
        assert isinstance(ask(Watch(7, [])), Watched)  # all that changed until now was seen
        told = []
        while (body := file.session.next_notices(7)) is not None:
            told += decode_struct(Notices, body).changes
        last = [change.attributes for change in told if change.name == "file"][-1]
        assert last is not None
        assert Version(last.identity, last.size, last.mtime_ns) == version
        assert {change.name for change in told} <= {"file", ""}


def test_what_was_copied_for_one_that_was_given_up_is_there_for_the_next(file: Rig, copied: Copied) -> None:
    base = version_of(file.rw / "file")
    request = OpenEdit("rw/file", base, SIZE, SIZE, Replace.EXPECTED)
    for tried in range(3):
        opened = file.session.answer(request)
        assert isinstance(opened, EditOpened)
        assert copied.since() == (0 if tried else SIZE)
        assert file.session.answer(DiscardEdit(opened.edit)) == Done()
        assert len(hidden(file)) == 1
    save(file, 5, b"x")
    assert copied.since() == 0
    assert (file.rw / "file").read_bytes() == bytes(5) + b"x" + bytes(SIZE - 6)
    opened = file.session.answer(OpenEdit("rw/file", version_of(file.rw / "file"), SIZE, SIZE, Replace.EXPECTED))
    assert isinstance(opened, EditOpened)
    assert file.session.answer(WriteEdit(opened.edit, ((0, 1),), b"y", blake3_digest(b"y"))) == Done()
    assert file.session.answer(DiscardEdit(opened.edit)) == Done()
    assert hidden(file) == [], "of what was written nothing stays"


def test_none_is_kept_of_a_file_that_was_written_anew(file: Rig) -> None:
    save(file, 0, bytes(SIZE)[: 960 * 1024])
    assert len(hidden(file)) == 1
    base = version_of(file.rw / "file")
    opened = file.session.answer(OpenEdit("rw/file", base, 0, SIZE, Replace.EXPECTED))
    assert isinstance(opened, EditOpened)
    assert isinstance(file.session.answer(CommitEdit(opened.edit)), Found)
    assert hidden(file) == []


def test_none_is_kept_where_room_is_short(file: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    room = os.statvfs(file.rw)
    monkeypatch.setattr(edit_spares, "SPARE_ROOM", room.f_bavail * room.f_frsize // SIZE + 1)
    save(file, 0, b"x")
    assert hidden(file) == []


def test_a_folder_can_be_removed_though_one_is_in_it(file: Rig) -> None:
    (file.rw / "folder").mkdir()
    (file.rw / "folder" / "file").write_bytes(bytes(SIZE))
    save(file, 0, b"x", "folder/file")
    answer = file.session.answer(RemoveMany(["rw/folder/file", "rw/folder"]))
    assert answer == Results([0, 0])
    assert os.listdir(file.rw) == ["file"]


def test_one_that_somebody_removed_is_not_taken(file: Rig, copied: Copied) -> None:
    save(file, 0, b"1")
    (file.rw / hidden(file)[0]).unlink()
    save(file, 1, b"2")
    assert copied.since() == 2 * SIZE
    assert (file.rw / "file").read_bytes() == b"12" + bytes(SIZE - 2)


def test_one_that_does_not_fit_is_copied_anew(file: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    save(file, 0, b"1")
    copy, failed = edit_file.copy_bytes, []

    def failing(reading: int, writing: int, start: int, size: int) -> None:
        if not failed:
            failed.append(size)
            raise OSError(5, "a disk that failed")
        copy(reading, writing, start, size)

    monkeypatch.setattr(edit_file, "copy_bytes", failing)
    save(file, 1, b"2")
    assert failed
    assert (file.rw / "file").read_bytes() == b"12" + bytes(SIZE - 2)


def test_who_replaces_the_file_in_the_last_instant_wins(file: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = edit_placing.exchange

    def late(name: bytes, final: bytes, folder: int, old: int) -> bool | None:
        (file.rw / "theirs").write_bytes(b"theirs")
        os.replace(file.rw / "theirs", file.rw / "file")
        return exchange(name, final, folder, old)

    base = version_of(file.rw / "file")
    monkeypatch.setattr(edit_placing, "exchange", late)
    request = QuickEdit("rw/file", base, SIZE, SIZE, Replace.EXPECTED, ((0, 1),), b"x", blake3_digest(b"x"))
    assert isinstance(file.session.answer(request), Failed)
    assert (file.rw / "file").read_bytes() == b"theirs"
    assert hidden(file) == []


def test_saves_side_by_side_lose_nothing(file: Rig) -> None:
    """Of two that name the same base one is done and one refused, whoever had the spare."""
    done: list[int] = []

    def saving(mark: int) -> None:
        count = 0
        while count < 20:
            base = version_of(file.rw / "file")
            with open(file.rw / "file", "rb") as opened:
                before = int(opened.read(8) or b"0")
            data = b"%08d" % (before + 1)
            request = QuickEdit("rw/file", base, SIZE, SIZE, Replace.EXPECTED, ((0, 8),), data, blake3_digest(data))
            if isinstance(file.session.answer(request), Found):
                count += 1
                done.append(mark)

    (file.rw / "file").write_bytes(b"00000000" + bytes(SIZE - 8))
    threads = [threading.Thread(target=saving, args=(mark,)) for mark in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(done) == 40
    with open(file.rw / "file", "rb") as opened:
        assert int(opened.read(8)) == 40
