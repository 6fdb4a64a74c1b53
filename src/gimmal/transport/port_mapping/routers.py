"""The routers through which this computer reaches the internet, as the system's tables name them."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from gimmal.transport.port_mapping.external import Address

_TABLE_MAX = 1 << 20
"""Bytes of a table that are read: one with the routes of the whole internet names its default early, or not to us."""

_UP, _GATEWAY = 0x1, 0x2


@dataclass(frozen=True, slots=True)
class Router:
    """Where packets to everywhere go.

    Attributes:
        address: of the router.
        interface: name of this computer's interface to it.
    """

    address: Address
    interface: str


def read_routers() -> tuple[Router, ...] | None:
    """The default router of IPv4 and that of IPv6, those that there are; None where this system does not tell.

    Reads files: call it in a worker.
    """
    if sys.platform != "linux":
        return None
    found = (router_of_ipv4(_table("/proc/net/route")), router_of_ipv6(_table("/proc/net/ipv6_route")))
    return tuple(router for router in found if router is not None)


def router_of_ipv4(table: str) -> Router | None:
    """The default router with the least metric in the text of ``/proc/net/route``; lines it cannot read are skipped."""
    best: tuple[int, Router] | None = None
    for line in table.splitlines()[1:]:
        words = line.split()
        try:
            interface, destination, gateway, flags, metric, mask = (words[at] for at in (0, 1, 2, 3, 6, 7))
            if int(destination, 16) or int(mask, 16) or int(flags, 16) & (_UP | _GATEWAY) != _UP | _GATEWAY:
                continue
            # Written as the number that the machine sees in the four bytes of the address.
            address = IPv4Address(int(gateway, 16).to_bytes(4, sys.byteorder))
            cost = int(metric)
        except (ValueError, IndexError, OverflowError):
            continue
        if best is None or cost < best[0]:
            best = cost, Router(address, interface)
    return best[1] if best else None


def router_of_ipv6(table: str) -> Router | None:
    """As ``router_of_ipv4``, of ``/proc/net/ipv6_route``."""
    best: tuple[int, Router] | None = None
    for line in table.splitlines():
        words = line.split()
        try:
            destination, length, gateway, metric, flags, interface = (words[at] for at in (0, 1, 4, 5, 8, 9))
            if int(destination, 16) or int(length, 16) or int(flags, 16) & (_UP | _GATEWAY) != _UP | _GATEWAY:
                continue
            address = IPv6Address(int(gateway, 16))
            cost = int(metric, 16)
        except (ValueError, IndexError):
            continue
        if best is None or cost < best[0]:
            best = cost, Router(address, interface)
    return best[1] if best else None


def own_address_towards(router: Router) -> Address | None:
    """This computer's address in the packets that go through ``router``; None where there is none. Sends nothing."""
    family, target = (
        (socket.AF_INET, (str(router.address), 9))
        if router.address.version == 4
        # Towards the router itself it would be one that is good on this link only.
        else (socket.AF_INET6, ("2000::", 9, 0, 0))
    )
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.connect(target)
            text = trial.getsockname()[0]
    except OSError:
        return None
    return IPv4Address(text) if router.address.version == 4 else IPv6Address(text.partition("%")[0])


def _table(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_TABLE_MAX).decode("ascii", "replace")
    except OSError:
        return ""
