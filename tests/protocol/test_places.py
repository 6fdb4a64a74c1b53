"""An address and a port in 18 bytes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.places import PLACE_SIZE, Place, pack_place, parse_place, place_of

addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None)
places = st.builds(Place, addresses, st.integers(1, 65_535))


@given(places)
def test_what_is_packed_reads_the_same(place: Place) -> None:
    packed = pack_place(place)
    assert len(packed) == PLACE_SIZE
    assert parse_place(packed) == place


@given(st.binary(max_size=24))
def test_any_bytes_are_a_place_or_refused(packed: bytes) -> None:
    try:
        place = parse_place(packed)
    except ProtocolViolation:
        assert len(packed) != PLACE_SIZE or packed[16:] == b"\0\0"
    else:
        assert pack_place(place) == packed


def test_the_bytes_are_those_published() -> None:
    ipv4 = bytes(10) + b"\xff\xff" + bytes([203, 0, 113, 9]) + b"\x9c\xbb"
    assert pack_place(Place(IPv4Address("203.0.113.9"), 40_123)) == ipv4
    assert str(parse_place(ipv4)) == "203.0.113.9:40123"
    assert str(Place(IPv6Address("2001:db8::7"), 1)) == "[2001:db8::7]:1"


@pytest.mark.parametrize(
    ("host", "address"),
    [("203.0.113.9", "203.0.113.9"), ("::ffff:203.0.113.9", "203.0.113.9"), ("fe80::1%eth0", "fe80::1")],
)
def test_as_a_socket_names_it(host: str, address: str) -> None:
    assert place_of(host, 7) == Place(ip_address(address), 7)


def test_a_name_is_no_place() -> None:
    with pytest.raises(ValueError):
        place_of("example.org", 7)
