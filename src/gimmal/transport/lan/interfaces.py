"""Reading this computer's interfaces."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from gimmal.transport.lan.netlink import read_addresses
from gimmal.transport.lan.networks import Interface

logger = logging.getLogger("gimmal.transport")

INTERFACES_MAX = 16
"""A computer with many containers has many more; those with an IPv4 address come first."""

Numbered = tuple[int, IPv4Interface | IPv6Interface]


def read_interfaces() -> tuple[Interface, ...]:
    """Interfaces with addresses of networks, loopback apart; may block, and is empty where the system does not say."""
    try:
        return _grouped(read_addresses())
    except OSError as exc:
        logger.debug("netlink does not tell the interfaces: %s", exc)
    try:
        return _grouped(_read_by_library())
    except OSError as exc:
        logger.debug("the interfaces cannot be read: %s", exc)
        return ()


def _grouped(addresses: Iterable[Numbered]) -> tuple[Interface, ...]:
    own: dict[int, list[IPv4Interface | IPv6Interface]] = {}
    for index, address in addresses:
        if not address.ip.is_loopback and not address.ip.is_unspecified:
            own.setdefault(index, []).append(address)
    found = [Interface(socket.if_indextoname(index), index, tuple(of)) for index, of in own.items()]
    found.sort(key=lambda interface: all(one.version == 6 for one in interface.addresses))
    return tuple(found[:INTERFACES_MAX])


def _read_by_library() -> list[Numbered]:
    # Importing it costs a command more than all else here.
    import psutil

    found = []
    for name, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family in (socket.AF_INET, socket.AF_INET6):
                own = _with_network(address.address, address.netmask)
                if own is not None:
                    found.append((socket.if_nametoindex(name), own))
    return found


def _with_network(address: str, netmask: str | None) -> IPv4Interface | IPv6Interface | None:
    try:
        ip = ip_address(address.partition("%")[0])
        bits = int(ip_address(netmask)).bit_count() if netmask else ip.max_prefixlen
        return ip_interface(f"{ip}/{bits}")
    except ValueError:
        return None
