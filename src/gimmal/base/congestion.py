"""How TCP finds its rate: BBR where the system offers it, for loss is no sign of a full line to it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

_BBR = b"bbr"


def prefer_bbr(connection: socket.socket) -> None:
    """Let a connected TCP socket send by BBR; it keeps the system's own way where that is refused or not known.

    A connection inside this computer is left alone: nothing is lost there, and pacing would only cost.
    """
    option = getattr(socket, "TCP_CONGESTION", None)
    with contextlib.suppress(OSError, ValueError):
        if option is not None and not _stays_here(connection):
            connection.setsockopt(socket.IPPROTO_TCP, option, _BBR)


def _stays_here(connection: socket.socket) -> bool:
    """Whether both ends are this computer; raises OSError where there is no other end any more."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return True
    here, there = (ipaddress.ip_address(name[0].partition("%")[0]) for name in _names(connection))
    there = getattr(there, "ipv4_mapped", None) or there
    return there.is_loopback or here == there


def _names(connection: socket.socket) -> tuple[tuple[str, int], tuple[str, int]]:
    return connection.getsockname(), connection.getpeername()
