"""A share's own folder copied whole: what its mode says of rights is no mode for the copy."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.endtoend.world import Plugged, World, plug_in


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def read_only(world: World) -> World:
    """Computer a shares ``library`` to be read only."""
    world.start_relay()
    world.pair()
    library = world.a.folder("library")
    (library / "inner").mkdir(mode=0o750)
    (library / "book").write_bytes(b"pages")
    world.up(world.a, f"{library}:ro")
    return world


def test_a_copy_of_a_whole_ro_share_can_be_written_to(read_only: World) -> None:
    copied, synced = read_only.b.disk / "library", read_only.b.disk / "mirror"
    plain = read_only.b.folder("plain")
    for _again in range(2):
        read_only.run(read_only.b, "cp", "-r", ":library", ".")
        read_only.run(read_only.b, "sync", ":library", "mirror")
        assert mode_of(copied) == mode_of(synced) == mode_of(plain)
        assert mode_of(copied / "inner") == mode_of(synced / "inner") == 0o750


def test_a_folder_that_a_whole_share_is_copied_into_keeps_its_mode(read_only: World) -> None:
    kept = read_only.b.folder("kept")
    kept.chmod(0o700)
    result = read_only.run(read_only.b, "cp", "-r", ":library/.", "kept")
    assert (kept / "book").read_bytes() == b"pages", result
    assert mode_of(kept) == 0o700
    assert kept.stat().st_mtime_ns == (read_only.a.disk / "library").stat().st_mtime_ns


def test_a_private_folder_stays_private_when_it_is_synced(world: World) -> None:
    plugged: Plugged = plug_in(world)
    private = world.b.folder("private")
    (private / "diary").write_bytes(b"mine")
    private.chmod(0o700)
    for _again in range(2):
        world.run(world.b, "sync", "private", ":shared/private")
        assert mode_of(plugged.shared / "private") == 0o700
    world.run(world.b, "cp", "-r", "private", ":shared/copy")
    assert mode_of(plugged.shared / "copy") == 0o700
    os.utime(private, ns=(0, 0))
    private.chmod(0o750)
    world.run(world.b, "sync", "private", ":shared/private")
    assert mode_of(plugged.shared / "private") == 0o750
