"""A disk that fills up mid-copy, on either side, and a disk that blocks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.endtoend.world import RUN, Plugged, World, digest, until, write_file
from tests.patience import within

MIB = 1 << 20


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of ``size`` bytes at ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this system lets nothing be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("way", ["down", "up"])
def test_a_full_disk_is_named_and_a_later_run_goes_on(world: World, way: str) -> None:
    world.start_relay()
    world.pair()
    near, far = world.b.disk / "small", world.a.disk / "small"
    target = near if way == "down" else far
    with small_disk(target, 40 * MIB):
        source = world.a.folder("shared") if way == "down" else world.b.folder("mine")
        shares = [world.a.folder("shared"), far] if way == "up" else [world.a.folder("shared")]
        world.up(world.a, *shares)
        write_file(source / "tree" / "first", MIB, 1)
        write_file(source / "tree" / "large", 24 * MIB, 2)
        filler = write_file(target / "filler", 20 * MIB, 3)
        words = ["cp", "-r", ":shared/tree", near] if way == "down" else ["cp", "-r", source / "tree", ":small"]
        result = world.run(world.b, *words, code=None)
        assert result.code in (3, 4, 9), str(result)
        assert "full" in result.err, str(result)
        assert not (target / "tree" / "large").exists()
        assert digest(filler)
        filler.unlink()
        (report,) = world.json(world.b, *words)
        assert report["failed"] == 0
        for name in ("first", "large"):
            assert digest(target / "tree" / name) == digest(source / "tree" / name)


@pytest.mark.parametrize("way", ["down", "up"])
def test_a_disk_that_fills_up_while_a_file_is_copied(world: World, way: str) -> None:
    """There was room when the copy began; another program takes it meanwhile."""
    world.start_relay()
    world.pair()
    near, far = world.b.disk / "small", world.a.disk / "small"
    target = near if way == "down" else far
    with small_disk(target, 400 * MIB):
        source = world.a.folder("shared") if way == "down" else world.b.folder("mine")
        shares = [world.a.folder("shared"), far] if way == "up" else [world.a.folder("shared")]
        world.up(world.a, *shares)
        write_file(source / "large", 350 * MIB, 2)
        words = [":shared/large", near] if way == "down" else [source / "large", ":small"]
        copy = world.start(world.b, "cp", *words)
        until(lambda: any(part.stat().st_blocks for part in target.glob(".gimmal*")), "bytes arrive", every=0.001)
        filler = target / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while copy.running:
                    file.write(bytes(8 * MIB))
            except OSError:
                pass
        result = copy.wait()
        assert result.code != 0, "the disk filled up in time"
        assert result.code in (3, 4, 9), str(result)
        assert "full" in result.err, str(result)
        assert not (target / "large").exists()
        filler.unlink()
        (report,) = world.json(world.b, "cp", *words)
        assert report["resumed_bytes"] > 0, "what was there is gone on with"
        assert digest(target / "large") == digest(source / "large")


SLOW_DISK = (
    """
import os, threading
from gimmal.share import reading, listing, looking
reading_range, answer_list = reading.open_range, listing.answer_list
def blocked(path):
    if path.startswith("slow"):
        threading.Event().wait(5)
def open_range(state, request):
    blocked(request.path)
    return reading_range(state, request)
def list_slowly(state, request):
    blocked(request.path)
    return answer_list(state, request)
from gimmal.share import service
reading.open_range = open_range
from gimmal.protocol.messages import List
service._ANSWERS[List] = list_slowly
"""
    + RUN
)


def test_a_disk_that_blocks_for_five_seconds_holds_up_nothing_else(world: World) -> None:
    world.start_relay()
    world.pair()
    for name in ("slow", "quick"):
        write_file(world.a.folder(name) / "file", MIB)
    agent = world.up(world.a, world.a.folder("slow"), world.a.folder("quick"), driver=SLOW_DISK)
    own = world.up(world.b)
    own.wait_connected()
    waiting = [world.start(world.b, "cat", ":slow/file") for _ in range(3)]
    waiting += [world.start(world.b, "ls", ":slow") for _ in range(3)]
    for _ in range(4):
        result = world.run(world.b, "ls", ":quick")
        assert result.lines == ["file"]
        assert within(result.seconds, 3)
    assert within(world.run(world.b, "cat", ":quick/file").seconds, 3)
    for process in waiting:
        result = process.wait()
        assert result.code == 0, str(result)
        assert result.seconds > 4.5
    assert own.count_lines("connected: ") == 1
    assert own.count_lines("disconnected: ") == 0
    assert agent.count_lines("disconnected: ") == 0


def test_both_disks_are_named_apart(plugged: Plugged) -> None:
    """A local disk without room is this computer's fault, a far one the other side's; the words say which."""
    world = plugged.world
    write_file(plugged.shared / "large", 8 * MIB)
    with small_disk(world.b.disk / "small", 2 * MIB) as small:
        result = world.run(world.b, "cp", ":shared/large", small, code=9)
        assert result.error == f"{small}/large: this computer's disk is full"
        assert "hint: make room" in result.err
    with small_disk(plugged.shared / "small", 2 * MIB):
        local = write_file(plugged.mine / "large", 8 * MIB)
        result = world.run(world.b, "cp", local, ":shared/small/", code=4)
        assert result.error == ":shared/small/large: the other side's disk is full"
