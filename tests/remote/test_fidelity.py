"""A tree copied there and back is the tree it was: links, holes, modes, times, extended attributes."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from gimmal.base.errors import Interrupted
from gimmal.remote.copy_tree import CopyOptions, Existing
from gimmal.remote.progress import Progress
from gimmal.share.shares import Rights
from tests.figures import figure
from tests.patience import within
from tests.remote.random_trees import build, data_bytes, seen, sparse_bytes
from tests.remote.two_sides import Sides, TwoSides, copy_between

PAGE = 4096
"""The block that holds a file's attributes may hide that one of its bytes is missing."""

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"


@pytest.fixture
def sides(tmp_path: Path) -> TwoSides:
    return TwoSides(tmp_path)


def clean(progress: Progress) -> Progress:
    assert not progress.failures
    assert not progress.left_out
    assert not progress.bare
    assert not progress.plain_links
    return progress


@pytest.mark.campaign
@pytest.mark.timeout(3600)
def test_random_trees_come_back_equal(tmp_path: Path) -> None:
    trees = 300 if FULL else 12
    different = denser = 0
    for seed in range(trees):
        base = tmp_path / str(seed)
        base.mkdir()
        sides = TwoSides(base)
        build(random.Random(seed), sides.near / "tree")
        source, holes = seen(sides.near / "tree"), sparse_bytes(sides.near / "tree")
        clean(sides.copy("near/tree", "far/tree"))
        clean(sides.copy("far/tree", "near/back"))
        # And on the far side by itself.
        clean(sides.copy("far/tree", "far/again"))
        for copy in (sides.far / "tree", sides.near / "back", sides.far / "again"):
            different += seen(copy) != source
            denser += any(size > holes[name] for name, size in sparse_bytes(copy).items())
        again = clean(sides.copy("near/tree", "far/tree"))
        assert (again.files, again.links, again.hard_links) == (0, 0, 0)
        assert seen(sides.far / "tree") == source
    figure(f"{trees} random trees copied up, down and beside: different", different, "0")
    figure(f"{trees} random trees copied up, down and beside: with fewer holes", denser, "0")
    assert (different, denser) == (0, 0)


def test_a_tiny_file_keeps_its_hole_also_where_attributes_take_as_much_room(sides: TwoSides) -> None:
    tree = sides.near / "tree"
    tree.mkdir()
    for name, size in (("one", 1), ("page", 5000), ("pages", 20_000)):
        with (tree / name).open("wb") as file:
            file.truncate(size)
        os.setxattr(tree / name, "user.long", b"x" * 900)
    clean(sides.copy("near/tree", "far/tree"))
    assert sparse_bytes(sides.far / "tree") == {"one": 0, "page": 0, "pages": 0}


# Holes ---------------------------------------------------------------------------------------------------------------

TIB = 1 << 40


def huge(place: Path) -> None:
    """1 TiB with 1 MiB of data in 256 places."""
    chance = random.Random(7)
    with place.open("wb") as file:
        file.truncate(TIB)
        for number in range(256):
            file.seek(number * (TIB // 256) + 8192)
            file.write(chance.randbytes(4096))


def same_data(one: Path, other: Path) -> bool:
    """Whether two sparse files are equal, looking only where the first has data and how much the other has."""
    first, second = os.open(one, os.O_RDONLY), os.open(other, os.O_RDONLY)
    try:
        if os.fstat(first).st_size != os.fstat(second).st_size or data_bytes(one) != data_bytes(other):
            return False
        at = 0
        while True:
            try:
                at = os.lseek(first, at, os.SEEK_DATA)
            except OSError:
                return True
            end = os.lseek(first, at, os.SEEK_HOLE)
            if os.pread(first, end - at, at) != os.pread(second, end - at, at):
                return False
            at = end
    finally:
        os.close(first)
        os.close(second)


def test_a_file_of_a_tebibyte_costs_what_it_holds(sides: TwoSides) -> None:
    huge(sides.near / "disk.img")
    progress = Progress()

    async def work(between: Sides) -> int:
        await copy_between(between, "near/disk.img", "far/disk.img", progress, CopyOptions())
        return between.wire_bytes

    begun = time.monotonic()
    wire = sides.run(work)
    seconds = time.monotonic() - begun
    clean(progress)
    figure("1 TiB with 1 MiB of data: MiB on the wire", round(wire / (1 << 20), 2), "<= 32")
    assert (progress.bytes, progress.hole_bytes > TIB - (2 << 30)) == (TIB, True)
    assert same_data(sides.near / "disk.img", sides.far / "disk.img")
    assert within(seconds, 20, "1 TiB with 1 MiB of data: seconds")
    assert wire <= 32 << 20


def test_a_file_that_is_all_hole_takes_no_room(sides: TwoSides) -> None:
    for name, size in (("small", 100_000), ("large", 50_000_001), ("empty", 0)):
        with (sides.near / name).open("wb") as file:
            file.truncate(size)
        clean(sides.copy(f"near/{name}", f"far/{name}"))
        assert (sides.far / name).stat().st_size == size
        assert data_bytes(sides.far / name) == 0


def test_a_sparse_file_is_gone_on_with_and_what_lay_in_its_holes_does_not_show(
    sides: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try stops half way; then another program scribbles into the part file."""
    chance = random.Random(1)
    with (sides.near / "file").open("wb") as file:
        file.truncate(100 << 20)
        for number in (1, 3, 4, 9, 20):
            file.seek(number * (4 << 20) + 100_000)
            file.write(chance.randbytes(1_000_000))
    progress = Progress()

    async def part_way(between: Sides) -> None:
        written = 0
        one_by_one = asyncio.Lock()
        write_block = between.far.write_block

        async def limited(*arguments: Any, **named: Any) -> bytes:
            nonlocal written
            async with one_by_one:
                if written == 2:
                    raise Interrupted("cut", "")
                written += 1
                return await write_block(*arguments, **named)

        monkeypatch.setattr(between.far, "write_block", limited)
        with pytest.raises(Interrupted):
            await copy_between(between, "near/file", "far/file", progress, CopyOptions())

    sides.run(part_way)
    (part,) = [path for path in sides.far.iterdir() if path.name.startswith(".gimmal-part-")]
    with part.open("r+b") as file:
        for place in (0, 30 << 20, (3 << 22) + 8192, 99 << 20):
            file.seek(place)
            file.write(b"scribble" * 10_000)
    progress = clean(sides.copy("near/file", "far/file"))
    assert progress.resumed_bytes >= 4 << 20
    assert (sides.far / "file").read_bytes() == (sides.near / "file").read_bytes()
    assert data_bytes(sides.far / "file") <= data_bytes(sides.near / "file")


# Links ---------------------------------------------------------------------------------------------------------------


def linked(folder: Path, count: int = 3, size: int = 1000) -> None:
    """``count`` files of three names each, in several folders."""
    for place in ("x", "y/z"):
        (folder / place).mkdir(parents=True)
    for number in range(count):
        (folder / f"x/{number}").write_bytes(bytes([number % 256]) * (size + number))
        (folder / f"y/z/{number}").hardlink_to(folder / f"x/{number}")
        (folder / f"{number}").hardlink_to(folder / f"x/{number}")


@pytest.mark.parametrize("size", [1000, 400_000])
def test_names_of_one_file_stay_names_of_one_file(sides: TwoSides, size: int) -> None:
    linked(sides.near / "tree", 1500 if size == 1000 else 5, size)
    progress = clean(sides.copy("near/tree", "far/tree"))
    files = 1500 if size == 1000 else 5
    assert (progress.files, progress.hard_links, progress.bytes < files * (size + files)) == (
        3 * files,
        2 * files,
        True,
    )
    assert seen(sides.far / "tree") == seen(sides.near / "tree")


def test_a_name_that_came_later_joins_the_file_that_is_there(sides: TwoSides) -> None:
    """As after an interruption before the hard links were made."""
    linked(sides.near / "tree")
    clean(sides.copy("near/tree", "far/tree"))
    for place in ("y/z/0", "x/1"):
        (sides.far / "tree" / place).unlink()
    progress = clean(sides.copy("near/tree", "far/tree"))
    assert (progress.hard_links, progress.skipped) == (2, 7)
    assert seen(sides.far / "tree") == seen(sides.near / "tree")


def test_files_of_their_own_become_names_of_one_only_where_things_are_replaced(sides: TwoSides) -> None:
    linked(sides.near / "tree", 1)
    clean(sides.copy("near/tree", "far/tree"))
    apart = sides.far / "tree" / "y/z/0"
    state = apart.stat()
    apart.unlink()
    apart.write_bytes((sides.near / "tree/0").read_bytes())
    os.utime(apart, ns=(1, state.st_mtime_ns))
    clean(sides.copy("near/tree", "far/tree"))
    assert apart.stat().st_nlink == 1
    clean(sides.copy("near/tree", "far/tree", CopyOptions(Existing.OVERWRITE)))
    assert apart.stat().st_nlink == 3


def test_a_first_name_that_is_another_file_there_is_not_joined(sides: TwoSides) -> None:
    linked(sides.near / "tree", 1)
    (sides.far / "tree").mkdir()
    (sides.far / "tree" / "0").write_text("mine")
    progress = sides.copy("near/tree", "far/tree")
    assert [name.rpartition("/")[2] for name, _reason in progress.failures] == ["0"]
    assert (sides.far / "tree/0").read_text() == "mine"
    for place in ("x/0", "y/z/0"):
        assert (sides.far / "tree" / place).read_bytes() == (sides.near / "tree" / place).read_bytes()


def test_links_are_made_anew_only_where_they_differ_and_may(sides: TwoSides) -> None:
    tree = sides.near / "tree"
    tree.mkdir()
    (tree / "link").symlink_to("one")
    os.utime(tree / "link", ns=(1, 5), follow_symlinks=False)
    clean(sides.copy("near/tree", "far/tree"))
    (tree / "link").unlink()
    (tree / "link").symlink_to("two")
    refused = sides.copy("near/tree", "far/tree")
    assert refused.failed == 1
    assert os.readlink(sides.far / "tree/link") == "one"
    assert clean(sides.copy("near/tree", "far/tree", CopyOptions(Existing.UPDATE))).links == 1
    assert os.readlink(sides.far / "tree/link") == "two"
    (sides.far / "tree/link").unlink()
    (sides.far / "tree/link").mkdir()
    assert sides.copy("near/tree", "far/tree", CopyOptions(Existing.OVERWRITE)).failed == 1
    assert [path.name for path in (sides.far / "tree").iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("name", "target", "out"),
    [
        ("a", "b", False),
        ("a", "/b", True),
        ("a", "../b", True),
        ("d/a", "../b", False),
        ("d/a", "../../b", True),
        ("d/a", "x/../../b/..", False),
        ("d/a", "x/../../../tree/b", True),
        ("a", ".//./b", False),
        ("a", "..", True),
    ],
)
def test_safe_links_leave_out_those_that_lead_out(sides: TwoSides, name: str, target: str, out: bool) -> None:
    place = sides.near / "tree" / name
    place.parent.mkdir(parents=True)
    place.symlink_to(target)
    safe = sides.copy("near/tree", "far/safe", CopyOptions(safe_links=True))
    assert (len(safe.left_out), safe.links, safe.links_out) == (out, not out, 0)
    assert (sides.far / "safe" / name).is_symlink() is not out
    every = clean(sides.copy("near/tree", "far/tree"))
    assert (every.links, every.links_out) == (1, out)
    assert os.readlink(sides.far / "tree" / name) == target


def test_a_share_that_only_takes_things_takes_no_links(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, Rights.DROP)
    linked(sides.near / "tree", 2)
    (sides.near / "tree/link").symlink_to("0")
    progress = sides.copy("near/tree", "far/tree")
    assert not progress.failures
    assert (progress.files, progress.plain_links, len(progress.left_out)) == (6, 4, 1)
    assert {path.name for path in (sides.far / "tree").rglob("*")} == {"0", "1", "x", "y", "z"}
    assert all(path.stat().st_nlink == 1 for path in (sides.far / "tree").rglob("[01]"))


def test_an_older_side_gets_files_and_is_asked_nothing_it_does_not_know(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, far_features=0)
    linked(sides.near / "tree", 2)
    (sides.near / "tree/link").symlink_to("0")
    with (sides.near / "tree/holes").open("wb") as file:
        file.truncate(9 << 20)
    os.setxattr(sides.near / "tree/0", "user.a", b"b")
    progress = sides.copy("near/tree", "far/tree")
    assert not progress.failures
    assert (progress.files, len(progress.left_out), progress.links) == (7, 1, 0)
    assert (sides.far / "tree/holes").stat().st_size == 9 << 20
    assert os.listxattr(sides.far / "tree/0") == []


# Extended attributes and folders -------------------------------------------------------------------------------------


def test_extended_attributes_can_be_left_behind(sides: TwoSides) -> None:
    for place in ("tree", "tree/folder"):
        (sides.near / place).mkdir()
        os.setxattr(sides.near / place, "user.a", b"b")
    for name, size in (("small", 10), ("large", 500_000)):
        (sides.near / "tree" / name).write_bytes(bytes(size))
        os.setxattr(sides.near / "tree" / name, "user.a", b"b")
    clean(sides.copy("near/tree", "far/without", CopyOptions(xattrs=False)))
    clean(sides.copy("near/tree", "far/with"))
    clean(sides.copy("far/with", "far/beside", CopyOptions(xattrs=False)))
    for place, there in (("without", []), ("with", ["user.a"]), ("beside", [])):
        for path in (sides.far / place, *(sides.far / place).iterdir()):
            assert os.listxattr(path) == there


def test_only_attributes_of_people_travel(sides: TwoSides) -> None:
    (sides.near / "tree").mkdir()
    file = sides.near / "tree/file"
    file.write_text("x")
    for name in ("user.mine", "user.overlay.opaque", "user.containers.override_stat", "user.odd\nname", "trusted.x"):
        try:
            os.setxattr(file, name, b"1")
        except PermissionError:
            assert name == "trusted.x"
    progress = sides.copy("near/tree", "far/tree")
    assert os.listxattr(sides.far / "tree/file") == ["user.mine"]
    assert progress.bare == 1, "the one whose name cannot be shown is missed"


def test_folders_that_were_made_before_a_cut_get_their_times_afterwards(sides: TwoSides) -> None:
    for place in ("tree/a/b", "tree/c"):
        (sides.near / place).mkdir(parents=True)
        (sides.near / place / "file").write_text("x")
    os.setxattr(sides.near / "tree/a", "user.x", b"y")
    for place in ("tree/a/b", "tree/a", "tree/c", "tree"):
        os.chmod(sides.near / place, 0o750)
        os.utime(sides.near / place, ns=(1, 7))
    # What a cut copy leaves: folders without anything of their own.
    for place in ("tree/a/b", "tree/c"):
        (sides.far / place).mkdir(parents=True)
    clean(sides.copy("near/tree", "far/tree"))
    assert seen(sides.far / "tree") == seen(sides.near / "tree")


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up being root for a while")
def test_without_being_root_what_cannot_be_read_is_named_and_the_rest_copied() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        os.chmod(base, 0o777)
        os.seteuid(65534)
        try:
            sides = TwoSides(base)
            tree = sides.near / "tree"
            tree.mkdir()
            for name, mode in (("secret", 0), ("readable", 0o400), ("plain", 0o644)):
                (tree / name).write_text(name)
                os.setxattr(tree / name, "user.a", b"b")
                (tree / name).chmod(mode)
            for name, mode in (("closed", 0), ("read-only", 0o555)):
                (tree / name).mkdir()
                (tree / name / "file").write_text("x")
                (tree / name).chmod(mode)
            progress = sides.copy("near/tree", "far/tree")
            assert sorted(name.rpartition("/")[2] for name, _reason in progress.failures) == ["closed", "secret"]
            assert (sides.far / "tree/read-only").stat().st_mode & 0o777 == 0o555
            assert (sides.far / "tree/readable").stat().st_mode & 0o777 == 0o400
            assert os.listxattr(sides.far / "tree/readable") == ["user.a"]
            assert (sides.far / "tree/read-only/file").read_text() == "x"
        finally:
            os.seteuid(0)
