"""Which external addresses are worth telling the other side."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from gimmal.transport.port_mapping.failures import NoMapping

Address = IPv4Address | IPv6Address


def is_of_the_internet(address: Address) -> bool:
    """Whether anybody on the internet can dial it: not private, shared (100.64/10), local, reserved or multicast."""
    return address.is_global and not address.is_multicast


def require_of_the_internet(address: Address) -> Address:
    """``address`` itself.

    Raises:
        NoMapping: the router's own address is behind another router, so that a port of it leads nowhere from outside.
    """
    if address.is_unspecified:
        raise NoMapping("the router has no address outside")
    if not is_of_the_internet(address):
        raise NoMapping(f"the router's own address {address} cannot be reached from the internet")
    return address
