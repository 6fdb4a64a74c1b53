"""Computers behind one router, each in a network namespace; the router drops what a test says, without a word."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from tests.endtoend.processes import Relay
from tests.endtoend.world import Computer, World, new_world

_PREFIX = "gm-routed"
_PLACES = {"a": 1, "b": 2, "relay": 3}
_RELAY_PORT = 7117
SECONDS = 20


def _ip(*words: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0 or not check, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


@cache
def why_no_namespaces() -> str:
    """Why this computer lets no test make networks of its own; empty where it does."""
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    name = f"{_PREFIX}-{os.getpid()}-try"
    try:
        _ip("netns", "add", name)
        try:
            _ip("-n", name, "rule", "add", "from", "10.0.0.1", "to", "10.0.0.2", "blackhole")
            _ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two")
        finally:
            _ip("netns", "del", name, check=False)
    except (OSError, AssertionError, subprocess.TimeoutExpired) as exc:
        return f"this system makes no network namespaces: {exc}"
    return ""


needs_namespaces = pytest.mark.skipif(bool(why_no_namespaces()), reason=why_no_namespaces() or "it does")


def _remove_stale() -> None:
    """Remove what runs that were killed have left."""
    for line in _ip("netns", "list", check=False).splitlines():
        name = line.split()[0]
        parts = name.split("-")
        if name.startswith(f"{_PREFIX}-") and parts[2].isdigit() and not Path(f"/proc/{parts[2]}").exists():
            _ip("netns", "del", name, check=False)


class Routed:
    """Networks of ``a``, ``b`` and ``relay``, joined by a router; all removed by ``close``."""

    def __init__(self) -> None:
        _remove_stale()
        self._base = f"{_PREFIX}-{os.getpid()}"
        self._stopped: dict[tuple[str, str], bool] = {}
        self.relay_computer: Computer | None = None
        router = self.name("router")
        _ip("netns", "add", router)
        _ip("-n", router, "link", "set", "lo", "up")
        self.execute("router", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        for place, number in _PLACES.items():
            name = self.name(place)
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", router, "link", "add", f"to{number}", "type", "veth", "peer", "name", "out", "netns", name)
            _ip("-n", router, "addr", "add", f"10.77.{number}.1/24", "dev", f"to{number}")
            _ip("-n", router, "link", "set", f"to{number}", "up")
            _ip("-n", name, "addr", "add", f"{self.address(place)}/24", "dev", "out")
            _ip("-n", name, "link", "set", "out", "up")
            _ip("-n", name, "route", "add", "default", "via", f"10.77.{number}.1")

    def name(self, place: str) -> str:
        return f"{self._base}-{place}"

    def address(self, place: str) -> str:
        return f"10.77.{_PLACES[place]}.2"

    def execute(self, place: str, *words: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.name(place), *words], check=True, timeout=SECONDS)

    def cut(self, one: str, other: str) -> None:
        """From now on nothing passes between two places."""
        self.stop_way(one, other)
        self.stop_way(other, one)

    def mend(self, one: str, other: str) -> None:
        """From now on everything passes between two places again."""
        self.let_way(one, other)
        self.let_way(other, one)

    def stop_way(self, here: str, there: str, *, reset: bool = False) -> None:
        """From now on nothing passes from here to there; where ``reset``, who sends is told so."""
        if (here, there) in self._stopped:
            return
        self._stopped[here, there] = reset
        if reset:
            self._refuse()
        else:
            self._rule("add", here, there)

    def let_way(self, here: str, there: str) -> None:
        """From now on everything passes from here to there."""
        if (here, there) not in self._stopped:
            return
        if self._stopped.pop((here, there)):
            self._refuse()
        else:
            self._rule("del", here, there)

    def _refuse(self) -> None:
        """Have the router answer with resets what is stopped so, and nothing else."""
        rules = ["add table ip gm", "delete table ip gm", "add table ip gm"]
        rules.append("add chain ip gm pass { type filter hook forward priority 0; }")
        for (here, there), reset in self._stopped.items():
            if reset:
                networks = [f"10.77.{_PLACES[place]}.0/24" for place in (here, there)]
                where = f"ip saddr {networks[0]} ip daddr {networks[1]}"
                rules.append(f"add rule ip gm pass {where} meta l4proto tcp reject with tcp reset")
        words = ["ip", "netns", "exec", self.name("router"), "nft", "-f", "-"]
        done = subprocess.run(
            words, input="\n".join(rules), capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr

    def _rule(self, verb: str, here: str, there: str) -> None:
        networks = [f"10.77.{_PLACES[place]}.0/24" for place in (here, there)]
        _ip("-n", self.name("router"), "rule", verb, "from", networks[0], "to", networks[1], "blackhole")

    def change_address(self, place: str, last: int) -> None:
        """The computer loses its address and gets another one in the same network, as from another access point."""
        name, number = self.name(place), _PLACES[place]
        _ip("-n", name, "addr", "flush", "dev", "out", "scope", "global")
        _ip("-n", name, "addr", "add", f"10.77.{number}.{last}/24", "dev", "out")
        _ip("-n", name, "route", "add", "default", "via", f"10.77.{number}.1")

    def close(self) -> None:
        for place in (*_PLACES, "router"):
            with suppress(subprocess.TimeoutExpired):
                _ip("netns", "del", self.name(place), check=False)


@contextmanager
def routed_world() -> Iterator[tuple[World, Routed]]:
    """A world whose computers and relay lie in networks of their own; the halves are joined, nothing else runs."""
    with new_world() as world:
        network = Routed()
        try:
            for computer in (world.a, world.b):
                computer.prefix = ["ip", "netns", "exec", network.name(computer.side)]
            start_relay(world, network)
            world.pair()
            yield world, network
            # Ended while their network is there.
            for process in reversed(world.processes):
                process.stop()
        finally:
            network.close()


def start_relay(world: World, network: Routed) -> Relay:
    """Start the relay in its network, also again."""
    if network.relay_computer is None:
        network.relay_computer = Computer(world.base / "r", "relay")
        network.relay_computer.prefix = ["ip", "netns", "exec", network.name("relay")]
    relay: Relay = world.start(
        network.relay_computer,
        *("relay", "--listen", f"{network.address('relay')}:{_RELAY_PORT}", "--state", world.base / "relay"),
        kind=Relay,
    )
    relay.wait_ready()
    world.relay = relay
    return relay
