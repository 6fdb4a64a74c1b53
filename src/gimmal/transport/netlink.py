"""What Linux tells of changes of its network (rtnetlink(7)): small, and without I/O."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from enum import Enum

GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE."""

DATAGRAM_MAX = 64 * 1024
"""Bytes read at once; what the kernel sends is shorter, and of a longer one the rest is not needed."""

_HEADER = struct.Struct("=IHHII")
_ALIGNMENT = 4

_LINK = frozenset((16, 17))
_ADDRESS = frozenset((20, 21))
_ROUTE = frozenset((24, 25))
_ROUTE_SIZE = 2
"""Of a route, the family and how many bits of it are fixed."""


class Change(Enum):
    """What one message tells of."""

    LINK = "an interface came, went, or has another state"
    """Wireless ones tell of their signal, too."""
    ADDRESS = "an address came, went, or lives longer"
    DEFAULT_ROUTE = "a way to everywhere came or went"


def changes(datagram: bytes) -> set[Change]:
    """What a datagram from the kernel tells of; what it does not understand tells of nothing."""
    found: set[Change] = set()
    for kind, body in _messages(datagram):
        if kind in _LINK:
            found.add(Change.LINK)
        elif kind in _ADDRESS:
            found.add(Change.ADDRESS)
        elif kind in _ROUTE and len(body) >= _ROUTE_SIZE and body[1] == 0:
            found.add(Change.DEFAULT_ROUTE)
    return found


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while len(datagram) - at >= _HEADER.size:
        length, kind, _flags, _sequence, _sender = _HEADER.unpack_from(datagram, at)
        if not _HEADER.size <= length <= len(datagram) - at:
            return
        yield kind, datagram[at + _HEADER.size : at + length]
        at += (length + _ALIGNMENT - 1) & -_ALIGNMENT


def is_offered() -> bool:
    """Whether this system tells of changes so."""
    return sys.platform == "linux"
