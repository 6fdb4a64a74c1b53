"""A local network of the tests' own: two computers and a middle that sees all, each a network namespace.

The middle is a bridge: what the two say to each other and to all passes it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.endtoend.processes import Process
from tests.endtoend.world import Computer, World, new_world

SECONDS = 30.0
SIDES = ("a", "b")
ADDRESSES = {"a": "10.88.0.1", "b": "10.88.0.2", "middle": "10.88.0.254"}
DEVICE = "eth0"
MDNS_PORT = 5353

_PREFIX = "gm-lan-"
_numbers = itertools.count()

_CAPTURE = """
import socket, sys
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
print("ready", flush=True)
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        frame = sock.recv(65536)
        file.write(len(frame).to_bytes(4, "big") + frame)
"""


@dataclass
class LanWorld:
    """A world whose computers are in one network, and whoever else is there."""

    world: World
    middle: Computer
    """Neither side; the relay, listeners and liars run there."""
    namespaces: dict[str, str]
    captures: list[Path] = field(default_factory=list)

    @property
    def a(self) -> Computer:
        return self.world.a

    @property
    def b(self) -> Computer:
        return self.world.b

    def run_in(self, where: str, *command: str) -> None:
        """Run a command of the system in a namespace; it must succeed."""
        _run("ip", "netns", "exec", self.namespaces[where], *command)

    def python_in_the_middle(self, code: str, *arguments: str) -> Process:
        """Start a Python program there and wait for its line ``ready``."""
        process: Process = self.world.start(self.middle, *arguments, driver=code)
        process.may_fail = True
        process.wait_line("ready")
        return process

    def capture(self) -> Capture:
        """Begin to write down every frame that passes."""
        path = self.world.base / f"capture{len(self.captures)}"
        self.captures.append(path)
        self.python_in_the_middle(_CAPTURE, str(path))
        return Capture(path)


@dataclass
class Capture:
    """Frames that passed, as they are written down."""

    path: Path

    def frames(self) -> list[bytes]:
        """All whole frames so far."""
        data, at, found = self.path.read_bytes(), 0, []
        while len(data) - at >= 4:
            size = int.from_bytes(data[at : at + 4], "big")
            if len(data) - at - 4 < size:
                break
            found.append(data[at + 4 : at + 4 + size])
            at += 4 + size
        return found

    def datagrams(self) -> list[tuple[bytes, bytes]]:
        """Source address and contents of each UDP datagram from or to the port of multicast DNS."""
        return [found for frame in self.frames() if (found := _datagram(frame)) is not None]


def _datagram(frame: bytes) -> tuple[bytes, bytes] | None:
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x08\x00" and packet[9] == 17:
        source, udp = packet[12:16], packet[4 * (packet[0] & 15) :]
    elif kind == b"\x86\xdd" and packet[6] == 17:
        source, udp = packet[8:24], packet[40:]
    else:
        return None
    ports = int.from_bytes(udp[0:2], "big"), int.from_bytes(udp[2:4], "big")
    return (source, udp[8:]) if MDNS_PORT in ports else None


@contextlib.contextmanager
def lan_world() -> Iterator[LanWorld]:
    """A world in a network of its own; skips the test where none can be made. Namespaces are gone at the end."""
    if os.geteuid() != 0:
        pytest.skip("only root can make network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("no network namespaces without ip: apt-get install iproute2")
    _remove_left_over()
    number = next(_numbers)
    namespaces = {where: f"{_PREFIX}{os.getpid()}-{number}-{where}" for where in ADDRESSES}
    with contextlib.ExitStack() as stack:
        try:
            for name in namespaces.values():
                _run("ip", "netns", "add", name)
                stack.callback(_run, "ip", "netns", "del", name)
            _wire(namespaces)
        except RuntimeError as exc:
            pytest.skip(f"no network namespaces here: {exc}")
        world = stack.enter_context(new_world())
        middle = Computer(world.base / "middle", "middle")
        for computer in (world.a, world.b, middle):
            computer.inside = ("ip", "netns", "exec", namespaces[computer.side])
            computer.lan = True
        yield LanWorld(world, middle, namespaces)


def _wire(namespaces: dict[str, str]) -> None:
    def inside(where: str, *command: str) -> None:
        _run("ip", "netns", "exec", namespaces[where], *command)

    for where in namespaces:
        # Addresses of IPv6 may be used at once, not only after asking whether they are taken.
        settings = "/proc/sys/net/ipv6/conf"
        quick = f"for all in {settings}/*/accept_dad; do echo 0 >$all; done"
        inside(where, "sh", "-ec", f"[ ! -e {settings} ] || {{ {quick}; }}")
        inside(where, "ip", "link", "set", "lo", "up")
    inside("middle", "ip", "link", "add", "br0", "type", "bridge")
    for side in SIDES:
        inside("middle", "ip", "link", "add", f"to-{side}", "type", "veth", "peer", "name", DEVICE)
        inside("middle", "ip", "link", "set", DEVICE, "netns", namespaces[side])
        inside("middle", "ip", "link", "set", f"to-{side}", "master", "br0", "up")
        inside(side, "ip", "addr", "add", f"{ADDRESSES[side]}/24", "dev", DEVICE)
        inside(side, "ip", "link", "set", DEVICE, "up")
    inside("middle", "ip", "addr", "add", f"{ADDRESSES['middle']}/24", "dev", "br0")
    inside("middle", "ip", "link", "set", "br0", "up")


def _remove_left_over() -> None:
    """Remove namespaces of tests that were killed before they could do so themselves."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            maker = name.removeprefix(_PREFIX).partition("-")[0]
            if name.startswith(_PREFIX) and maker.isdigit() and not os.path.exists(f"/proc/{maker}"):
                with contextlib.suppress(RuntimeError):
                    _run("ip", "netns", "del", name)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
