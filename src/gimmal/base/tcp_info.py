"""What the system knows of a TCP connection (Linux; others say nothing)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_SIZE = 184
_ROUND_TRIP = struct.Struct("=I")
_NUMBER = struct.Struct("=Q")
_ACKNOWLEDGED, _SHORTEST, _BUSY, _PEER_FULL = 120, 148, 168, 176
"""Places in struct tcp_info; a system whose struct is shorter is older than what is asked."""

_NO_ROUND_TRIP = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """Attributes:
    round_trip: seconds, the shortest seen; None before one was.
    acknowledged: bytes that the other end has.
    busy: seconds in which something was on its way.
    full: of those, seconds in which the other end had no room for it.
    """

    round_trip: float | None
    acknowledged: int
    busy: float
    full: float


def tcp_info(connection: socket.socket) -> TcpInfo | None:
    """What is known now; None where the system does not say, or this is no open TCP connection."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return None
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, option, _SIZE)
    except OSError:
        return None
    if len(info) < _SIZE:
        return None
    shortest = _ROUND_TRIP.unpack_from(info, _SHORTEST)[0]
    busy, full = _NUMBER.unpack_from(info, _BUSY)[0], _NUMBER.unpack_from(info, _PEER_FULL)[0]
    return TcpInfo(
        None if shortest == _NO_ROUND_TRIP else shortest / 1e6,
        _NUMBER.unpack_from(info, _ACKNOWLEDGED)[0],
        busy / 1e6,
        full / 1e6,
    )
