"""Which places are connected from and to (docs/spec/paths.md, sections 7.2 and 7.4). No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network

from gimmal.protocol.places import Address, Place

DOORS_MAX = 4
"""Of one side."""

PAIRS_MAX = DOORS_MAX * DOORS_MAX
"""Connections of one punching that are tried at a time."""

PORT_LEAST = 1024
"""No side connects from a lower one, and nobody's services are to be knocked at."""

_SHARED = [
    ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
]


@dataclass(frozen=True, slots=True)
class View:
    """How a relay sees this side.

    Attributes:
        own: this end of the connection to it.
        seen: where that connection comes from, as the relay says. It may lie.
    """

    own: Place
    seen: Place

    @property
    def keeps_port(self) -> bool:
        """Whether a router in between, if there is one, leaves connections their ports."""
        return self.own.port == self.seen.port


@dataclass(frozen=True, slots=True)
class Door:
    """An address of this computer.

    Attributes:
        own: as this computer knows it.
        outside: as it is outside of the router; the same without one that translates.
    """

    own: Address
    outside: Address


def doors_of(views: Iterable[View], own: Iterable[Address]) -> list[Door]:
    """Where connections may come from such that the port outside is known beforehand; best first.

    Args:
        views: of all relays.
        own: this computer's addresses towards the internet. One of the internet is a door also where no relay sees it:
            of a relay with addresses of both versions a side reaches but one.
    """
    found = [
        Door(view.own.address, view.seen.address)
        for view in views
        if view.keeps_port and view.own.address.version == view.seen.address.version and is_unicast(view.seen.address)
    ]
    seen = {door.own.version for door in found}
    found += [Door(address, address) for address in own if address.is_global and address.version not in seen]
    return list(dict.fromkeys(found))[:DOORS_MAX]


def changes_ports(views: Iterable[View], doors: Iterable[Door]) -> bool:
    """Whether a router leaves this side without a door of some version, because it gives connections other ports.

    Args:
        views: of all relays. Where one sees the port kept, another that does not takes nothing away.
        doors: that there are.
    """
    with_door = {door.own.version for door in doors}
    return any(not view.keeps_port and view.own.address.version not in with_door for view in views)


def may_connect(place: Place, doors: Sequence[Door]) -> bool:
    """Whether a place that the other side named may be connected to, as far as its address tells.

    Never a door of this computer, or what only this computer can reach. Its other addresses and those of its networks
    are for ``Looking.allowed`` to leave out.

    Args:
        place: named by the other side.
        doors: of this side. A place of a private network counts only where this side is seen in such a one itself.
    """
    address = place.address
    if place.port < PORT_LEAST or not is_unicast(address):
        return False
    if any(address in (door.own, door.outside) for door in doors):
        return False
    if address.is_global:
        return True
    return any(address in block and door.outside in block for block in _SHARED for door in doors)


def pairs_of(doors: Sequence[Door], places: Sequence[Place]) -> list[tuple[Door, Place]]:
    """What to connect, in the order of the places, at most PAIRS_MAX."""
    found = [(door, place) for place in places for door in doors if door.own.version == place.address.version]
    return found[:PAIRS_MAX]


def is_unicast(address: Address) -> bool:
    """Whether an address can be that of one computer outside of this one and its cable."""
    if isinstance(address, IPv6Address) and (address.sixtofour or address.teredo or address.is_site_local):
        return False  # other addresses are hidden in them
    return not (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved
    )
