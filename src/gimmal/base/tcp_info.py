"""What the system knows of a TCP connection (Linux; others say nothing)."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_SIZE = 168
_SHORTEST = struct.Struct("=148xI")
_ACKNOWLEDGED = struct.Struct("=120xQ")
_RATE = struct.Struct("=160xQ")
_IN_FLIGHT = struct.Struct("=24xI")
_LAST_HEARD = struct.Struct("=52xII")
"""Places in struct tcp_info; a system whose struct is shorter is older than what is asked."""

_NO_ROUND_TRIP = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """What one connection has been through.

    Attributes:
        round_trip: seconds, the shortest seen; None before one was.
        acknowledged: bytes that the other end has.
        rate: bytes a second at which it got the last of them; where too few were sent to tell, the most that was seen.
        in_flight: segments sent that the other end has not acknowledged.
        silent: seconds since anything came from the other end's system.
    """

    round_trip: float | None
    acknowledged: int
    rate: int
    in_flight: int = 0
    silent: float = 0.0


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
    shortest = _SHORTEST.unpack_from(info)[0]
    return TcpInfo(
        None if shortest == _NO_ROUND_TRIP else shortest / 1e6,
        _ACKNOWLEDGED.unpack_from(info)[0],
        _RATE.unpack_from(info)[0],
        _IN_FLIGHT.unpack_from(info)[0],
        min(_LAST_HEARD.unpack_from(info)) / 1e3,
    )
