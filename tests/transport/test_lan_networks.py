"""What is near, and which address is told to whom."""

from __future__ import annotations

import socket
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.lan import interfaces, netlink
from gimmal.transport.lan.interfaces import INTERFACES_MAX, read_interfaces
from gimmal.transport.lan.netlink import read_addresses
from gimmal.transport.lan.networks import (
    Interface,
    answering_address,
    is_here,
    is_near,
    mapped_bytes,
    parse_address,
    unmapped,
)


def interface(*addresses: str, name: str = "eth0", index: int = 2) -> Interface:
    return Interface(name, index, tuple(ip_interface(address) for address in addresses))


HOME = interface("192.168.1.20/24", "fd00::20/64", "2001:db8:1::20/64", "fe80::20/64")
OTHER = interface("10.8.0.3/32", "172.17.0.1/16", name="other", index=3)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("192.168.1.21", True),
        ("192.168.1.20", False),  # this computer itself
        ("192.168.2.21", False),
        ("172.17.200.9", True),
        ("10.8.0.4", False),  # a tunnel to one computer is no network
        ("10.8.0.3", False),
        ("fe80::21", True),
        ("fe80::21%2", True),
        ("fd00::ffff:1", True),
        ("2001:db8:1::5", True),
        ("2001:db8:2::5", False),
        ("::ffff:192.168.1.21", True),  # as a listener of both families names it
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("203.0.113.5", False),
        ("home.example.org", False),
        ("", False),
        ("192.168.1.21%", True),
    ],
)
def test_what_is_near(host: str, near: bool) -> None:
    assert is_near(host, [HOME, OTHER]) is near
    assert not is_near(host, [])
    assert is_here(host, [HOME, OTHER]) or not near


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("192.168.1.20", True),
        ("10.8.0.3", True),
        ("2001:db8:1::20", True),
        ("::ffff:192.168.1.20", True),
        ("127.0.0.1", True),
        ("10.8.0.4", False),
        ("2001:db8:2::5", False),
        ("home.example.org", False),
    ],
)
def test_what_is_here_is_near_or_this_computer(host: str, here: bool) -> None:
    assert is_here(host, [HOME, OTHER]) is here


@pytest.mark.parametrize(
    ("asker", "listens", "told"),
    [
        ("192.168.1.21", "", "192.168.1.20"),
        ("192.168.1.20", "", "192.168.1.20"),  # another half on this computer
        ("192.168.1.21", "0.0.0.0", "192.168.1.20"),
        ("192.168.1.21", "::", None),
        ("192.168.1.21", "192.168.1.20", "192.168.1.20"),
        ("192.168.1.21", "127.0.0.1", None),
        ("192.168.1.21", "172.17.0.1", None),
        ("192.168.1.21", "localhost", None),
        ("192.168.2.21", "", None),
        ("8.8.8.8", "", None),
        ("fe80::21", "", "fe80::20"),
        ("fe80::21", "0.0.0.0", None),
        ("fe80::21", "::", "fe80::20"),
        ("fe80::21", "2001:db8:1::20", "2001:db8:1::20"),
        ("2001:db8:1::21", "", "fe80::20"),
        ("2001:db8:9::21", "", None),
    ],
)
def test_what_is_told_to_whom(asker: str, listens: str, told: str | None) -> None:
    address = answering_address(HOME, ip_address(asker), listens)
    assert address == (ip_address(told) if told else None)


def test_of_two_networks_on_an_interface_the_askers_own() -> None:
    both = interface("10.0.0.1/24", "10.0.1.1/24")
    assert str(answering_address(both, ip_address("10.0.1.9"), "")) == "10.0.1.1"
    assert str(answering_address(both, ip_address("10.0.0.9"), "")) == "10.0.0.1"


@given(st.ip_addresses())
def test_addresses_have_sixteen_bytes(address: object) -> None:
    parsed = parse_address(str(address))
    assert parsed is not None
    packed = mapped_bytes(parsed)
    assert len(packed) == 16
    assert unmapped(packed) == parsed


@given(st.text(max_size=40))
def test_any_text_may_be_named(text: str) -> None:
    assert is_near(text, [HOME]) in (False, True)


def test_this_computers_interfaces() -> None:
    found = read_interfaces()
    assert len(found) <= INTERFACES_MAX
    for one in found:
        assert socket.if_indextoname(one.index) == one.name
        for address in one.addresses:
            assert isinstance(address, IPv4Interface | IPv6Interface)
            assert not address.ip.is_loopback
            assert "%" not in str(address)


def test_both_ways_of_reading_them_say_the_same() -> None:
    """The kernel's answer without a library, and the library's, which other systems need."""
    if not hasattr(socket, "AF_NETLINK"):
        pytest.skip("no Linux")
    by_kernel = {(index, one) for index, one in read_addresses() if not one.ip.is_loopback}
    by_library = {(index, one) for index, one in interfaces._read_by_library() if not one.ip.is_loopback}
    assert by_kernel == by_library


@given(st.binary(max_size=200))
def test_what_a_kernel_says_may_be_anything(data: bytes) -> None:
    pieces = list(netlink._pieces(data, netlink._header))
    assert sum(len(piece) for _kind, piece in pieces) <= len(data)
    one = netlink._address(data)
    assert one is None or one[1].version in (4, 6)
