"""``gimmal shares``: named once, shared at each plugging in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.endtoend.world import PASSWORD, World, until, write_file


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
        ([world.a.half / "GIMMAL"], "half"),
        ([f"..={world.a.disk}"], "cannot travel"),
    ):
        assert says in world.run(world.a, "shares", "add", *words, code=2).error
    # It also holds the mount of a test beside this one, now and then.
    error = world.run(world.a, "shares", "add", "all=/", code=2).error
    assert "your home folder" in error or "holds a mount" in error
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


def test_a_running_agent_takes_up_what_changes_at_once(paired: World) -> None:
    world = paired
    docs, box = world.a.folder("docs"), world.a.folder("box")
    write_file(docs / "report", 10)
    agent = world.up(world.a)
    other = world.up(world.b, world.b.folder("mine"))
    other.wait_connected()
    assert world.run(world.b, "ls").lines == []
    added = world.run(world.a, "shares", "add", docs)
    assert (added.lines, added.err.strip()) == ([f"share: docs rw {docs}"], "it holds at once")
    # In the session that the two agents have all the while.
    assert world.run(world.b, "ls").lines == ["docs/"]
    assert world.json(world.a, "shares", "add", f"{docs}:ro") == [
        {"name": "docs", "path": str(docs), "rights": "ro", "at_once": True}
    ]
    assert world.run(world.b, "rm", ":docs/report", code=4).error
    world.run(world.a, "shares", "add", box)
    assert [share["name"] for share in world.agent_status(world.a)["shares"]] == ["box", "docs"]
    removed = world.run(world.a, "shares", "remove", "docs")
    assert (removed.lines, removed.err.strip()) == (["removed: docs"], "it holds at once")
    assert "no such file or folder" in world.run(world.b, "cat", ":docs/report", code=4).error
    assert world.run(world.b, "ls").lines == ["box/"]
    assert other.count_lines("connected: ") == 1
    assert f"share: no more: docs ro {docs}" in agent.stop().out


def test_an_upload_into_a_share_that_is_taken_away_ends_and_nothing_of_it_stays_open(paired: World) -> None:
    world = paired
    docs = world.a.folder("docs")
    write_file(world.b.disk / "film", 40_000_000)
    world.run(world.a, "shares", "add", docs)
    agent = world.up(world.a)
    copying = world.start(world.b, "cp", "--limit", "1M", "film", ":docs")
    until(lambda: list(docs.glob(".gimmal-part-*")), "the upload")
    world.run(world.a, "shares", "remove", "docs")
    ended = copying.wait()
    assert ended.code == 4, str(ended)
    assert not (docs / "film").exists()
    folders = [os.readlink(link) for link in Path(f"/proc/{agent.popen.pid}/fd").iterdir() if link.is_symlink()]
    assert not [path for path in folders if path.startswith(str(docs))]
    # What had come is there for another time.
    world.run(world.a, "shares", "add", docs)
    again = world.run(world.b, "cp", "film", ":docs")
    assert (docs / "film").stat().st_size == 40_000_000, str(again)


def test_shares_named_at_up_are_not_disturbed(paired: World) -> None:
    world = paired
    world.up(world.a, world.a.folder("once"))
    added = world.run(world.a, "shares", "add", world.a.folder("kept"))
    assert "keeps to the shares that were named for it" in added.err
    assert world.run(world.b, "ls").lines == ["once/"]


def test_a_share_that_cannot_be_taken_up_changes_nothing_for_the_running_agent(paired: World) -> None:
    world = paired
    docs, gone = world.a.folder("docs"), world.a.folder("gone")
    world.run(world.a, "shares", "add", docs)
    world.run(world.a, "shares", "add", gone)
    world.up(world.a)
    gone.rmdir()
    # One whose folder is gone is left out, as at the start.
    said = world.run(world.a, "shares", "add", world.a.folder("more")).err.splitlines()
    assert said[0] == "it holds at once"
    assert said[1:] == [f"but left out: cannot share {gone}: no such file or directory"]
    assert world.run(world.b, "ls").lines == ["docs/", "more/"]
