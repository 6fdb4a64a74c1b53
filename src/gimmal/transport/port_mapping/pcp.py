"""PCP (RFC 6887), the opcodes ANNOUNCE and MAP: what is sent to a router and what its answers mean. No I/O.

Every length is checked before a field is read. IPv4 addresses travel as IPv4-mapped IPv6 addresses (section 5).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from gimmal.transport.port_mapping.external import Address
from gimmal.transport.port_mapping.failures import MalformedReply, NoMapping

VERSION = 2
NONCE_SIZE = 12
PACKET_MAX = 1100
_ANNOUNCE, _MAP = 0, 1
_ANSWER = 128
_TCP = 6
_REQUEST = struct.Struct(">BBHI16s")
_REPLY = struct.Struct(">BBBBII12x")
_MAPPING = struct.Struct(">12sB3xHH16s")
_MAPPED = bytes(10) + b"\xff\xff"
_UNSUPPORTED_VERSION = 1

_RESULTS = {
    _UNSUPPORTED_VERSION: "the router speaks another version of PCP",
    2: "the router does not allow this port mapping",
    3: "the router could not read the question",
    4: "the router knows no port mappings by PCP",
    5: "the router wants an option that was not given",
    6: "the router could not read an option",
    7: "the router has no connection outside",
    8: "the router has no room for another port mapping",
    9: "the router knows no port mappings for TCP",
    10: "this computer has as many port mappings as the router allows it",
    11: "the router cannot give the port",
    12: "another router is between this computer and the one that was asked",
    13: "the router allows fewer peers",
}


@dataclass(frozen=True, slots=True)
class MapReply:
    """What was mapped (section 11.1).

    Attributes:
        epoch: the router's seconds.
        lifetime: seconds it holds.
        nonce: 12 bytes, that of the request.
        internal: port of this computer.
        external: port outside.
        address: address outside.
    """

    epoch: int
    lifetime: int
    nonce: bytes
    internal: int
    external: int
    address: Address


def announce_request(client: Address) -> bytes:
    """Asks only for an answer, and so for the router's seconds (section 14.1)."""
    return _REQUEST.pack(VERSION, _ANNOUNCE, 0, 0, _packed(client))


def map_request(
    client: Address, nonce: bytes, internal: int, lifetime: int, external: int, address: Address | None
) -> bytes:
    """Asks for a TCP port.

    Args:
        client: this computer's address, the one the packet is sent from.
        nonce: 12 random bytes; only who knows them may change or end the mapping.
        internal: port of this computer.
        lifetime: seconds; 0 ends the mapping.
        external: port wished for, 0 for any.
        address: address outside that is wished for, None for any.
    """
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
    wished = _packed(address) if address is not None else _MAPPED + bytes(4) if client.version == 4 else bytes(16)
    head = _REQUEST.pack(VERSION, _MAP, 0, lifetime, _packed(client))
    return head + _MAPPING.pack(nonce, _TCP, internal, external, wished)


def read_announce_reply(data: bytes) -> int:
    """The router's seconds, of an answer to ``announce_request`` or the same unasked.

    A router that does not know this opcode says so in PCP, which is as good an answer.

    Raises:
        MalformedReply: no such answer.
        NoMapping: it speaks no PCP of this version.
    """
    result, _lifetime, epoch = _head(data, _ANNOUNCE)
    if result == _UNSUPPORTED_VERSION:
        raise NoMapping(_RESULTS[result])
    return epoch


def read_map_reply(data: bytes) -> MapReply:
    """An answer to ``map_request``; whether it is to this one is for the caller to see by ``nonce`` and ``internal``.

    Raises:
        MalformedReply: no such answer.
        NoMapping: the router says no.
    """
    result, lifetime, epoch = _head(data, _MAP)
    if result:
        raise NoMapping(_RESULTS.get(result, f"the router refused with the number {result}"))
    if len(data) < _REPLY.size + _MAPPING.size:
        raise MalformedReply("the router's answer is cut short")
    nonce, protocol, internal, external, address = _MAPPING.unpack_from(data, _REPLY.size)
    if protocol != _TCP:
        raise MalformedReply("the router's answer is of another protocol")
    return MapReply(epoch, lifetime, nonce, internal, external, _unpacked(address))


def _head(data: bytes, opcode: int) -> tuple[int, int, int]:
    """Result, lifetime and seconds of an answer to ``opcode``."""
    if len(data) >= 2 and data[0] == 0 and data[1] & _ANSWER:
        # NAT-PMP answers whatever it cannot read in its own version (RFC 6886, section 3.5).
        raise NoMapping("the router speaks NAT-PMP only")
    if not _REPLY.size <= len(data) <= PACKET_MAX or len(data) % 4:
        raise MalformedReply("the router's answer has a wrong length")
    version, answered, _reserved, result, lifetime, epoch = _REPLY.unpack_from(data)
    if answered != _ANSWER | opcode:
        raise MalformedReply("the router answered something else")
    if version != VERSION:
        raise NoMapping(_RESULTS[_UNSUPPORTED_VERSION])
    return result, lifetime, epoch


def _packed(address: Address) -> bytes:
    return _MAPPED + address.packed if address.version == 4 else address.packed


def _unpacked(data: bytes) -> Address:
    address = IPv6Address(data)
    return address.ipv4_mapped or address
