"""Which places are connected from and to."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.protocol.places import Place, place_of
from gimmal.transport.punching.places import (
    DOORS_MAX,
    PAIRS_MAX,
    Door,
    View,
    changes_ports,
    doors_of,
    may_connect,
    pairs_of,
)

HOME, OUTSIDE = ip_address("192.168.1.2"), ip_address("7.7.1.2")
DOOR = Door(HOME, OUTSIDE)
KEPT = View(place_of("192.168.1.2", 40_000), place_of("7.7.1.2", 40_000))
CHANGED = View(place_of("192.168.1.2", 40_000), place_of("7.7.1.2", 61_234))
IPV6 = ip_address("2600:7:1::2")
addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)
places = st.builds(Place, addresses, st.integers(1, 65_535))


def test_a_router_that_keeps_ports_is_a_door() -> None:
    assert doors_of([KEPT, KEPT], []) == [DOOR]
    assert not changes_ports([KEPT], [])
    open_view = View(KEPT.own, KEPT.own)
    assert doors_of([open_view], []) == [Door(HOME, HOME)]


def test_a_router_that_changes_ports_is_none() -> None:
    assert doors_of([CHANGED], []) == []
    assert changes_ports([CHANGED], [])
    assert doors_of([CHANGED], [IPV6]) == [Door(IPV6, IPV6)]
    assert changes_ports([CHANGED], [Door(IPV6, IPV6)])


def test_a_relay_that_sees_another_port_takes_no_door_away() -> None:
    doors = doors_of([KEPT, CHANGED], [])
    assert doors == [DOOR]
    assert not changes_ports([KEPT, CHANGED], doors)


def test_an_own_address_of_the_internet_is_a_door_where_no_relay_gave_one() -> None:
    seen = View(place_of("2600:7:1::3", 5000), place_of("2600:7:1::3", 5000))
    assert doors_of([KEPT], [IPV6]) == [DOOR, Door(IPV6, IPV6)]
    assert doors_of([seen], [IPV6]) == [Door(seen.own.address, seen.seen.address)]
    # A relay with addresses of both versions is reached by one, and sees that alone.
    assert doors_of([seen], [OUTSIDE, IPV6]) == [Door(seen.own.address, seen.seen.address), Door(OUTSIDE, OUTSIDE)]
    assert doors_of([], [ip_address("fd00::1"), HOME]) == []
    assert doors_of([], []) == []


@pytest.mark.parametrize("lie", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1", "240.0.0.1", "::1"])
def test_a_relay_that_lies_gives_no_door(lie: str) -> None:
    assert doors_of([View(KEPT.own, place_of(lie, 40_000))], []) == []


def test_doors_and_pairs_are_few() -> None:
    views = [View(place_of(f"192.168.1.{n}", 4000), place_of(f"7.7.1.{n}", 4000)) for n in range(2, 40)]
    doors = doors_of(views, [OUTSIDE, IPV6])
    assert len(doors) == DOORS_MAX
    there = [place_of(f"7.7.2.{n}", 4000) for n in range(2, 40)]
    pairs = pairs_of(doors, there)
    assert len(pairs) == PAIRS_MAX
    assert pairs[0] == (doors[0], there[0])
    assert pairs_of(doors, [place_of("2600:7:2::2", 4000)]) == []


@pytest.mark.parametrize(
    ("host", "port", "may"),
    [
        ("7.7.2.2", 40_000, True),
        ("2600:7:2::2", 1024, True),
        ("7.7.2.2", 1023, False),
        ("7.7.2.2", 22, False),
        ("7.7.1.2", 40_000, False),  # this side's own router
        ("192.168.1.2", 40_000, False),
        ("192.168.1.3", 40_000, False),
        ("10.0.0.1", 40_000, False),
        ("100.64.0.1", 40_000, False),
        ("127.0.0.1", 40_000, False),
        ("0.0.0.0", 40_000, False),
        ("255.255.255.255", 40_000, False),
        ("224.0.0.251", 40_000, False),
        ("169.254.1.1", 40_000, False),
        ("::1", 40_000, False),
        ("::", 40_000, False),
        ("fe80::1", 40_000, False),
        ("ff02::fb", 40_000, False),
        ("fd00::1", 40_000, False),
        ("2002:7f00:1::1", 40_000, False),  # 127.0.0.1 by 6to4
        ("64:ff9b::7f00:1", 40_000, False),  # and by NAT64
        ("2001:0:7f00:1::1", 40_000, False),
        ("203.0.113.1", 40_000, False),
    ],
)
def test_only_one_computer_of_the_internet_is_connected_to(host: str, port: int, may: bool) -> None:
    assert may_connect(place_of(host, port), [DOOR]) is may


@pytest.mark.parametrize(
    ("outside", "host", "may"),
    [
        ("100.64.1.2", "100.64.2.2", True),
        ("100.64.1.2", "10.0.0.1", False),
        ("10.1.0.1", "10.2.0.1", True),
        ("fd00::1", "fd01::2", True),
        ("172.16.0.1", "172.32.0.1", True),  # of the internet
        ("172.16.0.1", "192.168.0.1", False),
    ],
)
def test_a_private_place_only_from_the_same_block(outside: str, host: str, may: bool) -> None:
    door = Door(HOME, ip_address(outside))
    assert may_connect(place_of(host, 40_000), [door]) is may


@given(places, st.lists(st.builds(Door, addresses, addresses), max_size=4))
def test_whatever_is_named_nothing_of_this_computer_is_reached(place: Place, doors: list[Door]) -> None:
    if may_connect(place, doors):
        assert place.port >= 1024
        assert not (place.address.is_loopback or place.address.is_multicast or place.address.is_link_local)
        assert not place.address.is_unspecified
        assert all(place.address not in (door.own, door.outside) for door in doors)
        if not place.address.is_global:
            assert any(place.address in block for block in PRIVATE)


PRIVATE = [
    ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]
