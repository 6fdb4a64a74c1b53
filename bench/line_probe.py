"""Small senders and receivers that measure a line, one a process: ``python -m bench.line_probe ROLE ...``.

    echo PORT                           answers datagrams until it is stopped
    ping HOST PORT COUNT                prints the median round trip in milliseconds
    sink PORT FROM UNTIL                takes one TCP connection; prints bytes, seconds, bytes a second between two
                                        moments of the monotonic clock (one for all processes), and their sum
    send HOST PORT SECONDS              sends for that long; prints bytes, their sum, and the congestion control
    count PORT                          counts datagrams until none came for two seconds
    flood HOST PORT COUNT RATE          sends that many of 1500 bytes, at RATE bits a second; 0 is at once

It imports nothing of the bench, so that it starts quickly in a namespace.
"""

from __future__ import annotations

import socket
import statistics
import sys
import time
import zlib
from collections.abc import Callable

_PIECE = 256 << 10
_DATAGRAM = 1472
"""Bytes that fill an IP packet of 1500."""
_ANSWER_SECONDS = 60.0
_SEND_BUFFER_FORCE, _RECEIVE_BUFFER_FORCE = 32, 33
"""Linux's numbers, for which Python has no names."""


def _ready() -> None:
    print("ready", flush=True)


def echo(port: str) -> None:
    """Answer each datagram with itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("", int(port)))
        _ready()
        while True:
            said, sender = door.recvfrom(2048)
            door.sendto(said, sender)


def ping(host: str, port: str, count: str) -> None:
    """Print the median round trip."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.settimeout(2)
        for number in range(int(count)):
            started = time.perf_counter()
            door.sendto(number.to_bytes(4, "big"), (host, int(port)))
            try:
                while door.recv(64) != number.to_bytes(4, "big"):
                    pass
            except TimeoutError:
                continue
            found.append(1000 * (time.perf_counter() - started))
    print(statistics.median(found), flush=True)


def sink(port: str, begin: str, until: str) -> None:
    """Take all that one connection brings."""
    with socket.create_server(("", int(port))) as door:
        _ready()
        connection, _peer = door.accept()
    with connection:
        room = bytearray(_PIECE)
        total = check = between = 0
        started = last = 0.0
        while count := connection.recv_into(room):
            last = time.monotonic()
            started = started or last
            total += count
            check = zlib.crc32(memoryview(room)[:count], check)
            if float(begin) < last <= float(until):
                between += count
        connection.sendall(b"!")
    print(total, last - started, between / (float(until) - float(begin)), check, flush=True)


def send(host: str, port: str, seconds: str) -> None:
    """Send for a while, and wait until all has come."""
    pieces = [bytes((number + at) % 251 for at in range(_PIECE)) for number in range(7)]
    total = check = 0
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        end = time.perf_counter() + float(seconds)
        while time.perf_counter() < end:
            piece = pieces[total // _PIECE % 7]
            connection.sendall(piece)
            check = zlib.crc32(piece, check)
            total += len(piece)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        congestion = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0").decode()
    print(total, check, congestion, flush=True)


def count(port: str) -> None:
    """Count datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, 64 << 20)
        door.bind(("", int(port)))
        door.settimeout(20)
        _ready()
        found = 0
        try:
            while door.recv(2048):
                found += 1
                door.settimeout(2)
        except TimeoutError:
            pass
    print(found, flush=True)


def flood(host: str, port: str, number: str, rate: str) -> None:
    """Send datagrams."""
    data = bytes(_DATAGRAM)
    pause = 1500 * 8 / float(rate) if float(rate) else 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.setsockopt(socket.SOL_SOCKET, _SEND_BUFFER_FORCE, 64 << 20)
        started = time.perf_counter()
        for sent in range(int(number)):
            ahead = started + sent * pause - time.perf_counter()
            if ahead > 0.001:
                time.sleep(ahead)
            door.sendto(data, (host, int(port)))


ROLES: dict[str, Callable[..., None]] = {
    "echo": echo,
    "ping": ping,
    "sink": sink,
    "send": send,
    "count": count,
    "flood": flood,
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
