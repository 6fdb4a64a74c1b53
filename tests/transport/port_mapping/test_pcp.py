"""PCP on the wire, by the layouts of RFC 6887."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gimmal.transport.port_mapping.failures import MalformedReply, NoMapping
from gimmal.transport.port_mapping.pcp import (
    PACKET_MAX,
    MapReply,
    announce_request,
    map_request,
    read_announce_reply,
    read_map_reply,
)

NONCE = bytes(range(12))
CLIENT = IPv4Address("192.168.1.20")
MAPPED_CLIENT = "00000000000000000000ffff c0a80114"
ANNOUNCED = bytes.fromhex("02 80 00 00 00000000 00000e10 000000000000000000000000")
MAPPED = bytes.fromhex(
    "02 81 00 00 00001c20 00000e10 000000000000000000000000"
    "000102030405060708090a0b 06 000000 1004 9c40 00000000000000000000ffff cb007107"
)


def test_requests_are_these_bytes() -> None:
    assert announce_request(CLIENT) == bytes.fromhex("02 00 0000 00000000" + MAPPED_CLIENT)
    assert map_request(CLIENT, NONCE, 4100, 3600, 40000, None) == bytes.fromhex(
        f"02 01 0000 00000e10 {MAPPED_CLIENT}"
        "000102030405060708090a0b 06 000000 1004 9c40 00000000000000000000ffff 00000000"
    )
    assert map_request(CLIENT, NONCE, 4100, 0, 0, IPv4Address("203.0.113.7"))[44:] == bytes.fromhex(
        "00000000000000000000ffff cb007107"
    )


def test_ipv6_travels_as_it_is() -> None:
    client = IPv6Address("2001:db8::5")
    request = map_request(client, NONCE, 4100, 3600, 4100, None)
    assert len(request) == 60
    assert request[8:24] == client.packed
    assert request[44:] == bytes(16)


def test_a_nonce_of_another_size_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        map_request(CLIENT, bytes(11), 4100, 3600, 0, None)


def test_answers_are_read() -> None:
    assert read_announce_reply(ANNOUNCED) == 3600
    expected = MapReply(3600, 7200, NONCE, 4100, 40000, IPv4Address("203.0.113.7"))
    assert read_map_reply(MAPPED) == expected
    six = IPv6Address("2001:db8::5")
    assert read_map_reply(MAPPED[:44] + six.packed).address == six


def test_options_behind_the_answer_are_passed_over() -> None:
    assert read_map_reply(MAPPED + bytes.fromhex("03000004 00000000")) == read_map_reply(MAPPED)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 2**32 - 1),
    st.binary(min_size=12, max_size=12),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.ip_addresses(v=4) | st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None),
)
def test_every_answer_comes_through(
    epoch: int, lifetime: int, nonce: bytes, internal: int, external: int, address: IPv4Address | IPv6Address
) -> None:
    packed = bytes(10) + b"\xff\xff" + address.packed if address.version == 4 else address.packed
    data = struct.pack(">BBBBII12x", 2, 129, 0, 0, lifetime, epoch)
    data += struct.pack(">12sB3xHH16s", nonce, 6, internal, external, packed)
    assert read_map_reply(data) == MapReply(epoch, lifetime, nonce, internal, external, address)


def test_cut_anywhere_is_no_answer() -> None:
    for size in range(len(MAPPED)):
        with pytest.raises(MalformedReply):
            read_map_reply(MAPPED[:size])
    for size in range(len(ANNOUNCED)):
        with pytest.raises(MalformedReply):
            read_announce_reply(ANNOUNCED[:size])


@pytest.mark.parametrize(
    "data",
    [
        MAPPED + b"\0",
        MAPPED + bytes(PACKET_MAX - len(MAPPED) + 4),
        MAPPED[:1] + b"\x80" + MAPPED[2:],
        MAPPED[:1] + b"\x01" + MAPPED[2:],
        MAPPED[:36] + b"\x11" + MAPPED[37:],
    ],
    ids=["no multiple of four", "too long", "of ANNOUNCE", "a request", "of UDP"],
)
def test_something_else_is_no_answer(data: bytes) -> None:
    with pytest.raises(MalformedReply):
        read_map_reply(data)


@pytest.mark.parametrize("result", [*range(1, 14), 200])
def test_a_refusal_says_why(result: int) -> None:
    with pytest.raises(NoMapping, match=r"router|this computer") as caught:
        read_map_reply(MAPPED[:3] + bytes([result]) + MAPPED[4:])
    assert not isinstance(caught.value, MalformedReply)


def test_a_router_without_announce_has_answered_all_the_same() -> None:
    assert read_announce_reply(ANNOUNCED[:3] + b"\x04" + ANNOUNCED[4:]) == 3600


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes.fromhex("00 80 0001 00000e10"), "NAT-PMP only"),
        (b"\x03" + ANNOUNCED[1:], "another version"),
        (ANNOUNCED[:3] + b"\x01" + ANNOUNCED[4:], "another version"),
    ],
)
def test_a_router_of_another_version_says_so(data: bytes, said: str) -> None:
    with pytest.raises(NoMapping, match=said):
        read_announce_reply(data)


@given(st.data())
def test_changed_bytes_are_read_or_refused(data: st.DataObject) -> None:
    for good, read in ((MAPPED, read_map_reply), (ANNOUNCED, read_announce_reply)):
        changed = bytearray(good)
        for _ in range(data.draw(st.integers(1, 4))):
            changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
        with contextlib.suppress(NoMapping):
            read(bytes(changed[: data.draw(st.integers(0, len(changed)))]))


@given(st.binary(max_size=1200))
@example(b"")
@example(b"\x00")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_announce_reply, read_map_reply):
        with contextlib.suppress(NoMapping):
            read(data)
