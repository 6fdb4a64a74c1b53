"""An IP address and a TCP port in 18 bytes (docs/spec/paths.md, section 7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from gimmal.base.errors import ProtocolViolation

PLACE_SIZE = 18
"""Bytes: 16 of the address, an IPv4 address mapped into IPv6, and 2 of the port."""

_MAPPED = bytes(10) + b"\xff\xff"

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Place:
    """Where a TCP connection comes from or goes to.

    Attributes:
        address: without a scope; never an IPv4 address in its IPv6 form.
        port: 1 to 65535.
    """

    address: Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"


def place_of(host: str, port: int) -> Place:
    """The place of an address as a socket gives it, perhaps with a scope.

    Raises:
        ValueError: ``host`` is no IP address.
    """
    address = ip_address(host.partition("%")[0])
    return Place((address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address, port)


def pack_place(place: Place) -> bytes:
    """The 18 bytes of a place."""
    packed = place.address.packed
    return (packed if len(packed) == 16 else _MAPPED + packed) + place.port.to_bytes(2, "big")


def parse_place(packed: bytes) -> Place:
    """The place of 18 bytes, of whatever kind its address is.

    Raises:
        ProtocolViolation: another length, or port 0.
    """
    port = int.from_bytes(packed[16:], "big")
    if len(packed) != PLACE_SIZE or not port:
        raise ProtocolViolation("the other side named a place that is none")
    address = IPv6Address(packed[:16])
    return Place(address.ipv4_mapped or address, port)
