"""mv, rm and mkdir on the other side."""

from __future__ import annotations

import pytest

from tests.endtoend.conftest import Desk
from tests.endtoend.world import snapshot, write_file


def test_mv_renames_moves_and_does_not_replace(desk: Desk) -> None:
    for name in ("a", "b", "c"):
        write_file(desk.far / name, 10, ord(name))
    (desk.far / "folder").mkdir()
    before = snapshot(desk.far)
    desk.run("mv", desk.at("a"), desk.at("a2"))
    assert snapshot(desk.far)["a2"] == before["a"]
    desk.run("mv", desk.at("a2"), desk.at("b"), desk.at("folder"))
    assert sorted(path.name for path in (desk.far / "folder").iterdir()) == ["a2", "b"]
    desk.run("mv", desk.at("folder"), desk.at("moved"))
    assert desk.json("mv", desk.at("moved/a2"), desk.at("a")) == [{"moved": 1}]
    assert "already there" in desk.run("mv", desk.at("a"), desk.at("c"), code=4).error
    assert snapshot(desk.far)["c"] == before["c"]
    desk.run("mv", "--overwrite", desk.at("a"), desk.at("c"))
    assert snapshot(desk.far)["c"] == before["a"]


def test_mv_refuses_what_makes_no_sense(desk: Desk) -> None:
    for name in ("a", "b", "folder/sub/x"):
        write_file(desk.far / name, 10)
    before = snapshot(desk.far)
    for words, code in (
        ([desk.at("a")], 2),
        (["a", desk.at("b")], 2),
        ([desk.at("a"), desk.at("b"), desk.at("missing")], 4),
        ([desk.at("a"), desk.at("b/")], 4),
        ([desk.at("missing"), desk.at("new")], 4),
        ([desk.at("folder"), desk.at("folder/sub/new")], 4),
        ([":shared", ":other"], 4),
        ([desk.at("a"), ":"], 4),
        ([desk.at("../x"), desk.at("y")], 2),
    ):
        assert desk.run("mv", *words, code=code).error
    assert snapshot(desk.far) == before


def test_rm_of_files_folders_and_what_is_missing(desk: Desk) -> None:
    for name in ("a", "b", "tree/x", "tree/deep/y", "keep/z"):
        write_file(desk.far / name, 10)
    (desk.far / "tree" / "link").symlink_to(desk.far / "keep")
    desk.run("rm", desk.at("a"))
    assert "no such file" in desk.run("rm", desk.at("a"), code=4).error
    desk.run("rm", "-f", desk.at("a"))
    result = desk.run("rm", desk.at("tree"), code=4)
    assert "it is a folder" in result.error
    assert "hint: use -r for folders" in result.err
    assert (desk.far / "tree" / "x").exists()
    result = desk.run("rm", desk.at("b"), desk.at("missing"), code=3)
    assert "missing" in result.err
    assert desk.json("rm", "-r", desk.at("tree")) == [{"removed": 5}]
    assert sorted(snapshot(desk.far)) == ["keep", "keep/z"]


def test_rm_of_a_share_itself_removes_nothing(desk: Desk) -> None:
    write_file(desk.far / "x", 10)
    before = snapshot(desk.far)
    for path in (":shared", ":shared/", ":"):
        assert desk.run("rm", path, code=4).error
    assert snapshot(desk.far) == before


@pytest.mark.parametrize("count", [3000])
def test_rm_of_many(desk: Desk, count: int) -> None:
    (desk.far / "many").mkdir()
    for index in range(count):
        (desk.far / "many" / f"{index}").touch()
    assert desk.json("rm", "-r", desk.at("many")) == [{"removed": count + 1}]
    assert not (desk.far / "many").exists()


def test_mkdir(desk: Desk) -> None:
    assert desk.json("mkdir", desk.at("a")) == [{"made": [desk.at("a")]}]
    assert "already there" in desk.run("mkdir", desk.at("a"), code=4).error
    desk.run("mkdir", "-p", desk.at("a"))
    assert "no such" in desk.run("mkdir", desk.at("b/c/d"), code=4).error
    desk.run("mkdir", "-p", desk.at("b/c/d"))
    assert (desk.far / "b" / "c" / "d").is_dir()
    result = desk.run("mkdir", desk.at("a"), desk.at("new"), code=3)
    assert desk.at("a") in result.err
    assert (desk.far / "new").is_dir()
    assert desk.run("mkdir", ":new", code=4).error
    for bad in (":shared/../x", ":shared//x", ":shared/x\\y", ":shared/x\x1by"):
        result = desk.run("mkdir", bad, code=2)
        assert result.error
        assert "\x1b" not in result.err
