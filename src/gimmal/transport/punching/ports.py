"""Sockets that connect from one and the same port, again and again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from gimmal.base.congestion import prefer_bbr
from gimmal.protocol.places import Address, Place


class Port:
    """A fresh TCP port of one address of this computer, kept from everybody else until ``close``.

    Args:
        address: of this computer.

    Raises:
        OSError: it is none of this computer's, or there is no port.
    """

    def __init__(self, address: Address) -> None:
        self._family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        self._holder = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            self._holder.bind((str(address), 0))
            # Only now: of ports that may be shared the system could give one that somebody has.
            _share(self._holder)
        except BaseException:
            self._holder.close()
            raise
        self._host, self.number = self._holder.getsockname()[:2]

    async def connect(self, place: Place) -> socket.socket:
        """A connected, non-blocking socket without Nagle's delay. The caller holds the deadline.

        Raises:
            OSError: it was refused, or cannot be.
        """
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _share(sock)
            sock.bind((self._host, self.number))
            await asyncio.get_running_loop().sock_connect(sock, (str(place.address), place.port))
            prefer_bbr(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def close(self) -> None:
        """Keep it no longer; what is connected stays so."""
        self._holder.close()


@contextlib.contextmanager
def ports_of(addresses: Iterable[Address]) -> Iterator[dict[Address, Port]]:
    """A port of each address that is this computer's, until the end."""
    with contextlib.ExitStack() as stack:
        ports: dict[Address, Port] = {}
        for address in dict.fromkeys(addresses):
            with contextlib.suppress(OSError):  # the network changed meanwhile
                ports[address] = port = Port(address)
                stack.callback(port.close)
        yield ports


def own_addresses() -> list[Address]:
    """This computer's addresses towards the internet, of each version that it has a way there by. Nothing is sent."""
    found: list[Address] = []
    for family, somewhere in _SOMEWHERE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((somewhere, 9))
            found.append(ip_address(sock.getsockname()[0]))
    return found


_SOMEWHERE = ((socket.AF_INET, "192.0.2.9"), (socket.AF_INET6, "2001:db8::9"))
"""Of the blocks for documentation: for the system they lie where the internet does."""


def _share(sock: socket.socket) -> None:
    """Let several sockets have this port. None of them may listen, so nobody can take what comes for another."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "darwin":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
