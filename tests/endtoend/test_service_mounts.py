"""Sticks that are mounted and unmounted while the service runs, in a mount namespace of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.endtoend.processes import Process
from tests.endtoend.services import NO_MOUNTS, Service, halves, start_service
from tests.endtoend.world import RUN, World, until
from tests.patience import PATIENCE, within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")


@dataclass
class Stick:
    """A disk image with a file system and a half at its top, and where it is mounted in the service's namespace."""

    service: Service
    image: Path
    place: Path
    device: str = ""

    def inside(self, *command: str) -> str:
        """Run a command of the system where the service sees mounts."""
        words = ["nsenter", f"--mount=/proc/{self.service.pid}/ns/mnt", "--", *command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            pytest.fail(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def plug(self) -> None:
        self.device = self.device or self.inside("losetup", "--find", "--show", str(self.image)).strip()
        self.inside("mount", self.device, str(self.place))

    def detach(self) -> None:
        if self.device:
            subprocess.run(["losetup", "--detach", self.device], timeout=PATIENCE, check=False)


@pytest.fixture
def stick(world: World) -> Iterator[Stick]:
    """Half a on a disk of its own; the service of computer a runs and does not see it yet."""
    for tool in ("mkfs.ext4", "losetup", "nsenter", "mount"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    world.start_relay()
    world.pair()
    world.run(world.a, "shares", "add", world.a.folder("shared"))
    image = world.base / "image"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    made = subprocess.run(
        ["mkfs.ext4", "-q", "-d", str(world.a.half), str(image)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    shutil.rmtree(world.a.half / "GIMMAL")
    try:
        service = start_service(world, world.a, needs_mounts=True)
    except AssertionError:
        if world.processes[-1].popen.poll() == NO_MOUNTS:
            pytest.skip("mount namespaces cannot be made here")
        raise
    made_stick = Stick(service, image, world.a.half)
    try:
        made_stick.plug()
    except pytest.fail.Exception as error:
        made_stick.detach()
        pytest.skip(f"a disk image cannot be mounted here: {error}")
    yield made_stick
    made_stick.detach()


def child_of(world: World) -> int:
    return int(halves(world, world.a)[0]["process"])


def test_a_mounted_stick_is_noticed_at_once_and_its_lazy_unmounting_too(world: World, stick: Stick) -> None:
    service = stick.service
    service.wait_state(stick.place, "serving")
    assert world.run(world.b, "ls").lines == ["shared/"]
    other = world.up(world.b, world.b.folder("mine"))
    other.wait_connected()
    child = child_of(world)
    stick.inside("umount", "--lazy", str(stick.place))
    pulled = time.monotonic()
    other.wait_line("disconnected: the other half was unplugged")
    until(lambda: not Path(f"/proc/{child}").exists(), "the process with the keys has ended")
    assert within(time.monotonic() - pulled, 1.0, "lazy unmount to process ended")
    service.wait_state(stick.place, "gone")
    before = time.monotonic()
    stick.inside("mount", stick.device, str(stick.place))
    service.wait_state(stick.place, "starting", after=1)
    assert within(time.monotonic() - before, 1.0, "mounted to agent started")
    other.wait_connected(after=1)


def test_a_disk_that_is_cut_short_under_it_counts_as_pulled_out(world: World, stick: Stick) -> None:
    service = stick.service
    service.wait_state(stick.place, "serving")
    child = child_of(world)
    os.truncate(stick.image, 0)
    stick.inside("losetup", "--set-capacity", stick.device)
    pulled = time.monotonic()
    until(lambda: not Path(f"/proc/{child}").exists(), "the process with the keys has ended")
    assert within(time.monotonic() - pulled, 1.0, "disk cut short to process ended")


def test_unplug_ejects_it(world: World, stick: Stick) -> None:
    service = stick.service
    service.wait_state(stick.place, "serving")
    driver = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
namespace = os.open("/proc/{service.pid}/ns/mnt", os.O_RDONLY)
assert libc.setns(namespace, 0x20000) == 0
os.close(namespace)
os.chdir("/")
"""
    result: Process = world.start(world.a, "unplug", "--eject", driver=driver + RUN)
    ended = result.wait()
    assert ended.code == 0, str(ended)
    assert ended.lines == ["unplugged: every connection is closed", f"ejected: {stick.place}"]
    assert str(stick.place) not in stick.inside("cat", "/proc/self/mounts")
    service.wait_state(stick.place, "gone")
    stick.plug()
    service.wait_state(stick.place, "serving", after=1)
