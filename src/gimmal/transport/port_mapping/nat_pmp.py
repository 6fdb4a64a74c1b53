"""NAT-PMP (RFC 6886): what is sent to a router and what its answers mean. No I/O.

Every length is checked before a field is read; an answer with a result other than 0 raises ``NoMapping``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from gimmal.transport.port_mapping.failures import MalformedReply, NoMapping

VERSION = 0
_ADDRESS, _MAP_TCP = 0, 2
_ANSWER = 128
_PCP_VERSION = 2
_HEAD = struct.Struct(">BBHI")
_ADDRESS_REPLY = struct.Struct(">BBHI4s")
_MAP_REPLY = struct.Struct(">BBHIHHI")
_MAP_REQUEST = struct.Struct(">BBHHHI")

_RESULTS = {
    1: "the router speaks another version of NAT-PMP",
    2: "the router does not allow port mappings",
    3: "the router has no address outside",
    4: "the router has no room for another port mapping",
    5: "the router knows no port mappings for TCP",
}


@dataclass(frozen=True, slots=True)
class AddressReply:
    """The router's address outside, and its seconds since it began to count (section 3.2)."""

    epoch: int
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class MapReply:
    """What was mapped (section 3.3).

    Attributes:
        epoch: the router's seconds.
        internal: port of this computer.
        external: port of the router; 0 where a mapping was ended.
        lifetime: seconds it holds.
    """

    epoch: int
    internal: int
    external: int
    lifetime: int


def address_request() -> bytes:
    """Asks for the address outside."""
    return bytes((VERSION, _ADDRESS))


def map_request(internal: int, external: int, lifetime: int) -> bytes:
    """Asks for a TCP port.

    Args:
        internal: port of this computer.
        external: port wished for; the router may give another. 0 to end a mapping.
        lifetime: seconds; 0 ends the mapping.
    """
    return _MAP_REQUEST.pack(VERSION, _MAP_TCP, 0, internal, external, lifetime)


def read_address_reply(data: bytes) -> AddressReply:
    """An answer to ``address_request``, or the same unasked, when the address changed or the router began anew.

    Raises:
        MalformedReply: no such answer.
        NoMapping: the router says no.
    """
    _check(data, _ADDRESS, _ADDRESS_REPLY.size)
    _version, _operation, _result, epoch, address = _ADDRESS_REPLY.unpack(data)
    return AddressReply(epoch, IPv4Address(address))


def read_map_reply(data: bytes) -> MapReply:
    """An answer to ``map_request``; whether it is to this one is for the caller to see by ``internal``.

    Raises:
        MalformedReply: no such answer.
        NoMapping: the router says no.
    """
    _check(data, _MAP_TCP, _MAP_REPLY.size)
    _version, _operation, _result, epoch, internal, external, lifetime = _MAP_REPLY.unpack(data)
    return MapReply(epoch, internal, external, lifetime)


def _check(data: bytes, operation: int, size: int) -> None:
    if len(data) >= 2 and data[0] == _PCP_VERSION and data[1] & _ANSWER:
        raise NoMapping("the router speaks PCP only")
    if not _HEAD.size <= len(data) <= size:
        raise MalformedReply("the router's answer has a wrong length")
    version, answered, result, _epoch = _HEAD.unpack_from(data)
    if version != VERSION or answered != _ANSWER | operation:
        raise MalformedReply("the router answered something else")
    if result:
        # A refusal may end behind the head (section 3.5).
        raise NoMapping(_RESULTS.get(result, f"the router refused with the number {result}"))
    if len(data) != size:
        raise MalformedReply("the router's answer is cut short")
