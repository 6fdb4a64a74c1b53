"""A stick that is plugged into a computer where the service runs, and how long it takes until it is of use."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.endtoend.asking import control_socket
from tests.endtoend.processes import Process
from tests.endtoend.services import NO_MOUNTS, Service, start_service
from tests.endtoend.world import Computer, World
from tests.patience import PATIENCE

_MOUNTER = """
import sys, time
device, place = sys.argv[1].encode(), sys.argv[2].encode()
print("ready", flush=True)
for line in sys.stdin:
    if line == "mount\\n":
        assert libc.mount(device, place, b"ext4", 0, None) == 0, os.strerror(ctypes.get_errno())
    else:
        assert libc.umount2(place, 2) == 0, os.strerror(ctypes.get_errno())
    print(time.monotonic_ns(), flush=True)
"""
"""Mounts and unmounts where the service sees it, and says when that was done: a process is at hand already."""


@dataclass
class PluggedStick:
    """A half at the top of a disk image.

    Attributes:
        place: where it is mounted.
        socket: where its agent is asked.
    """

    service: Service
    place: Path
    socket: Path
    _mounter: Process

    @property
    def enter(self) -> str:
        """In front of a driver: it sees the mounts of the service."""
        return _enter(self.service)

    def plug(self) -> float:
        """Mount it; the second of the monotonic clock at which that was done."""
        return self._do("mount")

    def pull(self) -> float:
        """Take it away, whoever uses it."""
        return self._do("pull")

    def _do(self, what: str) -> float:
        before = self._mounter.out.count("\n")
        assert self._mounter.popen.stdin is not None
        self._mounter.popen.stdin.write(f"{what}\n".encode())
        self._mounter.popen.stdin.flush()
        return int(self._mounter.wait_line("", after=before)) / 1e9


@contextmanager
def stick_beside_service(world: World, computer: Computer) -> Iterator[PluggedStick]:
    """The half of ``computer`` on a disk of its own, not mounted, and its service; skips the test where it cannot be.

    The halves are joined before.
    """
    for tool in ("mkfs.ext4", "losetup"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")
    image = world.base / "image"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-d", str(computer.half), str(image)], check=True, timeout=PATIENCE)
    path = control_socket(computer)
    shutil.rmtree(computer.half / "GIMMAL")
    attached = subprocess.run(
        ["losetup", "--find", "--show", str(image)], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if attached.returncode:
        pytest.skip(f"no disk image can be attached here: {attached.stderr}")
    device = attached.stdout.strip()
    try:
        try:
            service = start_service(world, computer, needs_mounts=True)
        except AssertionError:
            if world.processes[-1].popen.poll() == NO_MOUNTS:
                pytest.skip("mount namespaces cannot be made here")
            raise
        mounter: Process = world.start(
            Computer(world.base / "mounter", "mounter"),
            *(device, computer.half),
            driver=_enter(service) + _MOUNTER,
            stdin=subprocess.PIPE,
        )
        mounter.wait_line("ready")
        yield PluggedStick(service, computer.half, path, mounter)
        assert mounter.popen.stdin is not None
        mounter.popen.stdin.close()
        mounter.wait()
    finally:
        with suppress(subprocess.CalledProcessError):
            subprocess.run(["losetup", "--detach", device], check=True, timeout=PATIENCE)


def _enter(service: Service) -> str:
    return (
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"space = os.open('/proc/{service.pid}/ns/mnt', os.O_RDONLY)\n"
        "assert libc.setns(space, 0x20000) == 0, 'cannot enter'\n"
        "os.close(space)\n"
        "os.chdir('/')\n"
    )
