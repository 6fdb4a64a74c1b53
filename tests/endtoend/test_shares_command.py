"""``gimmal shares``: named once, shared at each plugging in."""

from __future__ import annotations

import shutil

import pytest

from tests.endtoend.world import PASSWORD, World


@pytest.fixture
def paired(world: World) -> World:
    world.start_relay()
    world.pair()
    return world


def test_named_once_they_are_shared_at_each_up(paired: World) -> None:
    world = paired
    docs, box = world.a.folder("docs"), world.a.folder("box")
    (docs / "report").touch()
    assert world.run(world.a, "shares").out == ""
    assert world.run(world.a, "shares", "add", f"{docs}:ro").lines == [f"share: docs ro {docs}"]
    assert world.run(world.a, "shares", "add", f"In={box}:drop").lines == [f"share: In drop {box}"]
    assert world.run(world.a, "shares", "list").lines == [f"In drop {box}", f"docs ro {docs}"]
    first, second = world.json(world.a, "shares", "list")
    assert first == {"name": "In", "path": str(box), "rights": "drop", "fault": ""}
    assert second["name"] == "docs"
    for _ in range(2):
        agent = world.up(world.a)
        assert "shares: those that this computer keeps for this pair" in agent.out
        assert f"share: docs ro {docs}" in agent.out
        assert world.run(world.b, "ls").lines == ["In/", "docs/"]
        assert world.run(world.b, "ls", ":docs").lines == ["report"]
        assert world.run(world.b, "rm", ":docs/report", code=4)
        agent.stop()
    # New rights for the same name and folder; then no more.
    world.run(world.a, "shares", "add", f"{docs}:rw")
    assert world.run(world.a, "shares").lines == [f"In drop {box}", f"docs rw {docs}"]
    world.run(world.a, "shares", "remove", "docs")
    assert world.run(world.a, "shares").lines == [f"In drop {box}"]
    assert "no share is called docs" in world.run(world.a, "shares", "remove", "docs", code=2).error


def test_shares_named_at_up_stand_alone(paired: World) -> None:
    world = paired
    world.run(world.a, "shares", "add", world.a.folder("kept"))
    agent = world.up(world.a, world.a.folder("once"))
    assert world.run(world.b, "ls").lines == ["once/"]
    assert "keeps" not in agent.out


def test_a_folder_that_is_gone_is_left_out_and_said(paired: World) -> None:
    world = paired
    gone = world.a.folder("gone")
    world.run(world.a, "shares", "add", world.a.folder("here"))
    world.run(world.a, "shares", "add", gone)
    gone.rmdir()
    assert "no such file" in world.run(world.a, "shares").lines[0]
    agent = world.up(world.a)
    assert f"share: left out: cannot share {gone}: no such file or directory" in agent.out
    assert world.run(world.b, "ls").lines == ["here/"]


def test_what_is_most_likely_a_mistake_is_refused(paired: World) -> None:
    world = paired
    home = world.a.base / "home"
    for words, says in (
        (["/nowhere"], "no such file"),
        ([home], "home folder"),
        (["all=/"], "home folder"),
        ([world.a.half / "GIMMAL"], "half"),
        ([f"..={world.a.disk}"], "cannot travel"),
    ):
        assert says in world.run(world.a, "shares", "add", *words, code=2).error
    docs = world.a.folder("docs")
    world.run(world.a, "shares", "add", docs)
    assert "look alike" in world.run(world.a, "shares", "add", f"Docs={world.a.folder('other')}", code=2).error
    world.run(world.a, "shares", "add", "--whole-home", home)
    assert world.run(world.a, "shares").lines == [f"docs rw {docs}", f"home rw {home}"]


def test_they_belong_to_the_pair_and_stay_over_joinings(paired: World) -> None:
    world = paired
    world.run(world.a, "shares", "add", world.a.folder("docs"))
    assert world.run(world.b, "shares").out == ""
    world.pair()
    assert len(world.run(world.a, "shares").lines) == 1
    # Another pair on the same computer knows nothing of them.
    other = [world.a.folder("stick1"), world.a.folder("stick2")]
    world.run(world.a, "pair", *other, "--name", "Other", "--no-password")
    assert world.run(world.a, "shares", "--half", other[0]).out == ""
    shutil.rmtree(other[0])


def test_a_half_with_a_password_asks_for_it(world: World) -> None:
    secret = world.a.base / "password"
    secret.write_text(PASSWORD)
    world.pair("--password-file", secret, "--password-for", "a", relay=False)
    docs = world.a.folder("docs")
    assert world.run(world.a, "shares", "add", docs, code=6).error
    world.run(world.a, "shares", "add", docs, "--password-file", secret)
    assert world.run(world.a, "shares", "--password-file", secret).lines == [f"docs rw {docs}"]
