"""What Linux says of a real connection."""

from __future__ import annotations

import socket
import time

from gimmal.base.tcp_info import tcp_info
from tests.patience import PATIENCE


def test_a_connection_knows_its_round_trip_and_what_was_acknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _address = server.accept()
    with one, other:
        before = tcp_info(one)
        assert before is not None
        one.sendall(bytes(300_000))
        received = 0
        while received < 300_000:
            received += len(other.recv(65_536))
        info = tcp_info(one)
        assert info is not None
        assert info.round_trip is not None
        assert 0 < info.round_trip < 1
        assert info.acknowledged - before.acknowledged == 300_000
        assert 1e6 < info.rate < 1e12
        assert info.in_flight == 0
        begun = time.monotonic()
        while (later := tcp_info(one)) is not None and later.silent < 0.05:
            assert time.monotonic() - begun < PATIENCE
        one.sendall(b"x")
        assert other.recv(1) == b"x"
        while (heard := tcp_info(one)) is not None and heard.silent >= 0.05:
            assert time.monotonic() - begun < PATIENCE


def test_nothing_is_known_of_other_sockets_nor_of_closed_ones() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert tcp_info(one) is None
    assert tcp_info(socket.socket()) is not None
    closed = socket.socket()
    closed.close()
    assert tcp_info(closed) is None
