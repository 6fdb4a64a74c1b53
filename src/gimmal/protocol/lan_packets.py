"""The packets of multicast DNS that halves exchange, and no others (docs/spec/paths.md, section 3).

What comes from a network was written by anybody. A packet that passes a limit or makes no sense is no error here:
it is not for us, and reading it gives nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct

PACKET_MAX = 1500
QUESTIONS_MAX = 16
RECORDS_MAX = 32
LABELS_MAX = 32
NAME_MAX = 255
ADDRESSES_MAX = 16
LIFE_SECONDS = 10

_TYPE_A, _TYPE_AAAA, _TYPE_SRV, _TYPE_ANY = 1, 28, 33, 255
_CLASS_IN, _CLASS_ANY, _CLASS_MASK, _UNICAST = 1, 255, 0x7FFF, 0x8000
_RESPONSE, _OPCODE_MASK, _ANSWER_FLAGS = 0x8000, 0x7800, 0x8400
_POINTER, _LABEL_MAX = 0xC0, 63
_MAPPED = bytes(10) + b"\xff\xff"
"""In front of an IPv4 address: all addresses here have 16 bytes."""

_header = Struct(">6H")
_question = Struct(">2H")
_record = Struct(">2HIH")
_service = Struct(">3H")

Name = tuple[bytes, ...]
"""Labels of a DNS name in lower case, the root left out."""


@dataclass(frozen=True, slots=True)
class Question:
    """A packet that asks.

    Attributes:
        names: those asked for as a service of the Internet.
        unicast: whether an answer to the asker alone is enough.
    """

    id: int
    names: tuple[Name, ...]
    unicast: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is said to be.

    Attributes:
        host: the name of its computer, as said.
        address: 16 bytes; an IPv4 address mapped into IPv6.
        port: 0 to 65535.
    """

    host: Name
    address: bytes
    port: int


def service_name(label: str) -> Name:
    """The name that is asked for."""
    return (label.encode("ascii"), b"_gimmal", b"_tcp", b"local")


def host_name(proof: str) -> Name:
    """The name of the computer in an answer."""
    return (proof.encode("ascii"), b"local")


def encode_question(name: Name, *, unicast: bool) -> bytes:
    """The packet that asks for a service; ``unicast`` where an answer to the asker alone is enough."""
    network = _CLASS_IN | _UNICAST if unicast else _CLASS_IN
    return _header.pack(0, 0, 1, 0, 0, 0) + _encoded(name) + _question.pack(_TYPE_SRV, network)


def encode_answer(question_id: int, name: Name, place: Place) -> bytes:
    """The packet that says where a service is."""
    host = _encoded(place.host)
    mapped = place.address.startswith(_MAPPED)
    kind, address = (_TYPE_A, place.address[len(_MAPPED) :]) if mapped else (_TYPE_AAAA, place.address)
    service = _service.pack(0, 0, place.port) + host
    return b"".join(
        (
            _header.pack(question_id, _ANSWER_FLAGS, 0, 1, 0, 1),
            _encoded(name) + _record.pack(_TYPE_SRV, _CLASS_IN, LIFE_SECONDS, len(service)) + service,
            host + _record.pack(kind, _CLASS_IN, LIFE_SECONDS, len(address)) + address,
        )
    )


def read_question(packet: bytes) -> Question | None:
    """The names a packet asks for; None if it is no question."""
    if len(packet) > PACKET_MAX or len(packet) < _header.size:
        return None
    number, flags, count = _header.unpack_from(packet)[:3]
    if flags & (_RESPONSE | _OPCODE_MASK) or not 0 < count <= QUESTIONS_MAX:
        return None
    at = _header.size
    names: list[Name] = []
    unicast = True
    try:
        for _ in range(count):
            name, at = _read_name(packet, at)
            kind, network = _question.unpack_from(_piece(packet, at, _question.size))
            at += _question.size
            if kind in (_TYPE_SRV, _TYPE_ANY) and network & _CLASS_MASK in (_CLASS_IN, _CLASS_ANY):
                names.append(name)
                unicast = unicast and bool(network & _UNICAST)
    except _NotForUs:
        return None
    return Question(number, tuple(names), unicast)


def read_answer(packet: bytes, name: Name) -> tuple[Place, ...]:
    """Where a packet says the service ``name`` is; at most ``ADDRESSES_MAX`` places, none for any other packet."""
    if len(packet) > PACKET_MAX or len(packet) < _header.size:
        return ()
    _number, flags, questions, *records = _header.unpack_from(packet)
    if not flags & _RESPONSE or flags & _OPCODE_MASK or questions > QUESTIONS_MAX or sum(records) > RECORDS_MAX:
        return ()
    services: list[tuple[Name, int]] = []
    addresses: list[tuple[Name, bytes]] = []
    at = _header.size
    try:
        for _ in range(questions):
            _name, at = _read_name(packet, at)
            _piece(packet, at, _question.size)
            at += _question.size
        for _ in range(sum(records)):
            at = _read_record(packet, at, name, services, addresses)
    except _NotForUs:
        return ()
    places = (Place(host, address, port) for host, port in services for named, address in addresses if named == host)
    return tuple(dict.fromkeys(places))[:ADDRESSES_MAX]


class _NotForUs(Exception):
    """The packet makes no sense."""


def _read_record(
    packet: bytes, at: int, name: Name, services: list[tuple[Name, int]], addresses: list[tuple[Name, bytes]]
) -> int:
    """Keep a record that matters; returns where the next one begins."""
    owner, at = _read_name(packet, at)
    kind, network, life, length = _record.unpack_from(_piece(packet, at, _record.size))
    at += _record.size
    data = _piece(packet, at, length)
    end: int = at + length
    if network & _CLASS_MASK != _CLASS_IN or not life:
        return end
    if kind == _TYPE_SRV and owner == name:
        _priority, _weight, port = _service.unpack_from(_piece(packet, at, _service.size))
        host, after = _read_name(packet, at + _service.size)
        if after != end:
            raise _NotForUs
        services.append((host, port))
    elif kind == _TYPE_A and length == 4:
        addresses.append((owner, _MAPPED + data))
    elif kind == _TYPE_AAAA and length == 16:
        addresses.append((owner, data))
    return end


def _read_name(packet: bytes, at: int) -> tuple[Name, int]:
    """A name, and where reading goes on behind it."""
    labels: list[bytes] = []
    size, after, lowest = 1, -1, at
    while True:
        length = _piece(packet, at, 1)[0]
        if length & _POINTER == _POINTER:
            target = int.from_bytes(_piece(packet, at, 2), "big") & 0x3FFF
            # Only ever further back, so that it ends.
            if target >= lowest:
                raise _NotForUs
            after = at + 2 if after < 0 else after
            at = lowest = target
            continue
        at += 1
        if not length:
            return tuple(labels), at if after < 0 else after
        size += length + 1
        if length > _LABEL_MAX or size > NAME_MAX or len(labels) >= LABELS_MAX:
            raise _NotForUs
        labels.append(_piece(packet, at, length).lower())
        at += length


def _piece(packet: bytes, at: int, length: int) -> bytes:
    piece = packet[at : at + length]
    if len(piece) < length:
        raise _NotForUs
    return piece


def _encoded(name: Name) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in name) + b"\0"
