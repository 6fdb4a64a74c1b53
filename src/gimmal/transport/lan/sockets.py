"""Sockets of multicast DNS, each of one interface and one IP version."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any

from gimmal.transport.lan.networks import Interface

logger = logging.getLogger("gimmal.transport")

GROUP4, GROUP6, PORT = "224.0.0.251", "ff02::fb", 5353
VERSIONS = (4, 6)

_HOPS = 255
_IP_MULTICAST_ALL = getattr(socket, "IP_MULTICAST_ALL", 49)
_index = struct.Struct("@I")

Maker = Callable[[Interface, int], socket.socket]


def group_address(interface: Interface, version: int) -> tuple[Any, ...]:
    """Where questions go, out of an interface."""
    return (GROUP4, PORT) if version == 4 else (GROUP6, PORT, 0, interface.index)


def listening_socket(interface: Interface, version: int) -> socket.socket:
    """Gets what comes to the group on an interface, and nothing that other programs on this computer wait for.

    Raises:
        OSError: the interface cannot do it.
    """
    sock = _socket(interface, version)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError, AttributeError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Bound to the group and not to all addresses: answers to other programs' questions are not taken from them.
        sock.bind(group_address(interface, version))
        if version == 4:
            with contextlib.suppress(OSError):
                # What comes to the group on other interfaces is for their sockets.
                sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, _membership(interface, GROUP4))
        else:
            group = socket.inet_pton(socket.AF_INET6, GROUP6) + _index.pack(interface.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    except BaseException:
        sock.close()
        raise
    return sock


def asking_socket(interface: Interface, version: int) -> socket.socket:
    """Sends from an address of an interface and a port of its own.

    Raises:
        OSError: the interface cannot do it.
    """
    sock = _socket(interface, version)
    try:
        own = str(interface.first(version))
        sock.bind((own, 0) if version == 4 else (own, 0, 0, interface.index))
    except BaseException:
        sock.close()
        raise
    return sock


def open_where_possible(make: Maker, interface: Interface, version: int) -> socket.socket | None:
    """A socket from ``make``; None where the interface has no address of that version or cannot do it."""
    if interface.first(version) is None:
        return None
    try:
        return make(interface, version)
    except OSError as exc:
        logger.debug("no multicast of IPv%d on %s: %s", version, interface.name, exc)
        return None


def _socket(interface: Interface, version: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if version == 4:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, _membership(interface, "0.0.0.0"))  # noqa: S104
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface.index)
    except BaseException:
        sock.close()
        raise
    return sock


def _membership(interface: Interface, group: str) -> bytes:
    own = interface.first(4)
    assert own is not None
    return socket.inet_aton(group) + own.packed + _index.pack(interface.index)
