"""Two homes and a relay, each behind what a test puts there, with an internet between them.

::

    a 192.168.1.2 -- router a 7.7.1.2 ~~ 7.7.1.1 |          | 7.7.2.1 ~~ 7.7.2.2 router b -- 192.168.2.2 b
                                                 | internet |
                            relay 7.7.3.2 ------- 7.7.3.1

The lines marked ``~~`` take 6 ms each way, by the emulator of the bench: on a line that takes no time a router refuses
before the other side has begun. Addresses are of the internet because gimmal takes others for private; nothing leads
out of here.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.line import compile_emulator, run_emulator
from bench.ssh_rig import Missing

from tests.endtoend.processes import Agent, Relay
from tests.endtoend.world import Computer, World, new_world
from tests.lab.namespaces import Namespace, leftovers, namespaces, plug

DELAY_SECONDS = 0.006
RELAY = "7.7.3.2"
SIDES = ("a", "b")

MASQUERADE = """
table ip home {
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname "wan*" masquerade %s
  }
}
"""
"""What most routers do: a connection keeps its port where that is free."""

FIREWALL = """
table inet wall {
  chain input {
    type filter hook input priority 0; policy accept;
    ct state established,related accept
    iifname "wan*" meta l4proto { tcp, udp } drop
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    iifname "wan*" meta l4proto { tcp, udp } drop
  }
}
"""
"""What comes by itself is dropped without a word."""


@dataclass(frozen=True)
class Home:
    """What is between a computer and the internet.

    Attributes:
        nat: its router translates addresses.
        wall: and drops what nobody asked for; without it the router refuses what is for none of its computers.
        random: and gives each connection another port.
        twice: and the provider translates once more, into the router's place.
        ipv6: there are addresses of IPv6 too, which nobody translates.
    """

    nat: bool = True
    wall: bool = True
    random: bool = False
    twice: bool = False
    ipv6: bool = False


@dataclass
class Network:
    """Both computers, their routers, and the relay; all gone at the end."""

    world: World
    homes: dict[str, Namespace]
    routers: dict[str, list[Namespace]]
    """Of each side, from home outwards."""
    internet: Namespace
    relay_place: Namespace

    def address(self, side: str) -> str:
        """Where a computer is seen."""
        return f"7.7.{SIDES.index(side) + 1}.2"

    def up(self, side: str, *more: str) -> Agent:
        """Plug in."""
        computer = getattr(self.world, side)
        return self.world.up(computer, computer.folder("shared"), more=more, listen=None)

    def relayed_bytes(self) -> int:
        """Bytes that have come to the relay, of all packets."""
        (device,) = json.loads(self.relay_place.run("ip", "-s", "-j", "link", "show", "dev", "eth0"))
        return int(device["stats64"]["rx"]["bytes"])

    def cut(self) -> None:
        """From now on packets between the homes are dropped; those to and from the relay pass."""
        self.internet.run("nft", "-f", "-", stdin=_CUT)

    def mend(self) -> None:
        """As it was before ``cut``."""
        self.internet.run("nft", "delete", "table", "inet", "cut")


_CUT = """
table inet cut {
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "wan*" oifname "wan*" drop
  }
}
"""


@contextmanager
def punched_network(a: Home, b: Home) -> Iterator[Network]:
    """Networks of these kinds; the halves are joined and the relay runs. Skips the test where there can be none."""
    names = [f"{side}{place}" for side in SIDES for place in ("", "-router", "-provider")]
    with namespaces(*names, "internet", "relay", also=("gcc",)) as made, ExitStack() as undo:
        *places, internet, relay = made
        homes = dict(zip(SIDES, (places[0], places[3]), strict=True))
        routers = {"a": places[1:2], "b": places[4:5]}
        emulator = _compile(Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="gm-line-"))))
        plug(relay, "eth0", f"{RELAY}/24", internet, "torelay", "7.7.3.1/24")
        relay.run("ip", "route", "add", "default", "via", "7.7.3.1")
        _forward(internet)
        for number, (side, home) in enumerate(zip(SIDES, (a, b), strict=True), 1):
            if home.twice:
                routers[side] = places[3 * number - 2 : 3 * number]
            undo.enter_context(_wire(emulator, number, home, homes[side], routers[side], internet))
        with new_world() as world:
            world.a.prefix, world.b.prefix = homes["a"].words(), homes["b"].words()
            _start_relay(world, relay)
            world.pair()
            yield Network(world, homes, routers, internet, relay)
            # Ended while their network is there.
            for process in reversed(world.processes):
                process.stop()
    assert not leftovers()


def _start_relay(world: World, place: Namespace) -> None:
    computer = Computer(world.base / "r", "relay")
    computer.prefix = place.words()
    relay: Relay = world.start(
        computer, "relay", "--listen", f"{RELAY}:7117", "--state", world.base / "relay", kind=Relay
    )
    relay.wait_ready()
    world.relay = relay


@contextmanager
def _wire(
    emulator: str, number: int, home: Home, computer: Namespace, routers: list[Namespace], internet: Namespace
) -> Iterator[None]:
    """Lay the cables of one side, from its computer to the internet."""
    inner, outer = routers[0], routers[-1]
    inside = f"192.168.{number}" if home.nat else f"7.7.1{number}"
    plug(computer, "eth0", f"{inside}.2/24", inner, "lan", f"{inside}.1/24")
    computer.run("ip", "route", "add", "default", "via", f"{inside}.1")
    if outer is not inner:
        plug(inner, "wan0", f"100.64.{number}.2/24", outer, "lan", f"100.64.{number}.1/24")
        inner.run("ip", "route", "add", "default", "via", f"100.64.{number}.1")
    device = f"wan{number}"
    with _line(emulator, outer, internet, device):
        for place, last in ((outer, 2), (internet, 1)):
            place.run("ip", "address", "add", f"7.7.{number}.{last}/24", "dev", device)
            place.run("ip", "link", "set", device, "mtu", "1500", "up")
        outer.run("ip", "route", "add", "default", "dev", device)
        if not home.nat:
            internet.run("ip", "route", "add", f"{inside}.0/24", "dev", device)
        if home.ipv6:
            _add_ipv6(number, computer, inner, internet, device)
        for router in routers:
            _forward(router)
            if home.nat:
                router.run("nft", "-f", "-", stdin=MASQUERADE % ("fully-random" if home.random else ""))
            if home.wall:
                router.run("nft", "-f", "-", stdin=FIREWALL)
        yield


def _add_ipv6(number: int, computer: Namespace, router: Namespace, internet: Namespace, device: str) -> None:
    """Addresses of IPv6 at home; those of the line are of the link."""
    for place, last, at in ((computer, 2, "eth0"), (router, 1, "lan")):
        place.run("ip", "address", "add", f"2600:7:{number}::{last}/64", "dev", at, "nodad")
    computer.run("ip", "-6", "route", "add", "default", "via", f"2600:7:{number}::1")
    router.run("ip", "-6", "route", "add", "default", "dev", device)
    internet.run("ip", "-6", "route", "add", f"2600:7:{number}::/64", "dev", device)


@contextmanager
def _line(emulator: str, one: Namespace, other: Namespace, device: str) -> Iterator[None]:
    """A line that takes its time, with a device of this name at either end."""
    figures = [str(int(number)) for number in (DELAY_SECONDS * 1e9, 1e9, 0, 4 << 20, 1)]
    try:
        with run_emulator([emulator, one.path, other.path, device, *figures]):
            yield
    except Missing as exc:
        pytest.skip(f"no line can be laid here: {exc}")


def _compile(folder: Path) -> str:
    try:
        return compile_emulator(folder)
    except (Missing, FileNotFoundError) as exc:
        pytest.skip(f"the emulator of lines cannot be compiled: {exc}")


def _forward(router: Namespace) -> None:
    router.forward()
    router.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
