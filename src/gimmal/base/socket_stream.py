"""Bytes over a non-blocking socket, driven by the event loop's readiness callbacks.

What TLS and WebSocket of relay and relay client stand on. It lives in ``base`` because neither of the two may import
the other's room.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

READ = 16_384
"""Bytes taken from a socket, or handed to an owner, at a time."""

_LINGER_SECONDS = 1.0
_READS_A_TURN = 4


class StreamOwner(Protocol):
    """Who hears of a stream."""

    def stream_ready(self) -> None:
        """Bytes may be written from now on. May close the stream."""

    def stream_data(self, data: bytes) -> None:
        """Bytes came."""

    def stream_lost(self, failure: Exception | None) -> None:
        """The stream is over; called exactly once, also after ``close`` and ``abort``.

        Args:
            failure: None after a plain end.
        """


class Stream(Protocol):
    """Ordered bytes both ways: TCP, or TLS or WebSocket above it."""

    on_drained: Callable[[], None] | None

    @property
    def is_over(self) -> bool:
        """The stream was closed, aborted or lost."""

    @property
    def unsent(self) -> int:
        """Bytes that wait for the far end to read; ``on_drained`` is called when they have gone."""

    def hand_over(self, owner: StreamOwner) -> None:
        """Tell another owner from now on."""

    def write(self, data: bytes) -> None:
        """Send bytes; never waits. Silently does nothing once the stream is over."""

    def pause(self) -> None:
        """Hand out no more bytes until ``resume``, and read no more."""

    def resume(self) -> None:
        """Go on after ``pause``; nothing is handed out before this returns."""

    def close(self) -> None:
        """Send what waits, then the end of the stream; within a second all is gone."""

    def abort(self) -> None:
        """End at once, sending nothing more."""


class SocketStream:
    """Plain bytes over one connected socket; what is built upon it changes ``_begin``, ``_received`` and ``write``.

    Args:
        sock: connected and non-blocking; owned by the stream from here on.
        owner: hears of everything; called from the event loop only.
        waiting_max: bytes that may wait for a far end which does not read; more ends the stream.
    """

    __slots__ = (
        "_closing",
        "_linger",
        "_loop",
        "_owner",
        "_paused",
        "_unsent",
        "_waiting_max",
        "_writing",
        "on_drained",
        "sock",
    )

    def __init__(self, sock: socket.socket, owner: StreamOwner, *, waiting_max: int = 256 * 1024) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner: StreamOwner | None = owner
        self._unsent = bytearray()
        self._waiting_max = waiting_max
        self._closing = False
        self._paused = False
        self._writing = False
        self._linger: asyncio.TimerHandle | None = None
        self.on_drained: Callable[[], None] | None = None
        self.sock = sock

    def start(self, first: bytes = b"") -> None:
        """Begin.

        Args:
            first: bytes already taken from the socket.
        """
        self._loop.add_reader(self.sock, self._readable)
        self._begin(first)

    @property
    def is_over(self) -> bool:
        """See ``Stream``."""
        return self._closing or self._owner is None

    @property
    def unsent(self) -> int:
        """See ``Stream``."""
        return len(self._unsent)

    def hand_over(self, owner: StreamOwner) -> None:
        """See ``Stream``; does nothing once the stream is over."""
        if self._owner is not None:
            self._owner = owner

    def write(self, data: bytes) -> None:
        """See ``Stream``."""
        if not self.is_over and data:
            self._unsent += data
            self._flush()

    def pause(self) -> None:
        """See ``Stream``."""
        if not self._paused and not self.is_over:
            self._paused = True
            self._loop.remove_reader(self.sock)

    def resume(self) -> None:
        """See ``Stream``."""
        if self._paused and not self.is_over:
            self._paused = False
            self._loop.add_reader(self.sock, self._readable)
            self._loop.call_soon(self._go_on)

    def close(self) -> None:
        """See ``Stream``."""
        if self.is_over:
            return
        self._closing = True
        if self._paused:
            self._paused = False
            self._loop.add_reader(self.sock, self._readable)
        self._say_end()
        self._linger = self._loop.call_later(_LINGER_SECONDS, self.abort)
        self._flush()

    def abort(self) -> None:
        """See ``Stream``."""
        self._lose(None)

    def _begin(self, first: bytes) -> None:
        if self._owner is not None:
            self._owner.stream_ready()
        if first and self._owner is not None:
            self._received(first)

    def _received(self, data: bytes) -> None:
        if self._owner is not None:
            self._owner.stream_data(data)

    def _go_on(self) -> None:
        """Hand out what was read before a pause."""

    def _say_end(self) -> None:
        """Add the last bytes of the stream to what is sent."""

    def _readable(self) -> None:
        for _ in range(_READS_A_TURN):
            try:
                data = self.sock.recv(READ)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as exc:
                self._lose(exc)
                return
            if not data:
                self._lose(None)
                return
            if self._closing:
                # What still arrives is thrown away: closing with bytes unread would reset the connection
                # and take our last words with it.
                continue
            self._received(data)
            if self._owner is None or self._paused or len(data) < READ:
                return

    def _flush(self) -> None:
        if self._owner is None:
            return
        if self._unsent:
            try:
                sent = self.sock.send(self._unsent)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as exc:
                self._lose(exc)
                return
            if sent == len(self._unsent):
                self._unsent = bytearray()
            else:
                del self._unsent[:sent]
        if len(self._unsent) > self._waiting_max:
            self._lose(None)
        elif self._unsent:
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self.sock, self._writable)
        elif self._closing:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_WR)

    def _writable(self) -> None:
        self._flush()
        if self._owner is not None and not self._unsent:
            self._writing = False
            self._loop.remove_writer(self.sock)
            if self.on_drained is not None:
                self.on_drained()

    def _lose(self, failure: Exception | None) -> None:
        owner, self._owner = self._owner, None
        if owner is None:
            return
        if self._linger is not None:
            self._linger.cancel()
        self._loop.remove_reader(self.sock)
        if self._writing:
            self._loop.remove_writer(self.sock)
        self.sock.close()
        # Whoever is called back there would keep this alive, and this him.
        self.on_drained = None
        owner.stream_lost(failure)
