"""``gimmal pin``: folders that are kept with the half, with a line and without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.endtoend.mounting import MISSING, mounted
from tests.endtoend.world import Plugged, until, write_file


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def docs(plugged: Plugged) -> Path:
    folder = plugged.shared / "docs"
    (folder / "deep").mkdir(parents=True)
    write_file(folder / "letter.odt", 200_000)
    write_file(folder / "deep" / "note", 10)
    return folder


def test_what_is_pinned_is_listed_refreshed_and_given_up(plugged: Plugged) -> None:
    world = plugged.world
    folder = docs(plugged)
    run = world.run(world.b, "pin", ":shared/docs")
    assert run.out == "kept with the half: 2 files, 200 kB; 200 kB came now\n"
    assert run.err == "note: this half has no password: whoever finds it can read what is kept on it\n"
    write_file(folder / "deep" / "more", 5)
    assert world.run(world.b, "pin", "--json").object == {"files": 3, "size": 200_015, "fetched": 5}
    plugged.agent_a.stop()
    (line,) = world.run(world.b, "pins").out.splitlines()
    assert line.startswith(":shared/docs  3 files, 200 kB  as of ")
    kept = world.b.half / "GIMMAL" / "pinned"
    assert sum(path.stat().st_size for path in (kept / "files").iterdir()) >= 200_015
    world.run(world.b, "unpin", ":shared/docs")
    assert world.run(world.b, "pins").out == ""
    assert list((kept / "files").iterdir()) == []


def test_mistakes_are_named(plugged: Plugged) -> None:
    world = plugged.world
    assert world.run(world.b, "pin", "docs", code=2).error == "docs names this computer, not the other side"
    assert world.run(world.b, "pin", ":", code=2).error == "all shares at once cannot be kept"
    assert world.run(world.b, "pin", ":shared/absent", code=4).error == ":shared/absent: no such file or folder"
    assert world.run(world.b, "unpin", ":shared/absent", code=2).error == ":shared/absent is not pinned"
    assert world.run(world.b, "pins").out == ""


def test_nothing_of_it_can_be_read_on_the_half(plugged: Plugged) -> None:
    world = plugged.world
    folder = docs(plugged)
    (folder / "secret-name").write_bytes(b"very secret words")
    world.run(world.b, "pin", ":shared/docs")
    for place, _folders, names in os.walk(world.b.base):
        for name in names:
            held = (Path(place) / name).read_bytes()
            assert b"very secret words" not in held
            assert b"secret-name" not in held
            assert "secret" not in name


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_it_is_there_in_a_mount_that_begins_without_a_line(plugged: Plugged) -> None:
    world = plugged.world
    folder = docs(plugged)
    world.run(world.b, "pin", ":shared/docs")
    expected = contents(folder)
    plugged.agent_a.stop()
    world.up(world.b, plugged.mine)
    with mounted(world, world.b) as (place, _process):
        assert sorted(os.listdir(place / "shared" / "docs")) == ["deep", "letter.odt"]
        assert contents(place / "shared" / "docs") == expected
        new = place / "shared" / "docs" / "deep" / "new"
        new.write_text("kept")
        assert new.read_text() == "kept"


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_mount_brings_it_up_to_date(plugged: Plugged) -> None:
    world = plugged.world
    folder = docs(plugged)
    world.run(world.b, "pin", ":shared/docs")
    write_file(folder / "later", 1234)
    with mounted(world, world.b):
        until(lambda: world.run(world.b, "pins", "--json").object["kept"] == 3, "all kept", 60)
