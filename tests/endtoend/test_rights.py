"""What a side shares, and how: rw, ro and drop hold for every command; what was not named is not there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.endtoend.world import Plugged, new_world, snapshot, write_file


@pytest.fixture(scope="module")
def rights() -> Iterator[Plugged]:
    """Computer a shares one folder of each kind; beside them lies one that is not shared."""
    with new_world() as world:
        world.start_relay()
        world.pair()
        for name in ("rw", "ro", "drop", "secret"):
            write_file(world.a.disk / name / "file", 100, 1)
            write_file(world.a.disk / name / "folder" / "inner", 100, 2)
        disk = world.a.disk
        agent = world.up(world.a, disk / "rw", f"{disk}/ro:ro", f"letters={disk}/drop:drop")
        assert agent.count_lines("share: ") == 3
        assert f"share: letters drop {disk}/drop" in agent.out
        assert f"share: ro ro {disk}/ro" in agent.out
        assert f"share: rw rw {disk}/rw" in agent.out
        yield Plugged(world, agent, None, disk, world.b.folder("mine"))


READING = [
    ["ls", ":S"],
    ["ls", ":S/folder"],
    ["tree", ":S"],
    ["stat", ":S/file"],
    ["cat", ":S/file"],
    ["cp", ":S/file", "."],
    ["cp", "-r", ":S/folder", "."],
    ["df", ":S"],
]
CHANGING = [
    ["rm", ":S/file"],
    ["rm", "-r", ":S/folder"],
    ["mv", ":S/file", ":S/moved"],
    ["cp", "--overwrite", "local", ":S/file"],
    ["cp", "--update", "local", ":S/file"],
    ["cp", ":S/file", ":S/copied"],
]
CREATING = [
    ["mkdir", ":S/new"],
    ["mkdir", "-p", ":S/new/deep/er"],
    ["cp", "local", ":S"],
    ["cp", "local", ":S/"],
    ["cp", "local", ":S/renamed"],
    ["cp", "large", ":S/"],
    ["cp", "-r", "tree", ":S"],
]


@pytest.fixture
def work(rights: Plugged) -> Iterator[Plugged]:
    """Files to send, and afterwards the shared folders as they were."""
    write_file(rights.mine / "local", 50, 5, mtime=4_000_000_000)
    write_file(rights.mine / "large", 5 << 20, 6)
    write_file(rights.mine / "tree" / "deep" / "leaf", 60, 7)
    yield rights
    for name in ("rw", "ro", "drop"):
        folder = rights.shared / name
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        write_file(folder / "file", 100, 1)
        write_file(folder / "folder" / "inner", 100, 2)
    shutil.rmtree(rights.mine)
    rights.mine.mkdir()


def go(rights: Plugged, words: list[str], share: str, code: int | None = None) -> tuple[int, str]:
    said = [word.replace(":S", f":{share}") for word in words]
    result = rights.world.run(rights.world.b, *said, directory=rights.mine, code=code)
    return result.code, str(result)


def test_read_only_can_be_read(work: Plugged) -> None:
    for words in READING:
        code, shown = go(work, words, "ro")
        assert code == 0, shown


def test_read_only_cannot_be_changed(work: Plugged) -> None:
    before = snapshot(work.shared / "ro")
    for words in CHANGING + CREATING:
        code, shown = go(work, words, "ro")
        assert code == 4, shown
        assert "does not grant" in shown
        assert "hint: " in shown
    assert snapshot(work.shared / "ro") == before


def test_drop_takes_new_things(work: Plugged) -> None:
    before = snapshot(work.shared / "drop", times=False)
    for words in CREATING[1:]:
        code, shown = go(work, words, "letters")
        # The second of the same name is one too many.
        assert code == (0 if words != CREATING[3] else 4), shown
    after = snapshot(work.shared / "drop", times=False)
    assert {name: after.get(name) for name in before} == before
    for name in ("new/deep/er", "local", "renamed", "large", "tree/deep/leaf"):
        assert name in after


def test_drop_shows_and_changes_nothing(work: Plugged) -> None:
    before = snapshot(work.shared / "drop")
    for words in READING + CHANGING:
        code, shown = go(work, words, "letters")
        assert code == 4, shown
        assert "inner" not in shown
    code, shown = go(work, ["cp", "local", ":S/file"], "letters")
    assert code == 4, shown
    assert snapshot(work.shared / "drop") == before


def test_everything_is_listed_that_may_be(work: Plugged) -> None:
    world = work.world
    assert world.run(world.b, "ls").lines == ["letters/", "ro/", "rw/"]
    tree = world.run(world.b, "tree")
    assert "rw/folder/inner" in tree.lines
    assert "ro/folder/inner" in tree.lines
    assert [line for line in tree.lines if line.startswith("letters")] == ["letters/"]
    room = world.run(world.b, "df")
    assert [line.split()[-1] for line in room.lines[1:]] == [":ro", ":rw"]


def test_nothing_is_shared_that_was_not_named(work: Plugged) -> None:
    world = work.world
    (work.shared / "rw" / "out").symlink_to(work.shared / "secret")
    (work.shared / "rw" / "up").symlink_to("..")
    for path in (
        ":secret",
        ":secret/file",
        ":rw/../secret/file",
        ":rw/out/file",
        ":rw/up/secret/file",
        ":/etc/passwd",
        ":drop/file",
        ":Letters/file",
        ":RW",
        ":rw/%2e%2e/secret/file",
        ":~",
    ):
        for verb in ("stat", "cat"):
            result = world.run(world.b, verb, path, code=None)
            assert result.code == (2 if ".." in path or "/etc" in path else 4), str(result)
            assert not result.out
    for words in (["rm", "-r", ":rw/out/folder"], ["cp", "local", ":rw/out/"], ["mv", ":rw/file", ":rw/out/file2"]):
        assert go(work, words, "rw")[0] == 4
    before = snapshot(work.shared / "secret")
    assert go(work, ["rm", "-r", ":rw/out"], "rw")[0] == 0
    assert snapshot(work.shared / "secret") == before
