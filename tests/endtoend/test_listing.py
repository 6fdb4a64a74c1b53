"""ls, tree, stat, cat and df, as a person sees them."""

from __future__ import annotations

import datetime
import os
import shutil

import pytest

from tests.endtoend.conftest import Desk
from tests.endtoend.world import RUN, content, write_file


def test_shares_and_folders_are_listed(desk: Desk) -> None:
    (desk.far / "folder").mkdir()
    write_file(desk.far / "report.odt", 1500)
    (desk.far / "link").symlink_to("report.odt")
    assert desk.run("ls").lines == ["shared/"]
    assert desk.run("ls", ":").lines == ["shared/"]
    assert sorted(desk.run("ls", desk.at()).lines) == ["folder/", "link@", "report.odt"]
    assert sorted(desk.run("ls", desk.at() + "/").lines) == ["folder/", "link@", "report.odt"]
    assert desk.run("ls", desk.at("report.odt")).lines == ["report.odt"]
    assert desk.run("ls", desk.at("folder")).lines == []
    two = desk.run("ls", desk.at("folder"), desk.at("report.odt")).lines
    assert two == [desk.at("report.odt"), "", desk.at("folder")]


def test_long_listing_shows_mode_size_and_time(desk: Desk) -> None:
    write_file(desk.far / "a", 1_234_567, mtime=1_700_000_000, mode=0o640)
    (line,) = desk.run("ls", "-l", desk.at("a")).lines
    shown = datetime.datetime.fromtimestamp(1_700_000_000).strftime("%Y-%m-%d %H:%M")
    assert line.split() == ["-rw-r-----", "1.23", "MB", *shown.split(), "a"]


def test_json_of_ls_stat_and_tree_is_exact(desk: Desk) -> None:
    write_file(desk.far / "sub" / "a b", 10, mtime=1_700_000_000.25, mode=0o600)
    (entry,) = desk.json("ls", desk.at("sub"))
    assert entry == {
        "name": "a b",
        "kind": "file",
        "size": 10,
        "mtime_ns": 1_700_000_000_250_000_000,
        "mode": "0600",
        "path": desk.at("sub/a b"),
    }
    (shown,) = desk.json("stat", desk.at("sub/a b"))
    assert shown == {key: entry[key] for key in entry if key != "path"} | {"name": desk.at("sub/a b")}
    several = desk.json("ls", desk.at("sub"), desk.at("sub/a b"), ":")
    assert [one["path"] for one in several] == [desk.at("sub/a b"), desk.at("sub/a b"), ":shared"]
    assert [one["name"] for one in desk.json("tree", desk.at())] == ["sub", "sub/a b"]


def test_tree_names_folders_before_what_they_hold(desk: Desk) -> None:
    for name in ("x/1", "x/y/2", "z/3", "4"):
        write_file(desk.far / name, 5)
    lines = desk.run("tree", desk.at()).lines
    assert sorted(lines) == ["4", "x/", "x/1", "x/y/", "x/y/2", "z/", "z/3"]
    for line in lines:
        parent = line.rstrip("/").rpartition("/")[0]
        assert not parent or lines.index(parent + "/") < lines.index(line)
    whole = desk.run("tree").lines
    assert "shared/" in whole
    assert f"shared/{desk.far.name}/x/y/2" in whole


def test_stat_shows_each_and_names_what_is_missing(desk: Desk) -> None:
    write_file(desk.far / "a", 7, mode=0o755)
    lines = desk.run("stat", desk.at("a")).lines
    assert lines[:3] == [f"path: {desk.at('a')}", "kind: file", "size: 7"]
    assert lines[4] == "mode: 0755"
    result = desk.run("stat", desk.at("a"), desk.at("missing"), code=3)
    assert "size: 7" in result.out
    assert f"{desk.at('missing')}: no such file or folder" in result.err
    assert desk.run("stat", desk.at("missing"), code=4).error == f"{desk.at('missing')}: no such file or folder"


@pytest.mark.parametrize("size", [0, 1, 4 << 20, (9 << 20) + 3])
def test_cat_prints_the_very_bytes(desk: Desk, size: int) -> None:
    write_file(desk.far / "a", size, seed=size)
    assert desk.run("cat", desk.at("a")).out_bytes == content(size, size)


def test_cat_of_several_and_of_what_is_none(desk: Desk) -> None:
    (desk.far / "a").write_bytes(b"one\n")
    (desk.far / "b").write_bytes(b"two\n")
    assert desk.run("cat", desk.at("a"), desk.at("b")).out == "one\ntwo\n"
    assert "it is a folder" in desk.run("cat", desk.at(), code=4).error
    assert "no such file" in desk.run("cat", desk.at("c"), code=4).error


def test_cat_into_a_reader_that_leaves_is_no_failure(desk: Desk) -> None:
    write_file(desk.far / "large", 24 << 20)
    reader, writer = os.pipe()
    process = desk.start("cat", desk.at("large"), pass_fds=[writer], driver=f"import os; os.dup2({writer}, 1)\n" + RUN)
    os.close(writer)
    assert os.read(reader, 10) == content(10)
    os.close(reader)
    assert process.wait().code == 0
    assert process.err == ""


def test_df_shows_the_room_of_the_disk(desk: Desk) -> None:
    (room,) = desk.json("df", desk.at())
    real = shutil.disk_usage(desk.far)
    assert room["path"] == desk.at()
    assert room["total"] == pytest.approx(real.total, rel=0.01)
    assert room["available"] <= room["free"] <= room["total"]
    assert [one["path"] for one in desk.json("df")] == [":shared"]
    assert desk.run("df").lines[1].endswith(":shared")


def test_a_path_without_colon_is_told_apart(desk: Desk) -> None:
    for verb in ("ls", "tree", "stat", "cat", "rm", "mkdir", "df"):
        result = desk.run(verb, "shared", code=2)
        assert "names this computer" in result.error
        assert "hint: write :shared" in result.err


def test_several_commands_at_once(desk: Desk) -> None:
    write_file(desk.far / "a", 100_000)
    processes = [desk.start("ls", desk.at()) for _ in range(5)] + [desk.start("cat", desk.at("a")) for _ in range(3)]
    results = [process.wait() for process in processes]
    assert [result.code for result in results] == [0] * 8
    assert all(result.lines == ["a"] for result in results[:5])
    assert all(result.out_bytes == content(100_000) for result in results[5:])
