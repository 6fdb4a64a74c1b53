"""Removing one path, all of it that can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.remote.removing import remove, remove_one
from tests.remote.two_sides import Sides, TwoSides


def test_a_folder_goes_with_all_it_holds_where_that_is_wanted(tmp_path: Path) -> None:
    two = TwoSides(tmp_path)
    (two.far / "folder" / "deep").mkdir(parents=True)
    for number in range(1500):
        (two.far / "folder" / "deep" / str(number)).touch()
    (two.far / "file").touch()

    async def work(sides: Sides) -> None:
        with pytest.raises(RemoteError) as refused:
            await remove_one(sides.far, "far/folder", recursive=False)
        assert refused.value.code == "is_a_directory"
        assert (two.far / "folder" / "deep" / "1499").exists()
        await remove_one(sides.far, "far/folder", recursive=True)
        await remove_one(sides.far, "far/file", recursive=False)

    two.run(work)
    assert list(two.far.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "code"), [("far/missing", "not_found"), ("far", "not_granted"), ("none", "not_found")]
)
def test_what_cannot_be_removed_is_raised(tmp_path: Path, path: str, code: str) -> None:
    two = TwoSides(tmp_path)
    (two.far / "kept").touch()

    async def work(sides: Sides) -> None:
        with pytest.raises(RemoteError) as refused:
            await remove_one(sides.far, path, recursive=True)
        assert refused.value.code == code
        removed, failures = await remove(sides.far, [path], recursive=True, missing_ok=False)
        assert (removed, len(failures)) == (0, 1)

    two.run(work)
    assert (two.far / "kept").exists()
