"""While the line is down: what is saved is in the journal, is seen here at once, and goes home in order."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gimmal.base.errors import BadName, LocalError, RemoteError, UnreachableError
from gimmal.protocol.messages import Kind
from gimmal.remote.edits.journal import JournalFile, left_over, waiting_operations
from gimmal.remote.edits.operations import Gone, Record, encode_record
from tests.remote.edits.rig import KEY, CutFiles, conflicts_of, edited_tree, places_of, until
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

CONTENT = content_of(300_000)


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "report.odt").write_bytes(CONTENT)
    return made


def waiting(two: TwoSides) -> int:
    return len(waiting_operations(list(places_of(two.base)), KEY))


def test_a_save_while_the_line_is_down_goes_home_when_it_is_back(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            await file.write(0, b"first")
            line.is_cut = True
            await file.sync()
            assert waiting(two) == 1
            assert (two.far / "report.odt").read_bytes() == CONTENT
            await file.write(5, b" second")
            await file.close()
            assert waiting(two) == 2
            expected = b"first second" + CONTENT[12:]
            reader = await tree.open("far/report.odt")
            assert await reader.read(0, len(CONTENT)) == expected
            assert (await tree.find("far/report.odt")).attributes.size == len(CONTENT)
            await reader.close()
            line.is_cut = False
            await until(lambda: left_over(list(places_of(two.base))) == [])
            assert tree.waiting == []
            assert (two.far / "report.odt").read_bytes() == expected
            reader = await tree.open("far/report.odt")
            before = sides.wire_bytes
            assert await reader.read(0, len(CONTENT)) == expected
            assert sides.wire_bytes - before < 500, "what was known is not fetched again"
            await reader.close()
            assert not conflicts_of(two.base).read()

    two.run(work)


def test_saving_by_rename_works_while_the_line_is_down(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            await (await tree.open("far/report.odt")).close()
            line.is_cut = True
            await tree.make_directory("far/new")
            temporary = await tree.open("far/.tmp", write=True, create=True, exclusive=True)
            await temporary.write(0, b"saved by rename")
            await temporary.close()
            with pytest.raises(RemoteError, match="already there"):
                await tree.open("far/.tmp", write=True, create=True, exclusive=True)
            number = (await tree.find("far/.tmp")).number
            assert tree.view.path_of(number) == "far/.tmp"
            await tree.rename("far/report.odt", "far/report.odt~")
            await tree.rename("far/.tmp", "far/report.odt")
            await tree.remove("far/report.odt~")
            with pytest.raises(RemoteError) as missing:
                await tree.find("far/.tmp")
            assert missing.value.code == "not_found"
            names = {name.name: name.kind for name in (await tree.listing("far")).names}
            assert names == {"report.odt": Kind.FILE, "new": Kind.DIRECTORY}
            assert (await tree.listing("far/new")).names == []
            assert tree.view.path_of(number) == "far/report.odt"
            reader = await tree.open("far/report.odt")
            assert await reader.read(0, 100) == b"saved by rename"
            assert sorted(os.listdir(two.far)) == ["report.odt"]
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert (two.far / "report.odt").read_bytes() == b"saved by rename"
            assert sorted(os.listdir(two.far)) == ["new", "report.odt"]
            assert await reader.read(0, 100) == b"saved by rename"
            await reader.close()
            assert {name.name for name in (await tree.listing("far")).names} == {"report.odt", "new"}
            assert (await tree.find("far/report.odt")).number == number

    two.run(work)


def test_a_moved_file_that_was_not_written_is_read_from_where_it_lies(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            reader = await tree.open("far/report.odt")
            assert await reader.read(0, len(CONTENT)) == CONTENT
            await reader.close()
            line.is_cut = True
            await tree.rename("far/report.odt", "far/other.odt")
            file = await tree.open("far/other.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            await file.write(0, b"new")
            await file.sync()
            line.is_cut = False
            await until(lambda: not tree.waiting)
            await file.write(3, b"er")
            await file.close()
            assert os.listdir(two.far) == ["other.odt"]
            assert (two.far / "other.odt").read_bytes() == b"newer" + CONTENT[5:]

    two.run(work)


def test_what_was_done_but_not_answered_is_not_done_twice(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/report.odt", write=True)
            await file.write(0, b"first")
            line.swallows = 1
            await file.sync()
            await until(lambda: not tree.waiting)
            await file.write(5, b" second")
            line.swallows = 1
            await file.close()
            await until(lambda: not tree.waiting)
            line.swallows = 1
            await tree.rename("far/report.odt", "far/other.odt")
            await until(lambda: not tree.waiting)
            line.swallows = 1
            created = await tree.open("far/new", write=True, create=True)
            await created.close()
            await until(lambda: not tree.waiting)
            assert sorted(os.listdir(two.far)) == ["new", "other.odt"]
            assert (two.far / "other.odt").read_bytes() == b"first second" + CONTENT[12:]
            assert not conflicts_of(two.base).read()

    two.run(work)


def test_what_the_other_side_changed_meanwhile_is_kept_beside(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            await file.write(0, b"mine")
            line.is_cut = True
            await file.sync()
            (two.far / "theirs").write_bytes(b"theirs")
            os.replace(two.far / "theirs", two.far / "report.odt")
            line.is_cut = False
            await until(lambda: not tree.waiting)
            (conflict,) = conflicts_of(two.base).read()
            assert conflict.path == "far/report.odt"
            assert conflict.whole
            assert file.path == conflict.mine
            ours = two.base / conflict.mine
            assert ours.read_bytes() == b"mine" + CONTENT[4:]
            await file.write(4, b"!")
            await file.close()
            assert ours.read_bytes() == b"mine!" + CONTENT[5:]
            assert (two.far / "report.odt").read_bytes() == b"theirs"

    two.run(work)


def test_a_folder_that_the_other_side_removed_comes_back_for_what_was_saved_in_it(two: TwoSides) -> None:
    (two.far / "folder").mkdir()
    (two.far / "folder" / "x").write_bytes(b"old")

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/folder/x", write=True)
            assert await file.read(0, 10) == b"old"
            await file.write(3, b" and new")
            line.is_cut = True
            await file.close()
            (two.far / "folder" / "x").unlink()
            (two.far / "folder").rmdir()
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert (two.far / "folder" / "x").read_bytes() == b"old and new"

    two.run(work)


def test_without_a_journal_or_for_folders_it_is_told_that_the_line_is_down(two: TwoSides) -> None:
    (two.far / "folder").mkdir()

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, None, line) as tree:
            file = await tree.open("far/report.odt", write=True)
            await file.write(0, b"first")
            line.is_cut = True
            with pytest.raises(UnreachableError):
                await file.sync()
            line.is_cut = False
            await file.close()
            assert (two.far / "report.odt").read_bytes() == b"first" + CONTENT[5:]
        async with edited_tree(sides, two.base, line) as tree:
            await tree.find("far/folder")
            line.is_cut = True
            with pytest.raises(UnreachableError):
                await tree.rename("far/folder", "far/other")

    two.run(work)


def test_what_is_too_large_to_be_held_is_told_not_lost_in_silence(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gimmal.remote.edits.saving.HELD_MAX", 1 << 20)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/large", write=True, create=True)
            for at in range(0, 3 << 20, 131_072):
                await file.write(at, b"x" * 131_072)
            line.is_cut = True
            with pytest.raises(UnreachableError):
                await file.sync()
            line.is_cut = False
            await file.close()
            assert (two.far / "large").read_bytes() == b"x" * (3 << 20)
            other = await tree.open("far/offline", write=True, create=True)
            line.is_cut = True
            with pytest.raises((UnreachableError, LocalError, RemoteError)):
                for at in range(0, 5 << 20, 131_072):
                    await other.write(at, b"y" * 131_072)
            assert tree.held <= 3 << 20

    two.run(work)


def test_a_disk_here_that_is_full_is_told(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gimmal.remote.edits.journal.RESERVE", 1 << 60)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/report.odt", write=True)
            await file.write(0, b"first")
            line.is_cut = True
            with pytest.raises(LocalError):
                await file.sync()
            line.is_cut = False
            await asyncio.sleep(0)
            await file.sync()
            await file.close()
            assert (two.far / "report.odt").read_bytes() == b"first" + CONTENT[5:]

    two.run(work)


@pytest.mark.parametrize("how", ["no room", "a failed sync"])
def test_where_the_stick_takes_no_more_it_goes_on_here(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    half, here = places_of(two.base)
    broken: list[str] = []

    def fail(descriptor: int) -> None:
        if broken and os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(half)):
            raise OSError(errno.ENOSPC if how == "no room" else errno.EIO, "the stick refuses")

    def require_room(descriptor: int, _length: int) -> None:
        fail(descriptor)

    fdatasync = os.fdatasync

    def sync(descriptor: int) -> None:
        fail(descriptor)
        fdatasync(descriptor)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            line.is_cut = True
            await file.write(0, b"first")
            await file.sync()
            assert len(left_over([half])) == 1
            if how == "no room":
                monkeypatch.setattr("gimmal.remote.edits.journal._require_room", require_room)
            else:
                monkeypatch.setattr(os, "fdatasync", sync)
            broken.append(how)
            await file.write(5, b" second")
            await file.sync()
            await tree.rename("far/report.odt", "far/other.odt")
            assert left_over([half]) == []
            assert len(left_over([here])) == 1
            await file.close()
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert (two.far / "other.odt").read_bytes() == b"first second" + CONTENT[12:]
            assert not conflicts_of(two.base).read()

    two.run(work)


def test_a_journal_that_is_full_is_told_and_stays(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    half, _here = places_of(two.base)
    monkeypatch.setattr("gimmal.base.sealed_journal.JOURNAL_BYTES_MAX", 100_000)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            line.is_cut = True
            file = await tree.open("far/new", write=True, create=True)
            await file.write(0, b"x" * 70_000)
            await file.sync()
            await file.write(0, b"y" * 70_000)
            with pytest.raises(LocalError):
                await file.sync()
            assert len(left_over([half])) == 1
            line.is_cut = False
            await until(lambda: not tree.waiting)
            await file.close()
            assert (two.far / "new").read_bytes() == b"y" * 70_000

    two.run(work)


def test_a_journal_that_is_full_of_what_is_at_home_begins_anew(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thing that the other side refuses keeps the journal: what came home behind it takes no room for ever."""
    monkeypatch.setattr("gimmal.base.sealed_journal.JOURNAL_BYTES_MAX", 100_000)
    monkeypatch.setattr("gimmal.remote.edits.keeping.REFUSED_SECONDS", 0.05)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            line.refuses = "far/refused"
            line.is_cut = True
            refused = await tree.open("far/refused", write=True, create=True)
            await refused.close()
            for number in range(6):
                line.is_cut = True
                file = await tree.open(f"far/{number}", write=True, create=True)
                await file.write(0, bytes(30_000))
                await file.close()
                line.is_cut = False
                await until(lambda: len(tree.waiting) == 1)
            assert [operation.path for operation in tree.waiting] == ["far/refused"]
            assert sorted(os.listdir(two.far)) == ["0", "1", "2", "3", "4", "5", "report.odt"]

    two.run(work)


def test_what_the_other_side_could_never_take_is_not_kept(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            line.is_cut = True
            for name in ("a\\b", "a\x07b", "x" * 5000, "x/" * 300 + "x", "x" * 256):
                with pytest.raises((BadName, RemoteError, UnreachableError)):
                    await (await tree.open(f"far/{name}", write=True, create=True)).close()
                with pytest.raises((BadName, RemoteError, UnreachableError)):
                    await tree.make_directory(f"far/{name}")
                with pytest.raises((BadName, RemoteError, UnreachableError)):
                    await tree.rename("far/report.odt", f"far/{name}")
            await tree.set_attributes("far/report.odt", mtime_ns=1 << 63)
            assert waiting(two) == len(tree.waiting) == 1
            await tree.make_directory("far/new")
            assert waiting(two) == 2
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert sorted(os.listdir(two.far)) == ["new", "report.odt"]
            await tree.set_attributes("far/new", mtime_ns=-(1 << 64))

    two.run(work)


def test_a_note_that_cannot_be_made_once_ends_nothing(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gimmal.remote.edits.keeping.AGAIN_SECONDS", 0.05)
    refused: list[Record] = []

    def encode(record: Record) -> bytes:
        if isinstance(record, Gone) and len(refused) < 2:
            refused.append(record)
            raise OSError(errno.EIO, "the stick refuses")
        return encode_record(record)

    monkeypatch.setattr("gimmal.remote.edits.journal.encode_record", encode)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            for round_ in (b"first", b"other"):
                file = await tree.open("far/report.odt", write=True)
                await file.read(0, len(CONTENT))
                line.is_cut = True
                await file.write(0, round_)
                await file.close()
                line.is_cut = False
                await until(lambda: not left_over(list(places_of(two.base))))
                assert tree.waiting == []
                assert (two.far / "report.odt").read_bytes() == round_ + CONTENT[5:]
            assert len(refused) == 2
            assert not conflicts_of(two.base).read()

    two.run(work)


def test_a_journal_that_cannot_be_removed_is_left_and_another_one_begun(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = JournalFile.remove

    def refuse(_journal: JournalFile) -> None:
        monkeypatch.setattr(JournalFile, "remove", remove)
        raise LocalError("the stick refuses")

    monkeypatch.setattr(JournalFile, "remove", refuse)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            for name in ("a", "b"):
                line.is_cut = True
                await tree.make_directory(f"far/{name}")
                line.is_cut = False
                await until(lambda: not tree.waiting)
            await until(lambda: len(left_over(list(places_of(two.base)))) == 1)
            assert sorted(os.listdir(two.far)) == ["a", "b", "report.odt"]
            [path] = left_over(list(places_of(two.base)))
            assert JournalFile.claim(path, KEY) is None
            assert left_over(list(places_of(two.base))) == []

    two.run(work)


def test_times_and_modes_wait_too(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.find("far/report.odt")
            line.is_cut = True
            await tree.set_attributes("far/report.odt", mode=0o600, mtime_ns=10**18)
            found = (await tree.find("far/report.odt")).attributes
            assert (found.mode & 0o777, found.mtime_ns) == (0o600, 10**18)
            file = await tree.open("far/report.odt", write=True)
            await file.write(0, b"after")
            await file.close()
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert (two.far / "report.odt").read_bytes() == b"after" + CONTENT[5:]
            assert (two.far / "report.odt").stat().st_mode & 0o777 == 0o600
            assert not conflicts_of(two.base).read()

    two.run(work)


def test_what_would_fail_at_home_fails_here_too(two: TwoSides) -> None:
    (two.far / "folder").mkdir()
    (two.far / "folder" / "x").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            for path in ("far", "far/folder"):
                await tree.listing(path)
            line.is_cut = True
            await tree.make_directory("far/new")
            for call, code in (
                (tree.make_directory("far/folder"), "exists"),
                (tree.rename("far/report.odt", "far/folder"), "is_a_directory"),
                (tree.rename("far/report.odt", "far/folder/x", replace=False), "exists"),
                (tree.rename("far/report.odt", "other/report.odt"), "cross_device"),
                (tree.remove_directory("far/folder"), "not_empty"),
                (tree.remove("far/missing"), "not_found"),
            ):
                with pytest.raises(RemoteError) as refused:
                    await call
                assert refused.value.code == code
            await tree.remove("far/folder/x")
            await tree.remove_directory("far/folder")
            await tree.remove_directory("far/new")
            await tree.truncate("far/report.odt", 10)
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert os.listdir(two.far) == ["report.odt"]
            assert (two.far / "report.odt").read_bytes() == CONTENT[:10]

    two.run(work)


def test_who_has_a_file_open_that_the_other_side_removed_can_save_it_anew(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/report.odt", write=True)
            line.is_cut = True
            await tree.rename("far/report.odt", "far/other.odt")
            (two.far / "report.odt").unlink()
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert os.listdir(two.far) == []
            await file.truncate(0)
            await file.write(0, b"anew")
            await file.close()
            assert (two.far / "other.odt").read_bytes() == b"anew"

    two.run(work)


def test_what_the_other_side_refuses_is_told_and_holds_up_nothing_else(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            file = await tree.open("far/report.odt", write=True)
            await file.write(0, b"mine")
            line.is_cut = True
            await file.sync()
            await tree.make_directory("far/new")
            # A folder under the name of the file, and a share in which nothing can be put beside it.
            line.refuses = "far/report"
            line.is_cut = False
            await until(lambda: len(tree.waiting) == 1)
            await until(lambda: bool(tree.refused))
            assert (two.far / "new").is_dir()
            (refused,) = tree.refused
            assert refused.operation.path == "far/report.odt"
            other = await tree.open("far/other", write=True, create=True)
            await other.write(0, b"goes on")
            await other.close()
            assert (two.far / "other").read_bytes() == b"goes on"
            await file.close()

    two.run(work)


@pytest.mark.parametrize("first", ["time", "mode", "name", "name and name"])
def test_what_home_changed_after_a_new_time_or_name_here_is_not_saved_over(two: TwoSides, first: str) -> None:
    theirs = b"T" * 250_000 + b"theirs"

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            line.is_cut = True
            if first == "time":
                await tree.set_attributes("far/report.odt", mtime_ns=10**18)
            elif first == "mode":
                await tree.set_attributes("far/report.odt", mode=0o600)
            else:
                await tree.rename("far/report.odt", "far/other.odt")
            if first == "name and name":
                await tree.rename("far/other.odt", "far/third.odt")
            await file.write(0, b"mine")
            await file.sync()
            (two.far / "report.odt").write_bytes(theirs)
            await file.close()
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert (two.far / "report.odt").read_bytes() == theirs
            (conflict,) = conflicts_of(two.base).read()
            assert (conflict.path, conflict.whole) == ("far/report.odt", True)
            assert (two.base / conflict.mine).read_bytes() == b"mine" + CONTENT[4:]
            assert len(os.listdir(two.far)) == 2

    two.run(work)


@pytest.mark.parametrize("first", ["time", "name"])
def test_what_home_changed_after_a_new_time_or_name_here_is_not_removed(two: TwoSides, first: str) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            line.is_cut = True
            if first == "time":
                await tree.set_attributes("far/report.odt", mtime_ns=10**18)
                await tree.remove("far/report.odt")
            else:
                await tree.rename("far/report.odt", "far/other.odt")
                await tree.remove("far/other.odt")
            (two.far / "report.odt").write_bytes(b"theirs")
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert os.listdir(two.far) == ["report.odt"]
            assert (two.far / "report.odt").read_bytes() == b"theirs"

    two.run(work)


def test_a_handle_goes_on_with_the_version_it_had_where_home_had_another_one_to_move(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            line.is_cut = True
            await tree.rename("far/report.odt", "far/other.odt")
            (two.far / "report.odt").write_bytes(b"theirs")
            line.is_cut = False
            await until(lambda: not tree.waiting)
            await file.write(0, b"mine")
            await file.close()
            assert (two.far / "report.odt").read_bytes() == b"theirs"
            (conflict,) = conflicts_of(two.base).read()
            assert (two.base / conflict.mine).read_bytes() == b"mine" + CONTENT[4:]

    two.run(work)


def test_a_file_that_home_made_under_a_name_that_was_free_stays_when_a_move_goes_home(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            await (await tree.open("far/report.odt")).close()
            line.is_cut = True
            await tree.rename("far/report.odt", "far/final.odt")
            (two.far / "final.odt").write_bytes(b"made at home meanwhile")
            line.is_cut = False
            await until(lambda: not tree.waiting)
            assert (two.far / "final.odt").read_bytes() == b"made at home meanwhile"
            (conflict,) = conflicts_of(two.base).read()
            assert conflict.path == "far/final.odt"
            assert (two.base / conflict.mine).read_bytes() == CONTENT
            assert not (two.far / "report.odt").exists()

    two.run(work)


def test_a_new_file_whose_answer_comes_too_late_is_no_conflict(two: TwoSides) -> None:
    now = [10**18]

    def clock() -> int:
        now[0] += 10**10  # ten seconds between any two looks at it
        return now[0]

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line, clock=clock) as tree:
            await tree.listing("far")
            line.swallows = 1
            file = await tree.open("far/new", write=True, create=True)
            await file.write(0, b"mine")
            await file.close()
            await until(lambda: not tree.waiting)
            assert sorted(os.listdir(two.far)) == ["new", "report.odt"]
            assert (two.far / "new").read_bytes() == b"mine"
            assert not conflicts_of(two.base).read()

    two.run(work)


def test_what_comes_after_a_save_that_the_other_side_does_not_take_is_not_done_before_it(two: TwoSides) -> None:
    (two.far / "bad").write_bytes(b"old")

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            file = await tree.open("far/bad", write=True)
            await file.write(0, b"mine")
            line.is_cut = True
            await file.close()
            line.refuses = "far/bad"
            line.is_cut = False
            await until(lambda: bool(tree.refused))
            await tree.rename("far/bad", "far/moved")
            await tree.remove("far/moved")
            await tree.make_directory("far/other")
            assert sorted(os.listdir(two.far)) == ["bad", "other", "report.odt"]
            assert {name.name for name in (await tree.listing("far")).names} == {"other", "report.odt"}
            line.refuses = ""
            tree._keeping._hurry.set()  # type: ignore[union-attr]
            await until(lambda: not tree.waiting)
            assert sorted(os.listdir(two.far)) == ["other", "report.odt"]
            assert not conflicts_of(two.base).read()

    two.run(work)
