"""A disk without links, holes and attributes still gets all files, and the report says what it lacks."""

from __future__ import annotations

import os
from pathlib import Path

from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.filters import Filters
from gimmal.remote.progress import Progress
from gimmal.remote.sync import SyncJob, sync_once
from tests.exfat import exfat
from tests.remote.two_sides import Sides, TwoSides


def test_what_the_disk_cannot_hold_is_counted_and_the_rest_is_whole(tmp_path: Path) -> None:
    with exfat(tmp_path) as mounted:
        sides = TwoSides(tmp_path, far=mounted / "far")
        tree = sides.near / "tree"
        (tree / "folder").mkdir(parents=True)
        for name, size in (("small", 1000), ("large", 700_000)):
            (tree / name).write_bytes(os.urandom(size))
            (tree / "folder" / name).hardlink_to(tree / name)
            os.setxattr(tree / name, "user.a", b"b")
        os.setxattr(tree / "folder", "user.a", b"b")
        (tree / "link").symlink_to("small")
        with (tree / "holes").open("wb") as file:
            file.truncate(9 << 20)
            file.seek(5 << 20)
            file.write(b"data")
        progress = sides.copy("near/tree", "far/tree")
        assert progress.failures == []
        assert (progress.files, progress.plain_links, progress.hard_links, progress.links) == (5, 2, 0, 0)
        assert progress.bare == 5, "two files, twice each, and a folder"
        assert [reason for _name, reason in progress.left_out] == ["symbolic link, and the target takes none"]
        for name in ("small", "large", "folder/small", "folder/large", "holes"):
            assert (sides.far / "tree" / name).read_bytes() == (tree / name).read_bytes(), name


def test_a_sync_counts_what_lacks_attributes_once(tmp_path: Path) -> None:
    with exfat(tmp_path) as mounted:
        sides = TwoSides(tmp_path, far=mounted / "far")
        for name, size in (("small", 1000), ("large", 700_000)):
            (sides.near / name).write_bytes(os.urandom(size))
            os.setxattr(sides.near / name, "user.a", b"b")
        progress = Progress()

        async def work(both: Sides) -> None:
            job = SyncJob("near", "far", CopyOptions(Existing.OVERWRITE), Filters([]), trash=False)
            await sync_once(both.near, both.far, job, progress)

        sides.run(work)
        assert (progress.files, progress.failures, progress.bare) == (2, [], 2)
