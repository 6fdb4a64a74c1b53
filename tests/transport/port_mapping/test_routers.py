"""The system's tables of routes."""

from __future__ import annotations

import sys
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gimmal.transport.port_mapping.routers import (
    Router,
    own_address_towards,
    read_routers,
    router_of_ipv4,
    router_of_ipv6,
)

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def line(interface: str, destination: str, gateway: str, flags: str, metric: int, mask: str) -> str:
    def number(address: str) -> str:
        return f"{int.from_bytes(ip_address(address).packed, sys.byteorder):08X}"

    return f"{interface}\t{number(destination)}\t{number(gateway)}\t{flags}\t0\t0\t{metric}\t{number(mask)}\t0\t0\t0\n"


NONE = "0.0.0.0"


class TestIpv4:
    def test_the_default_with_the_least_metric_is_taken(self) -> None:
        table = (
            HEAD
            + line("wlan0", NONE, "192.168.2.1", "0003", 600, NONE)
            + line("eth0", NONE, "192.168.1.1", "0003", 100, NONE)
            + line("eth0", "192.168.1.0", NONE, "0001", 100, "255.255.255.0")
        )
        assert router_of_ipv4(table) == Router(ip_address("192.168.1.1"), "eth0")

    @pytest.mark.parametrize(
        "row",
        [
            line("eth0", "10.0.0.0", "192.168.1.1", "0003", 0, "255.0.0.0"),
            line("eth0", NONE, "192.168.1.1", "0003", 0, "128.0.0.0"),
            line("eth0", NONE, "192.168.1.1", "0002", 0, NONE),
            line("tun0", NONE, NONE, "0001", 0, NONE),
        ],
        ids=["part of the network", "half of the internet", "down", "no router"],
    )
    def test_other_routes_are_not(self, row: str) -> None:
        assert router_of_ipv4(HEAD + row) is None

    def test_lines_that_cannot_be_read_are_passed_over(self) -> None:
        good = line("eth0", NONE, "192.168.1.1", "0003", 0, NONE)
        table = HEAD + "x\n" + "eth0 zz zz zz 0 0 0 zz\n" + "e 0 FFFFFFFFFF 3 0 0 0 0\n" + good
        assert router_of_ipv4(table) == Router(ip_address("192.168.1.1"), "eth0")

    @given(st.text(max_size=300))
    def test_any_text_is_read(self, text: str) -> None:
        router_of_ipv4(HEAD + text)
        router_of_ipv6(text)


class TestIpv6:
    ROW = "{0:032x} {1:02x} {2:032x} 00 {3:032x} {4:08x} 00000001 00000000 {5:08x}     eth0\n"

    def row(self, destination: int, length: int, gateway: str, metric: int, flags: int) -> str:
        return self.ROW.format(destination, length, 0, int(ip_address(gateway)), metric, flags)

    def test_the_default_with_the_least_metric_is_taken(self) -> None:
        table = (
            self.row(0, 0, "fe80::1", 0x400, 0x3)
            + self.row(0, 0, "fe80::2", 0x40, 0x3)
            + self.row(0x2A00 << 112, 32, "fe80::3", 1, 0x3)
            + self.row(0, 0, "::", 0xFFFFFFFF, 0x200200)
        )
        assert router_of_ipv6(table) == Router(ip_address("fe80::2"), "eth0")

    def test_no_default_is_none(self) -> None:
        assert router_of_ipv6(self.row(0, 0, "::", 0xFFFFFFFF, 0x200200)) is None


def test_this_system_is_asked_or_says_that_it_does_not_tell() -> None:
    routers = read_routers()
    assert (routers is None) == (sys.platform != "linux")


def test_the_own_address_is_the_one_towards_the_router() -> None:
    assert own_address_towards(Router(ip_address("127.0.0.9"), "lo")) == ip_address("127.0.0.1")
