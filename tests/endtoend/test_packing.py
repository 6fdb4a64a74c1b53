"""Compression between two computers: through agents, through a relay, directly; what the summary says."""

from __future__ import annotations

import pytest

from tests.endtoend.conftest import Desk, desk_in
from tests.endtoend.world import Plugged, plug_in, snapshot, write_file
from tests.figures import figure


def build(desk: Desk, name: str) -> int:
    """A tree on both sides; its bytes."""
    for root in (desk.near, desk.far):
        tree = root / name
        for number in range(150):
            place = tree / f"folder{number % 5}" / f"{number}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{number} is the number of this letter, and so on\n" * 120)
        (tree / "log").write_text("".join(f"{number:08d} a line of a long log\n" for number in range(250_000)))
        write_file(tree / "film", 2_000_000, 3)
    return sum(path.stat().st_size for path in (desk.near / name).rglob("*") if path.is_file())


def copies(desk: Desk, *more: str) -> None:
    total = build(desk, "tree")
    for way, (source, target) in {"up": ("tree", desk.at("up")), "down": (desk.at("tree"), "down")}.items():
        (packed,) = desk.json("cp", "-r", source, target, "--compress", *more)
        assert (packed["bytes"], packed["failed"]) == (total, 0)
        figure(f"compressed copy {way}, {packed['path']}: bytes saved of {total}", packed["saved_bytes"], "> a half")
        assert total // 2 < packed["saved_bytes"] < total - 2_000_000
        for options in ((), ("--no-compress",)):
            (plain,) = desk.json("sync", source, target + "-plain", *options, *more)
            assert plain["failed"] == 0
            # By itself nothing is compressed inside one computer; a relay hides that it is one.
            assert plain["saved_bytes"] == 0 or (plain["path"] == "relayed" and not options), plain
    trees = [snapshot(root) for root in (desk.far / "up", desk.near / "down", desk.near / "down-plain")]
    assert trees[0] == snapshot(desk.near / "tree")
    assert trees[1] == trees[2] == snapshot(desk.far / "tree")


@pytest.mark.parametrize("path", ["relayed", "direct"])
def test_a_command_by_itself(desk: Desk, path: str) -> None:
    copies(desk, "--path", path)


def test_a_command_through_its_agent(world: object) -> None:
    plugged: Plugged = plug_in(world, both=True)  # type: ignore[arg-type]
    copies(desk_in(plugged))


def test_a_person_is_told(desk: Desk) -> None:
    (desk.near / "log").write_text("one line like another\n" * 100_000)
    said = desk.run("cp", "log", desk.at(), "--compress").err
    assert "2.2 MB" in said
    assert "less by compression" in said
    assert "compression" not in desk.run("cp", desk.at("log"), "back", "--no-compress").err
