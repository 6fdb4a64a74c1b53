"""What a side looks like by both versions of IP, and when relays are looked at for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface

import pytest

from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.places import Address, place_of
from gimmal.transport.lan.asking import LanSearch
from gimmal.transport.lan.networks import Interface
from gimmal.transport.punching import looking
from gimmal.transport.punching.looking import Looking, looking_of
from gimmal.transport.punching.places import Door, View, changes_ports
from tests.transport.helpers import run

HOME, IPV6, PUBLIC = ip_address("192.168.1.2"), ip_address("2600:7:1::2"), ip_address("7.7.9.9")
OUTSIDE = ip_address("7.7.1.2")
BY_IPV6 = View(place_of(str(IPV6), 5000), place_of(str(IPV6), 5000))
BY_IPV4 = View(place_of(str(HOME), 4000), place_of(str(OUTSIDE), 4000))
CHANGED = View(BY_IPV4.own, place_of(str(OUTSIDE), 61_234))


@dataclass
class Second:
    """Sees ``shows`` where it is looked."""

    shows: View | None
    tasks: Tasks
    view: View | None = None
    looks: list[int] = field(default_factory=list)

    def begin(self, version: int) -> asyncio.Task[None] | None:
        self.looks.append(version)
        return self.tasks.start(self._look(), "look") if len(self.looks) == 1 else None

    async def _look(self) -> None:
        await asyncio.sleep(0)
        self.view = self.shows


@dataclass
class Relay:
    view: View | None
    second: Second


def relay_of(view: View | None, shows: View | None = None) -> Relay:
    return Relay(view, Second(shows, Tasks()))


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> list[Address]:
    addresses: list[Address] = [HOME, IPV6]
    monkeypatch.setattr(looking, "own_addresses", lambda: list(addresses))
    return addresses


def test_a_home_whose_relay_is_reached_by_ipv6_learns_its_door_of_ipv4(own: list[Address]) -> None:
    async def main() -> None:
        relay = relay_of(BY_IPV6, BY_IPV4)
        seen = looking_of([relay], None)
        assert await seen.doors() == [Door(IPV6, IPV6), Door(HOME, OUTSIDE)]
        assert relay.second.looks == [4]
        assert await seen.doors() == [Door(IPV6, IPV6), Door(HOME, OUTSIDE)], "a look that is not had again"

    run(main())


def test_a_router_that_changes_the_ports_of_the_other_version_is_named(own: list[Address]) -> None:
    async def main() -> None:
        seen = looking_of([relay_of(BY_IPV6, CHANGED)], None)
        doors = [Door(IPV6, IPV6)]
        assert not changes_ports(seen.views(), doors)
        assert await seen.doors() == doors
        assert changes_ports(seen.views(), doors)

    run(main())


@pytest.mark.parametrize(
    ("views", "addresses"),
    [
        ([BY_IPV4], [HOME]),
        ([BY_IPV4], [HOME, IPV6]),
        ([BY_IPV6], [IPV6]),
        ([BY_IPV6], [PUBLIC, IPV6]),
        ([BY_IPV6, BY_IPV4], [HOME, IPV6]),
        ([None], [HOME, IPV6]),
        ([], [HOME, IPV6]),
    ],
    ids=["one version", "ipv6 as it is", "no ipv4", "ipv4 as it is", "another relay", "proxy or away", "no relay"],
)
def test_no_relay_is_looked_at_where_that_tells_nothing(
    own: list[Address], views: list[View | None], addresses: list[Address]
) -> None:
    async def main() -> None:
        own[:] = addresses
        relays = [relay_of(view) for view in views]
        await looking_of(relays, None).doors()
        assert not any(relay.second.looks for relay in relays)

    run(main())


def test_of_several_relays_those_that_are_reached_are_looked_at(own: list[Address]) -> None:
    async def main() -> None:
        relays = [relay_of(BY_IPV6), relay_of(None), relay_of(BY_IPV6, BY_IPV4)]
        assert Door(HOME, OUTSIDE) in await looking_of(relays, None).doors()
        assert [relay.second.looks for relay in relays] == [[4], [], [4]]

    run(main())


def test_without_relays_to_look_at_the_views_are_all_there_is(own: list[Address]) -> None:
    async def main() -> None:
        assert await Looking(lambda: [BY_IPV4]).doors() == [Door(HOME, OUTSIDE), Door(IPV6, IPV6)]

    run(main())


NETWORKS = (
    Interface("eth0", 2, tuple(map(ip_interface, ("192.168.1.2/24", "2600:7:1::2/64", "fe80::2/64")))),
    Interface("tunnel", 3, tuple(map(ip_interface, ("10.9.0.1/16", "7.7.8.8/32", "2600:7:8::8/128")))),
)


def in_networks(views: list[View], workers: Workers) -> Looking:
    """A side with the real knowledge of these networks."""
    return looking_of(
        [relay_of(view) for view in views], LanSearch(bytes(32), "a", workers, asks=False, read=_networks)
    )


def _networks() -> tuple[Interface, ...]:
    return NETWORKS


@pytest.mark.parametrize(
    ("host", "may"),
    [
        ("2600:7:1::9", False),  # a printer of the household, that the router keeps from the internet
        ("192.168.1.9", False),
        ("10.9.3.3", False),
        ("2600:7:8::8", False),  # this computer's own, by a tunnel
        ("7.7.8.8", False),
        ("7.7.9.9", False),  # its own towards the internet, which no door has
        ("2600:7:2::9", True),
        ("7.7.2.2", True),
        ("10.10.0.7", True),
    ],
)
def test_neither_this_computer_nor_what_is_near_is_connected_to_at_the_other_sides_word(
    own: list[Address], host: str, may: bool
) -> None:
    async def main() -> None:
        own[:] = [PUBLIC]
        workers = Workers()
        by_tunnel = View(place_of("10.9.0.1", 4000), place_of("10.9.0.1", 4000))
        seen = in_networks([BY_IPV4, BY_IPV6, by_tunnel], workers)
        doors = [Door(HOME, OUTSIDE), Door(IPV6, IPV6), Door(by_tunnel.own.address, by_tunnel.own.address)]
        place = place_of(host, 9100)
        assert await seen.allowed([place, place], doors) == ([place] if may else [])
        workers.close()

    run(main())


def test_without_knowledge_of_the_networks_this_computer_is_still_left_out(own: list[Address]) -> None:
    async def main() -> None:
        own[:] = [PUBLIC]
        places = [place_of(str(PUBLIC), 9100), place_of("7.7.2.2", 9100)]
        assert await looking_of([], None).allowed(places, [Door(IPV6, IPV6)]) == places[1:]

    run(main())
