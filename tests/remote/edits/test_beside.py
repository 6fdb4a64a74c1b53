"""Both sides change one file: both versions are there afterwards, under names that say whose they are."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from gimmal.remote.edits.conflict_list import Conflict
from tests.remote.edits.rig import conflicts_of, edited_tree
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

CONTENT = content_of(3 << 20)


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "report.odt").write_bytes(CONTENT)
    return made


def change_there(two: TwoSides, content: bytes = b"theirs") -> None:
    (two.far / "new").write_bytes(content)
    os.replace(two.far / "new", two.far / "report.odt")


def beside(two: TwoSides) -> list[Path]:
    return sorted(path for path in two.far.iterdir() if "(conflict anna 2" in path.name)


def conflicts(two: TwoSides) -> list[Conflict]:
    return conflicts_of(two.base).read()


def test_a_save_over_another_version_is_put_beside_it_and_noted(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            await file.write(10, b"mine")
            change_there(two)
            await file.sync()
            (ours,) = beside(two)
            assert ours.name.startswith("report (conflict anna 2")
            assert ours.suffix == ".odt"
            assert ours.read_bytes() == CONTENT[:10] + b"mine" + CONTENT[14:]
            assert (two.far / "report.odt").read_bytes() == b"theirs"
            assert file.path == f"far/{ours.name}"
            await file.write(0, b"more")
            await file.close()
            assert ours.read_bytes() == b"more" + CONTENT[4:10] + b"mine" + CONTENT[14:]
            assert beside(two) == [ours]
            (conflict,) = conflicts(two)
            assert (conflict.path, conflict.mine) == ("far/report.odt", f"far/{ours.name}")
            assert (conflict.computer, conflict.whole, conflict.theirs.size) == ("anna", True, 6)

    two.run(work)


def test_what_was_sent_ahead_is_whole_also_where_the_other_side_replaced_its_base(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            file = await tree.open("far/report.odt", write=True)
            await file.write(10, b"x" * (2 << 20))
            await tree.send_ahead()
            change_there(two)
            await file.close()
            (ours,) = beside(two)
            assert ours.read_bytes() == CONTENT[:10] + b"x" * (2 << 20) + CONTENT[10 + (2 << 20) :]
            assert conflicts(two)[0].whole

    two.run(work)


def test_bytes_that_nobody_has_any_more_are_the_other_sides_and_that_is_noted(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            file = await tree.open("far/report.odt", write=True)
            await file.write(1 << 20, b"mine")
            change_there(two, b"t" * (2 << 20))
            await file.close()
            (ours,) = beside(two)
            got = ours.read_bytes()
            assert got[1 << 20 : (1 << 20) + 4] == b"mine"
            assert got[:1000] == b"t" * 1000
            assert len(got) == len(CONTENT)
            assert not conflicts(two)[0].whole

    two.run(work)


def test_an_editor_that_saves_in_place_again_and_again_makes_one_file_beside(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            reader = await tree.open("far/report.odt")
            await reader.close()
            change_there(two)
            for text in (b"first", b"second", b"third"):
                file = await tree.open("far/report.odt", write=True, create=True, truncate=True)
                await file.write(0, text)
                await file.close()
            (ours,) = beside(two)
            assert ours.read_bytes() == b"third"
            assert (two.far / "report.odt").read_bytes() == b"theirs"
            assert len(conflicts(two)) == 1
            # Who has read the other side's version replaces it knowingly.
            await (await tree.open("far/report.odt")).close()
            file = await tree.open("far/report.odt", write=True, truncate=True)
            await file.write(0, b"both")
            await file.close()
            assert (two.far / "report.odt").read_bytes() == b"both"

    two.run(work)


def test_an_editor_that_saves_by_rename_again_and_again_makes_one_file_beside(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            await (await tree.open("far/report.odt")).close()
            change_there(two)
            for text in (b"first", b"second"):
                file = await tree.open("far/.tmp", write=True, create=True)
                await file.write(0, text)
                await file.close()
                await tree.rename("far/.tmp", "far/report.odt")
            (ours,) = beside(two)
            assert ours.read_bytes() == b"second"
            assert (two.far / "report.odt").read_bytes() == b"theirs"
            assert len(conflicts(two)) == 1

    two.run(work)


def test_a_file_that_the_other_side_removed_comes_back_under_its_name(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            await file.write(0, b"mine")
            (two.far / "report.odt").unlink()
            await file.close()
            assert (two.far / "report.odt").read_bytes() == b"mine" + CONTENT[4:]
            assert not beside(two)
            assert not conflicts(two)

    two.run(work)


def test_two_handles_of_one_process_are_no_conflict(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            one = await tree.open("far/report.odt", write=True)
            other = await tree.open("far/report.odt", write=True)
            await one.write(0, b"one")
            await one.sync()
            await other.write(3, b"other")
            await other.close()
            await one.close()
            assert (two.far / "report.odt").read_bytes() == b"oneother" + CONTENT[8:]
            assert not beside(two)

    two.run(work)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_folder_that_the_other_side_removed_comes_back_for_what_is_saved_in_it(two: TwoSides, ahead: bool) -> None:
    folder = two.far / "folder" / "inner"
    folder.mkdir(parents=True)
    (folder / "x").write_bytes(b"old")

    async def work(sides: Sides) -> None:
        async with edited_tree(sides, two.base) as tree:
            file = await tree.open("far/folder/inner/x", write=True)
            assert await file.read(0, 10) == b"old"
            await file.write(3, b" and new")
            if ahead:
                await tree.send_ahead()
            shutil.rmtree(two.far / "folder")
            await file.sync()
            assert (folder / "x").read_bytes() == b"old and new"
            assert [name.name for name in (await tree.listing("far/folder/inner")).names] == ["x"]
            await file.write(11, b"er")
            await file.close()
            assert (folder / "x").read_bytes() == b"old and newer"
            assert not conflicts(two)

    two.run(work)
