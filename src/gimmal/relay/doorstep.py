"""A connection that has not shown yet what it is: its first bytes decide (docs/spec/relay.md, section 2)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from enum import Enum, auto

from gimmal.protocol.relay.messages import DATA_LEG, HTTP_GET, TICKET_SIZE, TLS_HANDSHAKE

_LEG_HELLO = 1 + TICKET_SIZE


class Shown(Enum):
    """What the first bytes of a connection are."""

    TLS = auto()
    """A control, or something inside TLS; the bytes taken so far belong to TLS."""
    HTTP = auto()
    """A WebSocket whose TLS ended at a reverse proxy; the bytes taken so far belong to it."""
    LEG = auto()
    """A data leg with its whole ticket."""
    NOTHING = auto()
    """It closed before a whole hello."""
    JUNK = auto()
    """No first byte that we know."""


class Doorstep:
    """Reads one hello, never a byte more than that of a data leg.

    Args:
        sock: accepted and non-blocking.
        source: who.
        on_shown: called once with the verdict and the bytes taken; the socket is the callee's from then on.
    """

    __slots__ = ("_bytes", "_loop", "_on_shown", "since", "sock", "source")

    def __init__(
        self,
        sock: socket.socket,
        source: str,
        on_shown: Callable[[Doorstep, Shown, bytes], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._bytes = b""
        self._on_shown = on_shown
        self.sock = sock
        self.source = source
        self.since = self._loop.time()

    @property
    def silent(self) -> bool:
        """Whether no byte has come yet."""
        return not self._bytes

    def start(self) -> None:
        """Wait for bytes."""
        self._loop.add_reader(self.sock, self._readable)

    def close(self) -> None:
        """Give the connection up without a byte."""
        self._loop.remove_reader(self.sock)
        self.sock.close()

    def _readable(self) -> None:
        try:
            data = self.sock.recv(_LEG_HELLO - len(self._bytes))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        self._bytes += data
        if not data:
            self._show(Shown.NOTHING)
        elif self._bytes[0] == TLS_HANDSHAKE:
            self._show(Shown.TLS)
        elif self._bytes[0] == HTTP_GET:
            self._show(Shown.HTTP)
        elif self._bytes[0] != DATA_LEG:
            self._show(Shown.JUNK)
        elif len(self._bytes) == _LEG_HELLO:
            self._show(Shown.LEG)

    def _show(self, shown: Shown) -> None:
        self._loop.remove_reader(self.sock)
        self._on_shown(self, shown, self._bytes)
