"""What counts as one source: an IPv4 address, or the /64 of an IPv6 address."""

from __future__ import annotations

from ipaddress import IPv6Address


def source_of(address: str) -> str:
    """The source an address belongs to.

    Args:
        address: as the socket gives it, perhaps with a zone.
    """
    if ":" not in address:
        return address
    parsed = IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
