"""Names that cannot travel as they are: copied once, and met again by the same command."""

from __future__ import annotations

import os

from tests.endtoend.conftest import Desk

NAMES = (b"line\nbreak", b"not utf-8 \xff", b"back\\slash", b"\x1b[31mred", "rl\u202eo".encode(), b"plain")


def test_the_same_copy_again_finds_them(desk: Desk) -> None:
    folder = os.fsencode(desk.far) + b"/odd"
    os.mkdir(folder)
    for name in NAMES:
        with open(folder + b"/" + name, "wb") as file:
            file.write(name)
    (first,) = desk.json("cp", "-r", desk.at("odd"), ".")
    assert (first["files"], first["skipped"]) == (len(NAMES), 0)
    (again,) = desk.json("cp", "-r", desk.at("odd"), ".")
    assert (again["files"], again["skipped"], again["failed"]) == (0, len(NAMES), 0)
    contents = sorted(path.read_bytes() for path in (desk.near / "odd").iterdir())
    assert contents == sorted(NAMES)


def test_a_path_that_is_none_is_shown_whole(desk: Desk) -> None:
    for path in (":/share", ":a//b", ":a/../b", ":a/./b"):
        ended = desk.run("ls", path, code=2)
        assert f"error: {path} is no path of the other side" in ended.err
