"""cp, both ways: placement as coreutils cp has it, times and modes, what is replaced and what is not."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.endtoend.conftest import Desk
from tests.endtoend.world import part_files, snapshot, write_file
from tests.figures import figure
from tests.remote.random_trees import build as build_random
from tests.remote.random_trees import data_bytes, seen

BASE_TIME = 1_600_000_000


def build(root: Path) -> None:
    """The sources every case of placement starts from."""
    write_file(root / "one", 10, 1, BASE_TIME, 0o640)
    write_file(root / "two", 300_000, 2, BASE_TIME + 1, 0o755)
    write_file(root / "tree" / "deep" / "er" / "three", 20, 3, BASE_TIME + 2)
    write_file(root / "tree" / "four", 0, 4, BASE_TIME + 3)
    (root / "tree" / "empty").mkdir()
    write_file(root / "other" / "one", 30, 5, BASE_TIME + 4)


def prepare(root: Path) -> None:
    """What lies at the target before."""
    (root / "folder").mkdir()
    write_file(root / "folder" / "kept", 5, 6, BASE_TIME + 5)
    write_file(root / "file", 7, 7, BASE_TIME + 6)
    (root / "merge" / "tree" / "deep").mkdir(parents=True)
    write_file(root / "merge" / "tree" / "deep" / "kept", 8, 8, BASE_TIME + 7)


# Sources are named below S, targets below T.
PLACEMENTS = {
    "file to a new name": ["S/one", "T/new"],
    "file into a folder": ["S/one", "T/folder"],
    "file into a folder with a slash": ["S/one", "T/folder/"],
    "file to a folder that is missing": ["S/one", "T/missing/"],
    "file below a folder that is missing": ["S/one", "T/missing/new"],
    "several into a folder": ["S/one", "S/two", "T/folder"],
    "several to what is missing": ["S/one", "S/two", "T/missing"],
    "several onto a file": ["S/one", "S/two", "T/file"],
    "folder without -r": ["S/tree", "T/folder"],
    "folder into a folder": ["-r", "S/tree", "T/folder"],
    "folder to a new name": ["-r", "S/tree", "T/new"],
    "folder with a slash into a folder": ["-r", "S/tree/", "T/folder"],
    "contents into a folder": ["-r", "S/tree/.", "T/folder"],
    "contents to a new name": ["-r", "S/tree/.", "T/new"],
    "folder onto a file": ["-r", "S/tree", "T/file"],
    "folder merges": ["-r", "S/tree", "T/merge"],
    "folder and file": ["-r", "S/tree", "S/one", "T/folder"],
    "one source is missing": ["S/one", "S/missing", "T/folder"],
    "the only source is missing": ["S/missing", "T/folder"],
}


def named(words: list[str], source: str, target: str) -> list[str]:
    return [
        source + word[1:] if word.startswith("S/") else target + word[1:] if word.startswith("T/") else word
        for word in words
    ]


def shape(root: Path) -> dict[str, object]:
    """What lies below, without the times of folders, which ours keeps and cp sets anew where it merges."""
    found = snapshot(root)
    return {name: one[:1] if one[0] == "folder" else one for name, one in found.items()}


@pytest.mark.parametrize("way", ["down", "up"])
@pytest.mark.parametrize("words", PLACEMENTS.values(), ids=PLACEMENTS)
def test_places_as_coreutils_cp(desk: Desk, tmp_path: Path, words: list[str], way: str) -> None:
    real_source, real_target = tmp_path / "source", tmp_path / "target"
    for root, make in ((real_source, build), (real_target, prepare)):
        root.mkdir()
        make(root)
    coreutils = subprocess.run(
        ["cp", "-p", *named(words, str(real_source), str(real_target))],
        capture_output=True,
        check=False,
    )
    source, target = (desk.far, desk.near) if way == "down" else (desk.near, desk.far)
    build(source)
    prepare(target)
    before = shape(source)
    ours = desk.run("cp", *(named(words, desk.at(), ".") if way == "down" else named(words, ".", desk.at())), code=None)
    assert shape(target) == shape(real_target), str(ours)
    assert (ours.code == 0) == (coreutils.returncode == 0), str(ours)
    assert ours.code in (0, 2, 3, 4, 9), str(ours)
    assert (ours.code != 0) == ("error: " in ours.err)
    assert shape(source) == before
    assert not part_files(target)


@pytest.mark.parametrize("way", ["down", "up"])
def test_times_and_modes_are_kept(desk: Desk, way: str) -> None:
    source, target = (desk.far, desk.near) if way == "down" else (desk.near, desk.far)
    for index, mode in enumerate((0o600, 0o644, 0o755, 0o444, 0o700)):
        write_file(source / "tree" / f"small{index}", 100, index, BASE_TIME + index + 0.125, mode)
    write_file(source / "tree" / "sub" / "large", 9 << 20, 9, BASE_TIME + 9.5, 0o640)
    (source / "tree" / "sub").chmod(0o750)
    os.utime(source / "tree" / "sub", (BASE_TIME, BASE_TIME))
    os.utime(source / "tree", (BASE_TIME, BASE_TIME - 1))
    words = ["-r", desk.at("tree"), "."] if way == "down" else ["-r", "tree", desk.at()]
    desk.run("cp", *words)
    assert snapshot(target / "tree") == snapshot(source / "tree")
    assert (target / "tree").stat().st_mtime == BASE_TIME - 1


@pytest.mark.parametrize("path", ["direct", "relayed"])
@pytest.mark.parametrize("way", ["down", "up"])
def test_every_size_arrives_whole(desk: Desk, way: str, path: str) -> None:
    source, target = (desk.far, desk.near) if way == "down" else (desk.near, desk.far)
    mib = 1 << 20
    sizes = [0, 1, 4095, 4096, 256 * 1024, 256 * 1024 + 1, mib - 1, mib, mib + 1, 4 * mib - 1, 4 * mib, 4 * mib + 1]
    sizes += [960 * 1024, 960 * 1024 + 1, 13 * mib + 7]
    for size in sizes:
        write_file(source / "tree" / str(size), size, size)
    words = ["-r", desk.at("tree"), "."] if way == "down" else ["-r", "tree", desk.at()]
    (report,) = desk.json("cp", "--path", path, *words)
    assert snapshot(target / "tree") == snapshot(source / "tree")
    assert report["files"] == len(sizes)
    assert report["bytes"] == sum(sizes)
    assert report["path"] == path
    assert report["failed"] == report["skipped"] == report["resumed_bytes"] == 0


def test_a_real_tree_there_and_back(desk: Desk) -> None:
    import email

    real = Path(email.__file__).parent.parent
    chosen = ["email", "json", "unittest", "importlib", "xml", "http"]
    for name in chosen:
        shutil.copytree(real / name, desk.near / "lib" / name)
    desk.run("cp", "-r", "lib", desk.at())
    desk.run("cp", "-r", desk.at("lib"), "back")
    there = snapshot(desk.near / "lib")
    assert snapshot(desk.far / "lib") == there
    assert snapshot(desk.near / "back") == there
    figure("files of a real tree copied there and back", len(there), "all equal")


# What is there already -----------------------------------------------------------------------------------------------


def test_nothing_is_replaced_without_being_told(desk: Desk) -> None:
    for where, seed in ((desk.far, 1), (desk.near, 2)):
        write_file(where / "same-name", 1000, seed, BASE_TIME + seed)
        write_file(where / "tree" / "same-name", 1000, seed, BASE_TIME + seed)
    write_file(desk.far / "tree" / "only-there", 10, 3)
    before = snapshot(desk.near)
    assert "already there" in desk.run("cp", desk.at("same-name"), ".", code=4).error
    result = desk.run("cp", "-r", desk.at("tree"), ".", code=3)
    assert "tree/same-name" in result.err
    assert (desk.near / "tree" / "only-there").read_bytes() == (desk.far / "tree" / "only-there").read_bytes()
    after = snapshot(desk.near)
    after.pop("tree/only-there")
    assert after.keys() == before.keys()
    assert after["same-name"] == before["same-name"]
    assert after["tree/same-name"] == before["tree/same-name"]


@pytest.mark.parametrize("size", [1000, 5 << 20])
def test_overwrite_and_update(desk: Desk, size: int) -> None:
    write_file(desk.far / "older", size, 1, BASE_TIME)
    write_file(desk.far / "newer", size, 1, BASE_TIME + 100)
    for name in ("older", "newer"):
        write_file(desk.near / name, 10, 2, BASE_TIME + 50)
    result = desk.run("cp", "--update", desk.at("older"), desk.at("newer"), ".", "--json").object
    assert (result["files"], result["skipped"]) == (1, 1)
    assert (desk.near / "older").stat().st_size == 10
    assert snapshot(desk.near)["newer"] == snapshot(desk.far)["newer"]
    desk.run("cp", "--overwrite", desk.at("older"), ".")
    assert snapshot(desk.near) == snapshot(desk.far)
    again = desk.json("cp", "--overwrite", desk.at("older"), desk.at("newer"), ".")[0]
    assert (again["files"], again["skipped"]) == (0, 2)


def test_overwrite_in_a_tree_both_ways(desk: Desk) -> None:
    for index in range(20):
        write_file(desk.far / "tree" / f"{index}", 500, index, BASE_TIME)
        write_file(desk.near / "tree" / f"{index}", 400, index + 50, BASE_TIME + 5)
    desk.run("cp", "-r", "--overwrite", desk.at("tree"), ".")
    assert shape(desk.near / "tree") == shape(desk.far / "tree")
    for index in range(20):
        write_file(desk.near / "tree" / f"{index}", 600, index + 70, BASE_TIME + 10)
    desk.run("cp", "-r", "--update", "tree", desk.at())
    assert shape(desk.near / "tree") == shape(desk.far / "tree")
    assert desk.run("cp", "--overwrite", "--update", desk.at("tree/1"), ".", code=2).error


def test_a_file_is_never_put_in_the_place_of_a_folder_nor_the_reverse(desk: Desk) -> None:
    write_file(desk.far / "tree" / "x", 10)
    (desk.near / "tree" / "x").mkdir(parents=True)
    write_file(desk.near / "tree2" / "y" / "z", 10)
    write_file(desk.far / "tree2" / "y", 10)
    assert "hint: use -r for folders" in desk.run("cp", desk.at("tree"), ".", code=4).err
    for more in ([], ["--overwrite"], ["--update"]):
        result = desk.run("cp", "-r", *more, desk.at("tree/x"), "tree", code=4)
        assert "hint: nothing replaces a folder" in result.err
        assert desk.run("cp", "-r", *more, desk.at("tree2/y"), "tree2", code=4).error
        assert desk.run("cp", "-r", *more, "tree2/y", desk.at("tree2"), code=4).error
    assert (desk.near / "tree" / "x").is_dir()
    assert (desk.far / "tree2" / "y").is_file()


@pytest.mark.parametrize("way", ["down", "up"])
def test_dry_run_changes_nothing_and_says_what_it_would_do(desk: Desk, way: str) -> None:
    source, target = (desk.far, desk.near) if way == "down" else (desk.near, desk.far)
    build(source)
    prepare(target)
    before = snapshot(desk.far), snapshot(desk.near)
    words = ["-r", desk.at("tree"), "folder"] if way == "down" else ["-r", "tree", desk.at("folder")]
    lines = desk.run("cp", "--dry-run", *words).lines
    assert sum("make folder" in line for line in lines) == 4
    assert sum("would copy" in line for line in lines) == 2
    objects = desk.json("cp", "--dry-run", *words)
    assert {one["would"] for one in objects} == {"make folder", "copy"}
    assert (snapshot(desk.far), snapshot(desk.near)) == before


# What the command line cannot mean -----------------------------------------------------------------------------------


def test_senseless_copies_are_refused(desk: Desk) -> None:
    write_file(desk.far / "x", 10)
    write_file(desk.near / "y", 10)
    for words, code in (
        ([desk.at("x")], 2),
        (["y", "z"], 2),
        ([desk.at("x"), "y", "."], 2),
        (["y", ":"], 2),
        (["/", desk.at()], 2),
        (["missing", desk.at()], 9),
        ([desk.at("x"), "no/such/folder/x"], 9),
        (["y", ":nosuchshare/"], 4),
        ([":nosuchshare/x", "."], 4),
        ([":shared/../x", "."], 2),
        ([":shared//x", "."], 2),
    ):
        result = desk.run("cp", *words, code=code)
        assert result.error
        assert "hint: " in result.err, str(result)


def test_links_travel_as_links_and_what_is_neither_is_listed(desk: Desk) -> None:
    write_file(desk.far / "tree" / "x", 10)
    (desk.far / "tree" / "out").symlink_to("/etc/passwd")
    (desk.far / "tree" / "in").symlink_to("x")
    os.mkfifo(desk.far / "tree" / "pipe")
    result = desk.run("cp", "-r", desk.at("tree"), ".", code=3)
    assert "neither a file nor a folder" in result.err
    assert "; 2 symbolic links\n" in result.err
    assert "note: 1 symbolic link lead" in result.err
    assert sorted(snapshot(desk.near / "tree")) == ["in", "out", "x"]
    assert os.readlink(desk.near / "tree/out") == "/etc/passwd"
    safe = desk.run("cp", "-r", "--safe-links", desk.at("tree"), "safe", code=3)
    assert "tree/out: symbolic link that leads out of what is copied" in safe.err
    assert sorted(snapshot(desk.near / "safe")) == ["in", "x"]
    assert "symbolic link" in desk.run("cp", desk.at("tree/in"), ".", code=4).error
    desk.run("cp", "-r", desk.at("tree/in"), ".")
    assert os.readlink(desk.near / "in") == "x"
    assert desk.run("cp", desk.at("tree/pipe"), ".", code=4).error


def test_trees_keep_all_that_a_disk_holds(desk: Desk) -> None:
    """Up, down and beside, with the same command again: equal as an independent look tells."""
    build_random(random.Random(4), desk.near / "tree")
    with (desk.near / "tree" / "holes").open("wb") as file:
        file.truncate(1 << 36)
        file.seek(1 << 35)
        file.write(b"in the middle of nothing")
    (desk.near / "tree" / "folder").mkdir()
    (desk.near / "tree" / "folder" / "twin").hardlink_to(desk.near / "tree" / "holes")
    os.utime(desk.near / "tree" / "folder", ns=(1, -5))
    kept = {name: value for name, value in seen(desk.near / "tree", contents=False).items() if name}
    held = data_bytes(desk.near / "tree/holes")
    for source, target in (("tree", desk.at("up")), (desk.at("up"), "down"), (desk.at("up"), desk.at("beside"))):
        report = desk.json("cp", "-r", source, target)[0]
        assert (report["failed"], report["left_out"], report["without_xattrs"]) == (0, [], 0)
        again = desk.json("cp", "-r", f"{source}/.", target)[0]
        assert (again["files"], again["links"], again["failed"]) == (0, 0, 0)
    for copy in (desk.far / "up", desk.near / "down", desk.far / "beside"):
        assert {name: value for name, value in seen(copy, contents=False).items() if name} == kept
        assert data_bytes(copy / "holes") <= held
    bare = desk.json("cp", "-r", "--no-xattr", "tree", desk.at("bare"))[0]
    assert bare["failed"] == 0
    assert not any(os.listxattr(path) for path in (desk.far / "bare").rglob("*") if not path.is_symlink())


def test_copies_on_the_far_side(desk: Desk) -> None:
    build(desk.far)
    desk.run("cp", desk.at("one"), desk.at("copy"))
    desk.run("cp", "-r", desk.at("tree"), desk.at("again"))
    assert snapshot(desk.far)["copy"] == snapshot(desk.far)["one"]
    assert snapshot(desk.far / "again") == snapshot(desk.far / "tree")


def test_progress_only_on_a_terminal_and_quiet_is_quiet(desk: Desk) -> None:
    write_file(desk.far / "x", 1000)
    result = desk.run("cp", desk.at("x"), ".")
    assert result.out == ""
    assert result.err.startswith("copied 1 file, 1 kB in ")
    assert result.err.count("\n") == 1
    quiet = desk.run("cp", "-q", desk.at("x"), "y")
    assert (quiet.out, quiet.err) == ("", "")
