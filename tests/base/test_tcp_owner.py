"""Whose program is at the other end, with connections of our own and of another user."""

from __future__ import annotations

import os
import socket

import pytest

from gimmal.base.tcp_owner import _asked, _looked_up, owner_of, owners_known
from tests.nobody import NOBODY, as_nobody

pytestmark = pytest.mark.skipif(not owners_known(), reason="this system does not tell who owns a connection")


def test_our_own_connection_is_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as near:
            far, peer = server.accept()
            with far:
                assert owner_of(peer, server.getsockname()) == os.geteuid()
                assert near.getsockname() == peer
        assert owner_of(peer, server.getsockname()) is None


def test_an_ipv6_socket_that_speaks_ipv4_is_found_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as near:
        near.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        far, peer = server.accept()
        with far:
            assert owner_of(peer, server.getsockname()) == os.geteuid()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_users_connection_is_theirs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with as_nobody():
            near = socket.socket()  # and nothing else: what is imported as nobody is missing for good
        near.connect(server.getsockname())
        far, peer = server.accept()
        with near, far:
            assert owner_of(peer, server.getsockname()) == NOBODY


def test_an_end_that_is_not_there_has_no_owner() -> None:
    assert owner_of(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


def test_the_table_says_the_same_as_the_kernel() -> None:
    try:
        _asked(("127.0.0.1", 1), ("127.0.0.1", 2))
    except OSError as exc:
        if exc.errno is not None:
            pytest.skip("this kernel does not answer for single connections")
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()):
            far, peer = server.accept()
            with far:
                for look in (_asked, _looked_up):
                    assert look(peer, server.getsockname()) == os.geteuid()
        for look in (_looked_up, owner_of):
            assert look(peer, server.getsockname()) is None


def test_the_table_knows_ipv6_sockets_that_speak_ipv4() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_INET6) as near:
        near.connect(("::ffff:127.0.0.1", server.getsockname()[1]))
        far, peer = server.accept()
        with far:
            assert _looked_up(peer, server.getsockname()) == os.geteuid()
