"""What syncing a folder or file means for names, new files and attributes: the disk at home has them then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError, UnreachableError
from gimmal.remote.edits import not_durable
from gimmal.remote.edits.going_home import GoingHome
from gimmal.remote.edits.journal import JournalFile
from gimmal.remote.edits.operations import Gone, Save, SetTimes
from tests.remote.edits.rig import KEY, CutFiles, edited_tree, places_of, until
from tests.remote.edits.test_going_home import journal_of
from tests.remote.two_sides import Sides, TwoSides


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "old").write_bytes(b"old")
    (made.far / "a").mkdir()
    (made.far / "b").mkdir()
    return made


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Inodes of what was flushed, in order."""
    inodes: list[int] = []
    fsync = os.fsync

    def tracing(descriptor: int) -> None:
        fsync(descriptor)
        inodes.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", tracing)
    return inodes


def test_a_folder_that_is_synced_has_its_names_on_the_disk(two: TwoSides, flushed: list[int]) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            await tree.rename("far/old", "far/a/new")
            await tree.make_directory("far/b/c")
            assert not flushed
            for folder, path in (("far", two.far), ("far/a", two.far / "a"), ("far/b", two.far / "b")):
                await tree.sync_names(folder)
                assert flushed == [path.stat().st_ino]
                flushed.clear()
                await tree.sync_names(folder)
                assert not flushed, "nothing was changed there since"
            await tree.remove("far/a/new")
            await tree.rename("far/a", "far/renamed")
            await tree.sync_names("far/renamed")
            assert flushed == [(two.far / "renamed").stat().st_ino]

    two.run(work)


def test_a_new_file_that_is_synced_and_empty_is_on_the_disk(two: TwoSides, flushed: list[int]) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/new", write=True, create=True)
            assert not flushed
            await file.sync()
            assert flushed == [(two.far / "new").stat().st_ino, two.far.stat().st_ino]
            flushed.clear()
            await file.write(0, b"x")
            await file.sync()
            await tree.set_attributes("far/new", mode=0o600)
            flushed.clear()
            await file.sync()
            assert (two.far / "new").stat().st_ino in flushed
            await file.close()

    two.run(work)


def test_a_save_makes_the_name_durable_so_nothing_more_is_asked(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        files = CutFiles(sides.far.session)
        asked: list[str] = []
        files.on_ask = lambda request: asked.append(type(request).__name__)
        async with edited_tree(sides, files=files) as tree:
            file = await tree.open("far/new", write=True, create=True)
            await file.write(0, b"x")
            await file.sync()
            await tree.sync_names("far")
            assert "MakeDurable" not in asked
            await file.close()

    two.run(work)


def test_with_the_line_down_only_what_is_not_durable_cannot_be_synced(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        files = CutFiles(sides.far.session)
        async with edited_tree(sides, two.base, files=files, call_seconds=1.0) as tree:
            await tree.make_directory("far/a/made")
            files.is_cut = True
            await tree.make_directory("far/b/kept")
            await tree.sync_names("far/b")
            with pytest.raises(UnreachableError):
                await tree.sync_names("far/a")
            files.is_cut = False

    two.run(work)


def test_what_nobody_syncs_is_durable_after_a_while(
    two: TwoSides, flushed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_durable, "OLD_SECONDS", 0.05)

    async def work(sides: Sides) -> None:
        files = CutFiles(sides.far.session)
        async with edited_tree(sides, two.base, files=files, call_seconds=1.0) as tree:
            await tree.make_directory("far/a/made")
            await until(lambda: not tree._not_durable.marks("far/a/made"))
            assert (two.far / "a").stat().st_ino in flushed
            files.is_cut = True
            await tree.sync_names("far/a")
            files.is_cut = False

    two.run(work)


def test_too_many_to_be_noted_count_as_changed(
    two: TwoSides, flushed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_durable, "NOTED_MAX", 1)

    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            await tree.make_directory("far/a/made")
            await tree.make_directory("far/b/made")
            await tree.sync_names("far/b")
            assert flushed == [(two.far / "b").stat().st_ino]

    two.run(work)


def test_a_disk_that_fails_is_told(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_descriptor: int) -> None:
        raise OSError(5, "the disk failed")

    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            await tree.make_directory("far/a/made")
            with monkeypatch.context() as patched:
                patched.setattr(os, "fsync", failing)
                with pytest.raises(RemoteError):
                    await tree.sync_names("far/a")
            await tree.sync_names("far/a")

    two.run(work)


def test_what_the_journal_forgets_is_on_the_disk_at_home(
    two: TwoSides, flushed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (two.far / "old").write_bytes(b"0123456789" * 100)
    journal = journal_of(two)
    operations = dict(journal.pending)
    noted: list[int] = []
    note_home = JournalFile.note_home

    def noting(self: JournalFile, gone: Gone) -> None:
        place = two.base / gone.path
        if not isinstance(operations[gone.number], SetTimes):
            place = place.parent
        assert place.stat().st_ino in flushed, operations[gone.number]
        flushed.clear()
        noted.append(gone.number)
        note_home(self, gone)

    monkeypatch.setattr(JournalFile, "note_home", noting)

    async def work(sides: Sides) -> None:
        assert await GoingHome(sides.far, journal, sides.workers, "anna", None).run() == []

    two.run(work)
    assert noted == list(range(1, 11))


def test_folders_that_come_back_for_a_save_are_on_the_disk(two: TwoSides, flushed: list[int]) -> None:
    journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
    journal.add_save(Save(1, "far/gone/deep/x", None, 0, 0, 3, 10**18, None), [(0, b"abc")], [])

    async def work(sides: Sides) -> None:
        assert await GoingHome(sides.far, journal, sides.workers, "anna", None).run() == []
        assert (two.far / "gone" / "deep" / "x").read_bytes() == b"abc"
        assert {path.stat().st_ino for path in (two.far, two.far / "gone", two.far / "gone" / "deep")} <= set(flushed)

    two.run(work)
