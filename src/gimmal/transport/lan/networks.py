"""What is near: addresses and the networks of this computer's interfaces. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address

ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"  # noqa: S104 - compared, not listened on
MAPPED_PREFIX = bytes(10) + b"\xff\xff"

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface of this computer that has addresses of a network.

    Attributes:
        index: the system's number of it.
        addresses: its own, with their networks, without scopes; no loopback.
    """

    name: str
    index: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...]

    def first(self, version: int) -> Address | None:
        """Its address of IP version 4 or 6, in IPv6 the link-local one where it has one; None if there is none."""
        own = [one.ip for one in self.addresses if one.version == version]
        return min(own, key=lambda ip: not ip.is_link_local if version == 6 else 0, default=None)


def parse_address(text: str) -> Address | None:
    """An IP address without its scope, an IPv4 address out of its IPv6 form; None if it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def mapped_bytes(address: Address) -> bytes:
    """The 16 bytes of an address, an IPv4 address mapped into IPv6."""
    return MAPPED_PREFIX + address.packed if address.version == 4 else address.packed


def unmapped(address: bytes) -> Address:
    """The address of 16 bytes from ``mapped_bytes``."""
    parsed = IPv6Address(address)
    return parsed.ipv4_mapped or parsed


def is_near(host: str, interfaces: Iterable[Interface]) -> bool:
    """Whether ``host`` is another computer in a network that this one is in, too."""
    address = parse_address(host)
    if address is None or address.is_loopback:
        return False
    own = [one for interface in interfaces for one in interface.addresses]
    return any(address in one.network for one in own) and all(address != one.ip for one in own)


def is_here(host: str, interfaces: Iterable[Interface]) -> bool:
    """Whether ``host`` is this computer, or one in a network that it is in."""
    address = parse_address(host)
    return address is not None and (
        address.is_loopback or any(address in one.network for interface in interfaces for one in interface.addresses)
    )


def answering_address(interface: Interface, asker: Address, listens: str) -> Address | None:
    """The address at which a listener can be dialled by who asked on an interface; None where it cannot.

    Args:
        asker: where the question came from.
        listens: what the listener is bound to; empty for all addresses.
    """
    version = asker.version
    own = [one for one in interface.addresses if one.version == version]
    if not any(asker in one.network for one in own):
        return None
    if listens in ("", ANY_IPV4, ANY_IPV6):
        if (listens == ANY_IPV4 and version == 6) or (listens == ANY_IPV6 and version == 4):
            return None
        # Of several networks on one interface the asker's own.
        near = [one.ip for one in own if asker in one.network and version == 4]
        return near[0] if near else interface.first(version)
    bound = parse_address(listens)
    return bound if bound is not None and any(bound == one.ip for one in own) else None
