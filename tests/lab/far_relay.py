"""Two computers and a relay, each in a network of its own; from each computer the relay is a given time away.

Nothing leads from one computer to the other but the relay.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from bench.line import check_line, compile_emulator, run_emulator
from bench.ssh_rig import Missing

from tests.endtoend.processes import Relay
from tests.endtoend.world import Computer, World, new_world

_PREFIX = "gm-far-"
_PLACES = ("a", "b", "relay")
_NETWORKS = {"a": 1, "b": 2}
_RATE, _QUEUE = 1_000_000_000, 8 << 20
_RELAY_PORT = 7117
_SECONDS = 20
_numbers = itertools.count()


class FarRelay:
    """The networks of ``a``, ``b`` and the relay, whose namespaces are named by ``spaces``."""

    def __init__(self, spaces: dict[str, str]) -> None:
        self.spaces = spaces

    def inside(self, place: str, *command: str) -> str:
        """Run a command of the system in a network; its stdout."""
        return _run("ip", "netns", "exec", self.spaces[place], *command)

    def bytes_of(self, side: str) -> int:
        """Bytes that came to and went from a computer's network so far, as its device counts IP packets."""
        for line in self.inside(side, "cat", "/proc/net/dev").splitlines():
            device, _colon, counts = line.strip().partition(":")
            if device == f"far{side}":
                words = counts.split()
                return int(words[0]) + int(words[8])
        raise AssertionError("the line's device is gone")


@contextmanager
def far_relay_world(round_trip: float) -> Iterator[tuple[World, FarRelay]]:
    """A world with a relay; the halves are joined, nothing else runs. Skips the test where it cannot be had.

    Args:
        round_trip: seconds between each computer and the relay.
    """
    try:
        check_line()
    except Missing as exc:
        pytest.skip(str(exc))
    _remove_left_over()
    number = next(_numbers)
    spaces = {place: f"{_PREFIX}{os.getpid()}-{number}-{place}" for place in _PLACES}
    with ExitStack() as undo:
        try:
            for name in spaces.values():
                _run("ip", "netns", "add", name)
                undo.callback(_run, "ip", "netns", "del", name)
            program = compile_emulator(Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="gm-far-"))))
            network = FarRelay(spaces)
            for side in _NETWORKS:
                figures = (round_trip / 2 * 1e9, _RATE, 0, _QUEUE, 1)
                words = [program, spaces[side], spaces["relay"], f"far{side}", *(f"{int(n)}" for n in figures)]
                undo.enter_context(run_emulator(words))
                _configure(network, side)
        except Missing as exc:
            pytest.skip(str(exc))
        world = undo.enter_context(new_world())
        for computer in (world.a, world.b):
            computer.prefix = ["ip", "netns", "exec", spaces[computer.side]]
        _start_relay(world, network)
        world.pair()
        yield world, network
        # Ended while their networks are there.
        for process in reversed(world.processes):
            process.stop()


def _configure(network: FarRelay, side: str) -> None:
    number, device = _NETWORKS[side], f"far{side}"
    for place, last in ((side, 2), ("relay", 1)):
        network.inside(place, "ip", "link", "set", "lo", "up")
        # A network without it, as many are; and what it says by itself is not counted as an agent's.
        quiet = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
        network.inside(place, "sh", "-ec", f"[ ! -e {quiet} ] || echo 1 >{quiet}")
        network.inside(place, "ip", "addr", "add", f"10.89.{number}.{last}/24", "dev", device)
        network.inside(place, "ip", "link", "set", device, "mtu", "1500", "up")
    network.inside(side, "ip", "route", "add", "default", "via", f"10.89.{number}.1")
    network.inside("relay", "ip", "addr", "replace", "10.89.0.1/32", "dev", "lo")


def _start_relay(world: World, network: FarRelay) -> None:
    computer = Computer(world.base / "r", "relay")
    computer.prefix = ["ip", "netns", "exec", network.spaces["relay"]]
    relay: Relay = world.start(
        computer, "relay", "--listen", f"10.89.0.1:{_RELAY_PORT}", "--state", world.base / "relay", kind=Relay
    )
    relay.wait_ready()
    world.relay = relay


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise Missing(f"no networks can be made here: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _remove_left_over() -> None:
    """Remove namespaces of runs that were killed before they could do so themselves."""
    with suppress(FileNotFoundError):
        for name in os.listdir("/run/netns"):
            maker = name.removeprefix(_PREFIX).partition("-")[0]
            if name.startswith(_PREFIX) and maker.isdigit() and not Path(f"/proc/{maker}").exists():
                with suppress(Missing):
                    _run("ip", "netns", "del", name)
