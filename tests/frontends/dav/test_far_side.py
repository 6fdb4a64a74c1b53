"""Trees that are copied and removed on the other side."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.frontends.dav.far_side import copy_tree, remove_tree
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share.shares import Rights
from tests.remote.two_sides import Sides, TwoSides


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    for number in range(40):
        folder = made.far / "tree" / f"folder {number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number}").write_text(str(number))
    (made.far / "tree" / "folder 0" / "empty").mkdir()
    return made


def there(two: TwoSides, work: Callable[[RemoteFiles], Awaitable[None]]) -> None:
    async def main(sides: Sides) -> None:
        await work(sides.far)

    two.run(main)


def contents(folder: Path) -> dict[str, str | None]:
    return {str(path.relative_to(folder)): path.read_text() if path.is_file() else None for path in folder.rglob("*")}


def test_a_tree_is_copied_with_all_it_holds_or_alone(two: TwoSides) -> None:
    async def work(files: RemoteFiles) -> None:
        await copy_tree(files, "far/tree", "far/copy", below=True)
        await copy_tree(files, "far/tree", "far/alone", below=False)
        await copy_tree(files, "far/tree/folder 0/file 0", "far/file", below=True)

    there(two, work)
    assert contents(two.far / "copy") == contents(two.far / "tree")
    assert contents(two.far / "alone") == {}
    assert (two.far / "file").read_text() == "0"


def test_what_cannot_be_copied_is_left_out_unless_all_is_wanted(two: TwoSides) -> None:
    whole = contents(two.far / "tree")
    (two.far / "tree" / "link").symlink_to("folder 0")
    os.mkfifo(two.far / "tree" / "folder 1" / "pipe")

    async def work(files: RemoteFiles) -> None:
        await copy_tree(files, "far/tree", "far/copy", below=True)
        with pytest.raises(RemoteError, match="neither a file nor a folder"):
            await copy_tree(files, "far/tree", "far/another", below=True, whole=True)
        with pytest.raises(RemoteError):
            await copy_tree(files, "far/tree/link", "far/third", below=True)

    there(two, work)
    assert contents(two.far / "copy") == whole
    assert not (two.far / "another").exists()


def test_a_tree_is_removed_and_what_stays_is_said(two: TwoSides, tmp_path: Path) -> None:
    async def work(files: RemoteFiles) -> None:
        await remove_tree(files, "far/tree/folder 0")
        await remove_tree(files, "far/tree/folder 0")  # it is gone

    there(two, work)
    assert not (two.far / "tree" / "folder 0").exists()
    (tmp_path / "other").mkdir()
    shut = TwoSides(tmp_path / "other", Rights.READ_ONLY, far=two.far)

    async def refused(files: RemoteFiles) -> None:
        with pytest.raises(RemoteError, match=r"tree.*the share does not grant this \(and \d+ more\)"):
            await remove_tree(files, "far/tree")

    there(shut, refused)
    assert len(contents(two.far / "tree")) > 10
