"""sync, trash and --limit, between two computers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.endtoend.conftest import Desk
from tests.endtoend.world import snapshot, write_file
from tests.figures import figure

TIME = 1_600_000_000


def build(root: Path) -> None:
    write_file(root / "one", 1000, 1, TIME)
    write_file(root / "big", 5_000_000, 2, TIME)
    write_file(root / "deep" / "er" / "two", 300_000, 3, TIME)
    (root / "empty").mkdir()


def mirror(root: Path) -> dict[str, object]:
    return {name: one for name, one in snapshot(root).items() if not name.startswith(".gimmal-trash")}


@pytest.mark.parametrize("way", ["up", "down", "far"])
def test_a_mirror_its_trash_and_back_again(desk: Desk, way: str) -> None:
    source = desk.near / "s" if way == "up" else desk.far / "s"
    target = desk.near / "t" if way == "down" else desk.far / "t"
    named = {"up": ("s", desk.at("t")), "down": (desk.at("s"), "t"), "far": (desk.at("s"), desk.at("t"))}[way]
    source.mkdir()
    build(source)
    first = desk.run("sync", *named, "--json", code=None)
    assert first.code == 0, first
    assert mirror(target) == mirror(source)
    assert first.object["files"] == 3
    (source / "one").unlink()
    (source / "deep" / "er" / "two").unlink()
    write_file(source / "big", 5_000_001, 4, TIME + 5)
    write_file(target / "keep.tmp", 10, 9, TIME)
    dry = desk.run("sync", *named, "--delete", "--exclude", "*.tmp", "--dry-run", "--json", code=None)
    assert sorted((one["would"], Path(one["path"]).name) for one in dry.objects) == [
        ("delete", "one"),
        ("delete", "two"),
        ("replace", "big"),
    ]
    assert (target / "one").exists()
    second = desk.run("sync", *named, "--delete", "--exclude", "*.tmp", "--json", code=None)
    assert second.code == 0, second
    assert second.object["deleted"] == 2
    assert set(mirror(target)) == {*mirror(source), "keep.tmp"}
    where = "t" if way == "down" else ":shared"
    prefix = "" if way == "down" else f"{desk.far.name}/t/"
    listed = desk.run("trash", "list", where, "--json", code=None)
    mine = [one for one in listed.objects if way == "down" or one["path"].startswith(f":shared/{prefix}")]
    assert sorted(one["path"].rpartition("/")[2] for one in mine) == ["big", "one", "two"]
    assert not desk.run("tree", desk.at(), "--json").out.count("gimmal-trash")
    refused = desk.run("trash", "restore", where, f"{prefix}big", code=None)
    assert refused.code == 4, refused
    assert "already there" in refused.err
    restored = desk.run("trash", "restore", where, f"{prefix}one", f"{prefix}deep/er/two", "--json", code=None)
    assert restored.code == 0, restored
    assert restored.object == {"restored": 2}
    assert (target / "deep" / "er" / "two").stat().st_size == 300_000
    emptied = desk.run(
        "trash", "empty", where, *[one["id"] for one in mine if one["path"].endswith("big")], "--yes", code=None
    )
    assert emptied.code == 0, emptied
    left = desk.run("trash", "list", where, "--json").objects
    assert not [one for one in left if way == "down" or one["path"].startswith(f":shared/{prefix}")]


def test_a_source_that_is_not_mounted_deletes_nothing(desk: Desk) -> None:
    build(desk.far)
    (desk.near / "stick").mkdir()
    result = desk.run("sync", "stick", desk.at(), "--delete", code=None)
    assert result.code == 4, result
    assert "the source is empty" in result.err
    missing = desk.run("sync", "nothing", desk.at(), "--delete", "--yes", code=None)
    assert missing.code == 9, missing
    assert (desk.far / "one").exists()


def test_what_fails_is_listed_and_nothing_is_deleted(desk: Desk) -> None:
    if os.geteuid() == 0:
        os.mkfifo(desk.near / "pipe")
        write_file(desk.near / "x", 1)
        result = desk.run("sync", ".", desk.at(), code=None)
        assert result.code == 3, result
        assert "left out" in result.err
    write_file(desk.far / "blocked", 1)
    (desk.near / "blocked").mkdir()
    write_file(desk.near / "blocked" / "y", 1)
    assert desk.run("sync", ".", desk.at(), code=None).code in (0, 3)
    assert (desk.far / "blocked" / "y").exists()


def test_filters_in_the_order_typed(desk: Desk) -> None:
    for name in ("a.log", "keep.log", "b.txt", "c.bin"):
        write_file(desk.near / "s" / name, 5)
    (desk.near / "rules").write_text("# a comment\n*.bin\n")
    words = ["--exclude", "*.log", "--include", "keep.log", "--filter-from", "rules"]
    assert desk.run("sync", "s", desk.at("t"), *words, code=None).code == 0
    assert sorted(os.listdir(desk.far / "t")) == ["b.txt", "keep.log"]
    assert desk.run("sync", "s", desk.at("u"), "--include", "keep.log", "--exclude", "*.log", code=None).code == 0
    assert sorted(os.listdir(desk.far / "u")) == ["b.txt", "c.bin"]
    assert desk.run("sync", "s", desk.at("v"), "--filter-from", "missing", code=None).code == 9


def test_the_shares_are_no_place(desk: Desk) -> None:
    write_file(desk.near / "x", 1)
    for words in (["sync", ".", ":"], ["sync", ":", "."], ["sync", ".", "other"], ["sync", "x", desk.at()]):
        assert desk.run(*words, code=None).code in (2, 9), words


RATE = 4_000_000


@pytest.mark.parametrize("kind", ["large", "small"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_limit_is_kept(desk: Desk, way: str, kind: str) -> None:
    """Never above, whatever the files."""
    size = 16_000_000
    near, far = desk.near / "data", desk.far / "data"
    root = near if way == "up" else far
    if kind == "large":
        write_file(root / "file", size, 1, TIME)
    else:
        for number in range(320):
            write_file(root / f"{number}", size // 320, number, TIME)
    words = ("data", desk.at("data")) if way == "up" else (desk.at("data"), "data")
    result = desk.run("cp", "-r", "--limit", "4M", *words, "--json", code=None)
    assert result.code == 0, result
    rate = size / result.object["seconds"]
    figure(f"--limit 4M, {kind} files {way}: rate", f"{rate / 1e6:.2f} MB/s", "at most 4.2, less the start")
    # The command's own beginning counts in its seconds; tests/remote/test_limit.py measures the transfer alone.
    assert 0.75 * RATE <= rate <= 1.05 * RATE
    assert result.object["bytes"] == size
