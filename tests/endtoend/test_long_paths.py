"""Long paths are printed whole: a listing that cuts them names nothing."""

from __future__ import annotations

from pathlib import Path

from tests.endtoend.conftest import Desk


def deep_file(root: Path) -> str:
    """A file so deep that its path, made displayable, is far longer than a line of talk."""
    parts = [f"{number}-" + "\u200b\u0301 long name" * 3 for number in range(12)]
    (root / "/".join(parts)).mkdir(parents=True)
    (root / "/".join(parts) / "file").write_bytes(b"x")
    return "/".join((*parts, "file"))


def test_tree_and_ls_print_long_names_whole(desk: Desk) -> None:
    deep_file(desk.far)
    lines = desk.run("tree", desk.at()).lines
    assert len(lines) == 13
    assert all(not line.endswith("\u2026") for line in lines)
    assert len(lines[-1]) > 400
    assert lines[-1].endswith("/file")
    name = "n" * 250
    (desk.far / "links").mkdir()
    (desk.far / "links" / name).symlink_to("t" * 1000)
    assert desk.run("ls", "-l", desk.at("links")).lines[0].endswith(f"{name}@ -> {'t' * 1000}")


def test_a_dry_run_prints_long_names_whole(desk: Desk) -> None:
    deep_file(desk.near / "tree")
    for words in (("cp", "-r"), ("sync",)):
        lines = desk.run(*words, "--dry-run", "tree", desk.at("new")).lines
        assert lines[-1].startswith(f"would copy: {desk.at('new')}/0-")
        assert lines[-1].endswith("/file")
    deep_file(desk.far / "tree")
    lines = desk.run("cp", "-r", "--dry-run", desk.at("tree"), "back").lines
    assert lines[-1].startswith(f"would copy: {desk.near}/back/0-")
    assert lines[-1].endswith("/file")


def test_the_trash_lists_long_names_whole(desk: Desk) -> None:
    folder = deep_file(desk.far / "tree").rpartition("/")[0]
    (desk.near / "tree" / folder).mkdir(parents=True)
    (desk.near / "tree" / folder / "other").write_bytes(b"x")
    desk.run("sync", "--delete", "tree", desk.at("tree"))
    assert desk.run("trash", "list", ":shared").lines[-1].endswith("/file")
