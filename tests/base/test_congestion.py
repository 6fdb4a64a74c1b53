"""BBR is asked for where it may help, and never inside one computer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gimmal.base.congestion import prefer_bbr

OFFERED = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")


def connected(host: str, family: socket.AddressFamily = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    with socket.socket(family) as door:
        door.bind((host, 0))
        door.listen(1)
        dialled = socket.socket(family)
        dialled.connect(door.getsockname())
        return dialled, door.accept()[0]


def way(connection: socket.socket) -> bytes:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_a_connection_inside_this_computer_keeps_its_way(host: str, family: socket.AddressFamily) -> None:
    for end in (ends := connected(host, family)):
        with end:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
            prefer_bbr(end)
            assert way(end) == b"reno"
    assert len(ends) == 2


def test_what_is_no_tcp_connection_is_left_alone() -> None:
    one, other = socket.socketpair()
    with one, other, socket.socket() as lone:
        prefer_bbr(one)
        prefer_bbr(lone)
    prefer_bbr(lone)


class Far(socket.socket):
    """A connection whose names say that it leads to another computer."""

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.7", 9


class Refusing(Far):
    def setsockopt(self, *_: object) -> None:
        raise PermissionError


@pytest.mark.skipif(not OFFERED.exists() or "bbr" not in OFFERED.read_text().split(), reason="no bbr in this system")
def test_a_connection_to_another_computer_sends_by_bbr() -> None:
    one, other = connected("127.0.0.1")
    with other, Far(fileno=one.detach()) as far:
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        try:
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"bbr")
        except PermissionError:
            pytest.skip("bbr is not for this user")
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        prefer_bbr(far)
        assert way(far) == b"bbr"


def test_a_system_that_refuses_is_not_asked_twice_and_nothing_fails() -> None:
    one, other = connected("127.0.0.1")
    with other, Refusing(fileno=one.detach()) as far:
        before = way(far)
        prefer_bbr(far)
        assert way(far) == before
