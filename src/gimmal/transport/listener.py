"""Accepting connections from anywhere, most of them strangers (docs/spec/channel.md, section 8).

Before a caller has proved itself it holds one of few places, for a few seconds; at a limit the oldest silent caller
of the address that holds most gives way, so that a new one is never refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Awaitable, Callable

from gimmal.base.congestion import prefer_bbr
from gimmal.base.errors import GimmalError, LocalError
from gimmal.base.half_open import HalfOpen
from gimmal.base.sources import source_of
from gimmal.base.tasks import Tasks

logger = logging.getLogger("gimmal.transport")

WAITING_MAX = 64
WAITING_PER_SOURCE_MAX = 8
BACKLOG = 256

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets, non-blocking.

    Args:
        host: an address or name; empty for all addresses, IPv4 and IPv6.
        port: 0 for a free one.

    Raises:
        LocalError: the port is taken or the address is not of this computer.
    """
    try:
        if host:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listeners = [socket.create_server((host, port), family=family, backlog=BACKLOG)]
        elif socket.has_dualstack_ipv6():
            listeners = [socket.create_server(("", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)]
        else:
            listeners = [socket.create_server(("", port), backlog=BACKLOG)]
    except (OSError, OverflowError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        if isinstance(exc, OSError) and not isinstance(exc, socket.gaierror) and exc.errno is not None:
            # What create_server says names the address once more.
            reason = os.strerror(exc.errno)
        raise LocalError(
            f"cannot listen on {host or 'any address'} port {port}: {reason.lower()}",
            "choose another port with --listen, or stop the program that has it",
        ) from exc
    for listener in listeners:
        listener.setblocking(False)
    return listeners


class Listener:
    """Accepts connections and lets each be greeted within limits.

    Args:
        listeners: from ``bind``; owned from now on.
        greet: runs the opening of one link on a connected socket it then owns; has its own deadline.
    """

    def __init__(self, listeners: list[socket.socket], greet: Callable[[socket.socket], Awaitable[None]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listeners = listeners
        self._greet = greet
        self._waiting: HalfOpen[asyncio.Task[None]] = HalfOpen(WAITING_MAX, WAITING_PER_SOURCE_MAX)
        self._unmet: dict[asyncio.Task[None], socket.socket] = {}
        self._tasks = Tasks()
        for listener in listeners:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    @property
    def port(self) -> int:
        """The port listened on."""
        port: int = self._listeners[0].getsockname()[1]
        return port

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(BACKLOG):
            try:
                connection, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as exc:
                if exc.errno not in _EXHAUSTED:
                    continue  # that caller is gone already
                # Out of descriptors or memory: give the loop air instead of spinning on a readable listener.
                logger.warning("cannot accept a connection: %s", exc.strerror)
                self._loop.remove_reader(listener.fileno())
                self._loop.call_later(1.0, self._listen_again, listener)
                return
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            prefer_bbr(connection)
            task = self._tasks.start(self._greet_one(connection), "greeting")
            self._unmet[task] = connection
            victim = self._waiting.add(task, source_of(address[0]))
            if victim is not None:
                victim.cancel()
            task.add_done_callback(self._forget)

    def _listen_again(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            self._loop.add_reader(listener.fileno(), self._accept, listener)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._waiting.remove(task)
        unmet = self._unmet.pop(task, None)
        if unmet is not None:
            unmet.close()  # given up before its task had begun

    async def _greet_one(self, connection: socket.socket) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._unmet.pop(task, None)
        try:
            await self._greet(connection)
        except GimmalError as exc:
            logger.debug("a caller was turned away: %s", exc)

    async def close(self) -> None:
        """Accept nothing more and drop those who wait."""
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())
            listener.close()
        await self._tasks.close()
