"""Only what changed travels: real commands, with an agent beside them and without."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from gimmal.base.display import displayable
from tests.endtoend.conftest import Desk
from tests.endtoend.world import World, plug_in

MIB = 1 << 20
OLD = random.Random(1).randbytes(24 * MIB)
NEW = b"inserted" * 5000 + OLD[: 10 * MIB] + OLD[11 * MIB :]
SLOW = ("--limit", "20M")
"""Loopback is faster than comparing; what the person allows counts as the line's rate."""


def prepare(desk: Desk, way: str) -> tuple[list[str], Path]:
    """The two ends for a command, and the file that is to be replaced."""
    source, target = (desk.near, desk.far) if way == "up" else (desk.far, desk.near)
    (source / "file").write_bytes(NEW)
    (target / "file").write_bytes(OLD)
    os.utime(target / "file", (1, 1))
    return (["file", desk.at("file")] if way == "up" else [desk.at("file"), "file"]), target / "file"


@pytest.mark.parametrize("way", ["up", "down"])
def test_cp_by_itself(desk: Desk, way: str) -> None:
    ends, target = prepare(desk, way)
    (told,) = desk.json("cp", "--overwrite", *SLOW, *ends)
    assert target.read_bytes() == NEW
    assert told["reused_bytes"] > len(NEW) - MIB
    assert told["bytes"] == len(NEW)


@pytest.mark.parametrize("way", ["up", "down"])
def test_cp_says_what_was_there_and_sends_all_when_told(desk: Desk, way: str) -> None:
    ends, target = prepare(desk, way)
    said = desk.run("cp", "--update", *SLOW, *ends).err
    assert " MB of it was there already" in said, displayable(said)
    assert target.read_bytes() == NEW
    ends, target = prepare(desk, way)
    (told,) = desk.json("cp", "--overwrite", "--whole-file", "--limit", "100M", *ends)
    assert told["reused_bytes"] == 0
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("way", ["up", "down"])
def test_sync(desk: Desk, way: str) -> None:
    """What is replaced lies in the trash, whole."""
    _ends, target = prepare(desk, way)
    folders = [".", desk.at()] if way == "up" else [desk.at(), "."]
    (told,) = desk.json("sync", *SLOW, *folders)
    assert target.read_bytes() == NEW
    assert told["reused_bytes"] > len(NEW) - MIB
    trash = desk.near if way == "down" else desk.plugged.shared
    kept = [path for path in (trash / ".gimmal-trash").rglob("0") if path.is_file()]
    assert any(path.read_bytes() == OLD for path in kept)
    prepare(desk, way)
    (told,) = desk.json("sync", "--whole-file", "--limit", "100M", *folders)
    assert told["reused_bytes"] == 0
    assert target.read_bytes() == NEW


@pytest.mark.parametrize("way", ["up", "down"])
def test_cp_through_the_agent_here(world: World, way: str) -> None:
    plugged = plug_in(world, both=True)
    source, target = (plugged.mine, plugged.shared) if way == "up" else (plugged.shared, plugged.mine)
    (source / "file").write_bytes(NEW)
    (target / "file").write_bytes(OLD)
    os.utime(target / "file", (1, 1))
    ends = [str(plugged.mine / "file"), ":shared/file"]
    (told,) = world.json(world.b, "cp", "--overwrite", *SLOW, *(ends if way == "up" else ends[::-1]))
    assert (target / "file").read_bytes() == NEW
    assert told["reused_bytes"] > len(NEW) - MIB
