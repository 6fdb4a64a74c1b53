"""Connecting a TCP socket: every address of a name, staggered, the first that answers (RFC 8305)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
from typing import Any

from gimmal.base.congestion import prefer_bbr
from gimmal.base.tasks import Tasks

_STAGGER_SECONDS = 0.25


async def connect_tcp(host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> socket.socket:
    """A connected, non-blocking socket without Nagle's delay. The caller holds the deadline.

    Args:
        host: name or address without brackets.
        port: 1 to 65535.
        family: of the only addresses to try; all without one.

    Raises:
        OSError: no address answered, or there is none of that family; the first failure.
    """
    addresses = [found for found in await _resolve(host, port) if family in (socket.AF_UNSPEC, found[0])]
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    if len(addresses) == 1:
        return await _connect(*addresses[0])
    return await _first_of(addresses)


def reason_of(error: OSError) -> str:
    """Why a connection failed, in the system's words; asyncio puts words and an address of its own in their place."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return (error.strerror or str(error)).lower()
    return os.strerror(error.errno).lower()


def address_of(sock: socket.socket) -> tuple[str, int]:
    """The address a socket is connected to; OSError, with the socket closed, where the far end reset it already."""
    try:
        host, port = sock.getpeername()[:2]
    except OSError:
        sock.close()
        raise
    return host, port


async def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    try:
        # An address needs no resolver and so no thread.
        literal = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        if isinstance(literal, ipaddress.IPv4Address):
            return [(socket.AF_INET, (host, port))]
        return [(socket.AF_INET6, (host.partition("%")[0], port, 0, _index_of(literal.scope_id)))]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:  # an empty label, or one too long
        raise socket.gaierror(socket.EAI_NONAME, "name or service not known") from exc
    by_family: dict[socket.AddressFamily, list[tuple[socket.AddressFamily, tuple[Any, ...]]]] = {}
    for family, _, _, _, address in dict.fromkeys(found):
        by_family.setdefault(family, []).append((family, address))
    queues = list(by_family.values())
    # The families take turns, so that one broken family costs one stagger only.
    return [queue[turn] for turn in range(max(map(len, queues))) for queue in queues if turn < len(queue)]


def _index_of(scope: str | None) -> int:
    """The number of the interface that a link-local address belongs to, 0 without one."""
    if not scope:
        return 0
    if scope.isascii() and scope.isdigit() and len(scope) < 10:
        return int(scope)
    try:
        return socket.if_nametoindex(scope)
    except ValueError as exc:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from exc


async def _connect(family: socket.AddressFamily, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
        prefer_bbr(sock)
    except BaseException:
        sock.close()
        raise
    return sock


async def _first_of(addresses: list[tuple[socket.AddressFamily, tuple[Any, ...]]]) -> socket.socket:
    tasks = Tasks()
    running: set[asyncio.Task[socket.socket | None]] = set()
    failures: list[OSError] = []
    waiting = list(addresses)
    winner: socket.socket | None = None
    try:
        while winner is None and (waiting or running):
            if waiting:
                family, address = waiting.pop(0)
                running.add(tasks.start(_guarded(family, address, failures), "connect"))
            done, running = await asyncio.wait(
                running,
                timeout=_STAGGER_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                sock = task.result()
                if sock is None:
                    continue
                if winner is None:
                    winner = sock
                else:
                    sock.close()
    finally:
        await _abandon(tasks, running)
    if winner is None:
        raise failures[0]
    return winner


async def _guarded(
    family: socket.AddressFamily, address: tuple[Any, ...], failures: list[OSError]
) -> socket.socket | None:
    try:
        return await _connect(family, address)
    except OSError as exc:
        failures.append(exc)
        return None


async def _abandon(tasks: Tasks, running: set[asyncio.Task[socket.socket | None]]) -> None:
    await tasks.close()
    for task in running:
        # One may have won in the instant of its cancellation.
        if task.done() and not task.cancelled():
            with contextlib.suppress(OSError):
                sock = task.result()
                if sock is not None:
                    sock.close()
