"""The real command, killed before each call that changes a disk, on the real file system and on exFAT."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gimmal.base.errors import HalfMissing, JoinAgain
from gimmal.half.opened import OpenedHalf
from gimmal.half.plugged import find_plugged
from gimmal.half.presence import Presence
from gimmal.half.reading import open_half
from tests.figures import figure
from tests.half.helpers import folders, join
from tests.patience import PATIENCE

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
ROOT = Path(__file__).parents[2]


def look(place: Path) -> OpenedHalf | str:
    try:
        return open_half(place, None)
    except JoinAgain:
        return "join again"
    except HalfMissing:
        return "missing"


def command(step: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.half.killed_command", str(step), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def cut_everywhere(places: list[Path], stride: int) -> int:
    """Kill ``gimmal pair`` at every stride-th call; the halves must agree, be as before, or say join again."""
    step = tried = 0
    while True:
        before = [look(place) for place in places]
        done = command(step, "pair", *map(str, places), "--name", "home", "--no-password")
        after = [look(place) for place in places]
        tried += 1
        if done.returncode == 0:
            assert all(isinstance(one, OpenedHalf) for one in after)
            return tried
        assert done.returncode == -9, done.stderr
        one, two = after
        if isinstance(one, OpenedHalf) and isinstance(two, OpenedHalf):
            assert one.pair_id == two.pair_id
            assert one.root == two.root
            assert one.static_public == two.peer_static_public
            if after != before:
                assert "disable code: " in done.stdout
        else:
            assert "join again" in after or after == before, after
        join(places[0], places[1], "home")
        assert isinstance(look(places[0]), OpenedHalf)
        step += stride


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_killed_on_this_file_system(tmp_path: Path) -> None:
    places = folders(tmp_path, "one", "two")
    tried = cut_everywhere(places, 1 if FULL else 7)
    figure(f"gimmal pair killed at {tried} calls, real processes: half-made pairs usable", 0, "0")


def test_killed_with_fresh_folders(tmp_path: Path) -> None:
    for step in range(0, 60, 1 if FULL else 11):
        places = folders(tmp_path, f"one{step}", f"two{step}")
        done = command(step, "pair", *map(str, places), "--name", "home", "--no-password")
        assert done.returncode in (0, -9), done.stderr
        after = [look(place) for place in places]
        assert (
            "join again" in after
            or after == ["missing", "missing"]
            or all(isinstance(one, OpenedHalf) for one in after)
        ), after
        join(*places, "home")


def system(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)


def device_of(image: Path) -> str:
    return system("losetup", "--associated", str(image)).stdout.split(":")[0]


@contextmanager
def exfat(tmp_path: Path, name: str) -> Iterator[Path]:
    """A real exFAT file system in a file, mounted by exfat-fuse, which wants a block device."""
    image, place = tmp_path / f"{name}.img", tmp_path / name
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    place.mkdir()
    made = system("mkfs.exfat", str(image))
    attached = system("losetup", "--find", "--show", str(image))
    if made.returncode or attached.returncode:
        pytest.skip(f"no loop device here: {made.stderr} {attached.stderr}")
    device = attached.stdout.strip()
    try:
        mounted = system("mount.exfat-fuse", device, str(place))
        if mounted.returncode or not os.path.ismount(place):
            pytest.skip(f"exFAT cannot be mounted here: {mounted.stderr.strip()[:200]}")
        try:
            yield place
        finally:
            system("fusermount3", "-u", str(place)).check_returncode()
    finally:
        system("losetup", "--detach", device)


@pytest.mark.skipif(
    not all(map(shutil.which, ("mkfs.exfat", "mount.exfat-fuse", "fusermount3", "losetup"))),
    reason="exfatprogs, exfat-fuse, fuse3 or util-linux is not installed",
)
def test_killed_on_exfat(tmp_path: Path) -> None:
    with exfat(tmp_path, "one") as one, exfat(tmp_path, "two") as two:
        tried = cut_everywhere([one, two], 1 if FULL else 13)
        assert {one / "GIMMAL", two / "GIMMAL"} <= set(find_plugged())
        presence = Presence(one / "GIMMAL")
        assert presence.present()
        # A served half does not keep its stick from being ejected.
        system("fusermount3", "-u", str(one)).check_returncode()
        assert not presence.present()
        system("mount.exfat-fuse", device_of(tmp_path / "one.img"), str(one)).check_returncode()
        assert isinstance(look(one), OpenedHalf)
        figure(f"gimmal pair killed at {tried} calls on exFAT: half-made pairs usable", 0, "0")
