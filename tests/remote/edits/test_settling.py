"""A person ends a conflict."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.remote.edits.conflict_list import Conflict
from gimmal.remote.edits.settling import keep_both, keep_mine, keep_theirs
from tests.remote.edits.rig import conflicts_of, edited_tree
from tests.remote.two_sides import Sides, TwoSides


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "report.odt").write_bytes(b"base")
    return made


async def make_conflict(two: TwoSides, sides: Sides) -> Conflict:
    async with edited_tree(sides, two.base) as tree:
        file = await tree.open("far/report.odt", write=True)
        assert await file.read(0, 10) == b"base"
        await file.write(0, b"mine")
        (two.far / "new").write_bytes(b"theirs")
        os.replace(two.far / "new", two.far / "report.odt")
        await file.close()
    (conflict,) = conflicts_of(two.base).read()
    return conflict


def contents(two: TwoSides) -> list[bytes]:
    return sorted(path.read_bytes() for path in two.far.iterdir() if path.is_file())


def test_mine_takes_the_place_and_theirs_is_in_the_trash(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        conflict = await make_conflict(two, sides)
        assert await keep_mine(sides.far, conflicts_of(two.base), sides.workers, conflict)
        assert (two.far / "report.odt").read_bytes() == b"mine"
        assert contents(two) == [b"mine"]
        assert conflicts_of(two.base).read() == []
        trashed = [entry.path async for page in sides.far.trash_entries("far") for entry in page]
        assert trashed == ["report.odt"]

    two.run(work)


def test_theirs_stays_and_mine_is_in_the_trash(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        conflict = await make_conflict(two, sides)
        assert await keep_theirs(sides.far, conflicts_of(two.base), sides.workers, conflict)
        assert contents(two) == [b"theirs"]
        assert conflicts_of(two.base).read() == []

    two.run(work)


def test_both_stay(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        conflict = await make_conflict(two, sides)
        await keep_both(conflicts_of(two.base), sides.workers, conflict)
        assert contents(two) == [b"mine", b"theirs"]
        assert conflicts_of(two.base).read() == []

    two.run(work)


def test_what_nobody_has_seen_is_not_replaced(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        conflict = await make_conflict(two, sides)
        (two.far / "report.odt").write_bytes(b"theirs, once more")
        with pytest.raises(RemoteError, match="changed"):
            await keep_mine(sides.far, conflicts_of(two.base), sides.workers, conflict)
        assert contents(two) == [b"mine", b"theirs, once more"]
        assert conflicts_of(two.base).read() == [conflict]

    two.run(work)


def test_the_only_version_is_not_given_up(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        conflict = await make_conflict(two, sides)
        (two.far / "report.odt").unlink()
        with pytest.raises(RemoteError):
            await keep_theirs(sides.far, conflicts_of(two.base), sides.workers, conflict)
        assert contents(two) == [b"mine"]
        await keep_mine(sides.far, conflicts_of(two.base), sides.workers, conflict)
        assert (two.far / "report.odt").read_bytes() == b"mine"
        with pytest.raises(RemoteError):
            await keep_mine(sides.far, conflicts_of(two.base), sides.workers, conflict)

    two.run(work)
