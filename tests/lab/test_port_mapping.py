"""A half behind a router with NAT, opened by miniupnpd through PCP, NAT-PMP and UPnP; the other half outside.

::

    home 192.168.77.2 ---- lan0 192.168.77.1 | router | wan0 7.7.7.1 ---- 7.7.7.2 outside, with the relay

The addresses outside are of the internet because gimmal and miniupnpd take no others for real; there is no route out
of these namespaces.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.endtoend.processes import Agent, Relay
from tests.endtoend.world import RUN, World, new_world, until
from tests.lab.namespaces import Namespace, find_program, leftovers, namespaces, plug
from tests.patience import within

INSIDE, OUTSIDE = "7.7.7.1", "7.7.7.2"
RULES = """
table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain input { type filter hook input priority 0; policy accept; }
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname "lan0" accept
    jump miniupnpd
  }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 100; oifname "wan0" masquerade; }
}
"""
VERSION_BYTE = {"pcp": 2, "nat-pmp": 0}
"""First byte of a packet to port 5351."""


@dataclass
class Lab:
    """The three computers, and a world whose half a is at home and whose half b is outside."""

    home: Namespace
    router: Namespace
    outside: Namespace
    world: World
    folder: Path
    daemon: subprocess.Popen[bytes] | None = field(default=None)

    def start_daemon(self, *, upnp: bool = True, pcp_and_nat_pmp: bool = True) -> None:
        """Start miniupnpd, and wait until it answers."""
        words = {True: "yes", False: "no"}
        config = self.folder / "miniupnpd.conf"
        config.write_text(
            "ext_ifname=wan0\nlistening_ip=lan0\nhttp_port=5000\n"
            f"enable_upnp={words[upnp]}\nenable_natpmp={words[pcp_and_nat_pmp]}\n"
            "system_uptime=no\nsecure_mode=yes\nnotify_interval=60\nmin_lifetime=120\nmax_lifetime=86400\n"
            "uuid=7d3a0c5e-3a55-4f0e-9d52-3a1f0c2b9a11\n"
            "allow 1024-65535 192.168.77.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"
        )
        program = find_program("miniupnpd")
        assert program is not None
        with (self.folder / "miniupnpd.log").open("ab") as log:
            self.daemon = self.router.start(
                program, "-d", "-f", str(config), "-P", str(self.folder / "pid"), stdout=log, stderr=log
            )
        # Where it listens is seen in the table of sockets.
        port = ":1900" if upnp else ":5351"
        until(lambda: port in self.router.run("ss", "-nul"), "miniupnpd")

    def kill_daemon(self) -> None:
        """As a router that loses its power: what it had mapped is gone with it."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait()
        for chain in ("miniupnpd", "prerouting_miniupnpd"):
            self.router.run("nft", "flush", "chain", "inet", "filter", chain)

    def only(self, protocol: str) -> None:
        """Let the router answer to one protocol of port 5351."""
        (other,) = set(VERSION_BYTE) - {protocol}
        rule = f"udp dport 5351 @th,64,8 {VERSION_BYTE[other]} drop"
        self.router.run("nft", "add", "rule", "inet", "filter", "input", *rule.split())

    def mapped(self) -> bool:
        """Whether the router lets anything in."""
        return "dnat" in self.router.run("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd")

    def up(self, *more: str) -> Agent:
        """Plug in at home."""
        shared = self.world.a.folder("shared")
        return self.world.up(self.world.a, shared, more=more, listen=None, driver=self.home.driver(RUN))

    def list_direct(self, code: int = 0) -> list[str]:
        """The shares, as the other side sees them without the relay."""
        command = ("ls", ":", "--path", "direct")
        return self.world.run(self.world.b, *command, driver=self.outside.driver(RUN), code=code).lines


@contextmanager
def made_lab(folder: Path) -> Iterator[Lab]:
    with namespaces("home", "router", "outside", also=("miniupnpd", "ss")) as (home, router, outside):
        plug(home, "lan0", "192.168.77.2/24", router, "lan0", "192.168.77.1/24")
        plug(router, "wan0", f"{INSIDE}/24", outside, "wan0", f"{OUTSIDE}/24")
        home.run("ip", "route", "add", "default", "via", "192.168.77.1")
        router.forward()
        router.run("nft", "-f", "-", stdin=RULES)
        with new_world() as world:
            relay: Relay = world.start(
                world.b,
                "relay",
                "--listen",
                f"{OUTSIDE}:7117",
                "--state",
                world.base / "relay",
                kind=Relay,
                driver=outside.driver(RUN),
            )
            relay.wait_ready()
            world.relay = relay
            world.pair()
            yield Lab(home, router, outside, world, folder)
    assert not leftovers()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with made_lab(tmp_path) as made:
        yield made


@pytest.mark.parametrize("by", ["pcp", "nat-pmp", "upnp"])
def test_the_other_side_comes_in_through_the_router(lab: Lab, by: str) -> None:
    lab.start_daemon(upnp=by == "upnp", pcp_and_nat_pmp=by != "upnp")
    if by != "upnp":
        lab.only(by)
    agent = lab.up()
    ready = time.monotonic()
    shown = agent.wait_line("port mapping: ")
    assert within(time.monotonic() - ready, 4.0, f"port mapped by {by}, seconds after ready")
    address, _by, said = shown.partition(" by ")
    assert said == by
    assert address.startswith(f"{INSIDE}:")
    assert lab.mapped()
    until(lambda: lab.world.agent_status(lab.world.a)["relays"][0]["connected"], "connected relay")
    assert lab.list_direct() == ["shared/"]
    status = lab.world.run(lab.world.a, "status", driver=lab.home.driver(RUN), code=None)
    assert f"port mapping: {address} by {by}" in status.lines
    value = lab.world.agent_status(lab.world.a)["port_mapping"]
    assert value == {"addresses": [{"address": address, "by": by}], "reason": ""}
    agent.stop()
    until(lambda: not lab.mapped(), "the router is as it was")


def test_with_all_protocols_at_once_one_maps(lab: Lab) -> None:
    lab.start_daemon()
    agent = lab.up()
    assert agent.wait_line("port mapping: ").partition(" by ")[2] in ("pcp", "nat-pmp")
    rules = lab.router.run("nft", "list", "chain", "inet", "filter", "prerouting_miniupnpd")
    assert rules.count("dnat") == 1, rules


def test_a_killed_agent_leaves_nothing_of_upnp(lab: Lab) -> None:
    lab.start_daemon(pcp_and_nat_pmp=False)
    agent = lab.up()
    agent.wait_line("port mapping: ")
    agent.kill()
    until(lambda: not lab.mapped(), "the router is as it was")


@pytest.mark.parametrize("upnp", [False, True])
def test_pulling_the_half_out_closes_the_router(lab: Lab, upnp: bool) -> None:
    lab.start_daemon(upnp=upnp, pcp_and_nat_pmp=not upnp)
    agent = lab.up()
    agent.wait_line("port mapping: ")
    os.rename(lab.world.a.half, lab.world.a.base / "pulled")
    assert agent.wait().code == 0
    seconds = until(lambda: not lab.mapped(), "the router is as it was")
    assert within(seconds, 1.0)


def test_a_router_that_begins_anew_is_asked_anew(lab: Lab) -> None:
    lab.start_daemon(upnp=False)
    agent = lab.up()
    agent.wait_line("port mapping: ")
    lab.kill_daemon()
    assert not lab.mapped()
    lab.start_daemon(upnp=False)
    seconds = until(lab.mapped, "mapped anew")
    assert within(seconds, 10.0, "router began anew: mapped again after")
    assert lab.list_direct() == ["shared/"]
    assert agent.running


def test_a_router_that_gives_nothing_is_told_and_nothing_else_changes(lab: Lab) -> None:
    lab.up()
    status = until_settled(lab)
    assert status == {"addresses": [], "reason": "the router does not answer to PCP, NAT-PMP or UPnP"}
    lab.list_direct(code=7)
    relayed = lab.world.run(lab.world.b, "ls", ":", driver=lab.outside.driver(RUN))
    assert relayed.lines == ["shared/"]


def test_a_keeper_may_forbid_it(lab: Lab) -> None:
    lab.start_daemon()
    lab.up("--no-mapping")
    until(lambda: lab.world.agent_status(lab.world.a)["relays"][0]["connected"], "connected relay")
    status = lab.world.agent_status(lab.world.a)["port_mapping"]
    assert status == {"addresses": [], "reason": "switched off by --no-mapping"}
    assert not lab.mapped()


def test_a_cable_that_is_pulled_is_noticed(lab: Lab) -> None:
    lab.start_daemon(upnp=False)
    agent = lab.up()
    agent.wait_line("port mapping: ")
    lab.home.run("ip", "link", "set", "lan0", "down")
    # Which comes first, the router's silence or the missing route, is the system's to say.
    assert agent.wait_line("port mapping: none, ") in ("this computer has no router", "the router does not answer")
    lab.home.run("ip", "link", "set", "lan0", "up")
    lab.home.run("ip", "route", "add", "default", "via", "192.168.77.1")
    agent.wait_line("port mapping: ", after=2)


def until_settled(lab: Lab) -> object:
    """What the agent says of its mapping once it no longer asks."""

    def status() -> dict[str, object]:
        found: dict[str, object] = lab.world.agent_status(lab.world.a)["port_mapping"]
        return found

    until(lambda: status()["reason"] != "the router is being asked", "asked")
    return status()
