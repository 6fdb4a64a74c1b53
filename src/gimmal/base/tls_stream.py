"""TLS over a non-blocking socket with two memory buffers.

Stands in for asyncio's own TLS transport, which holds about 280 KiB a connection; this holds about 20. Relay
and relay client share it. It lives in ``base`` because neither of them may import the other's room.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Protocol

_READ = 16_384
_LINGER_SECONDS = 1.0
_READS_A_TURN = 4


class TlsOwner(Protocol):
    """Who hears of a stream."""

    def tls_ready(self) -> None:
        """The handshake is done. May close the stream."""

    def tls_data(self, data: bytes) -> None:
        """Bytes came."""

    def tls_lost(self, failure: Exception | None) -> None:
        """The stream is over; called exactly once, also after ``close`` and ``abort``.

        Args:
            failure: None after a plain end.
        """


class TlsStream:
    """One TLS connection.

    Args:
        sock: connected and non-blocking; owned by the stream from here on.
        context: of the client or the server.
        owner: hears of everything; called from the event loop only.
        server_hostname: None makes this the server's end, "" a client without a name.
        waiting_max: bytes that may wait for a far end which does not read; more ends the stream.
    """

    __slots__ = (
        "_closing",
        "_incoming",
        "_linger",
        "_loop",
        "_outgoing",
        "_owner",
        "_ready",
        "_tls",
        "_unsent",
        "_waiting_max",
        "_writing",
        "sock",
    )

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        owner: TlsOwner,
        *,
        server_hostname: str | None = None,
        waiting_max: int = 256 * 1024,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner: TlsOwner | None = owner
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname or None,
        )
        self._unsent = bytearray()
        self._waiting_max = waiting_max
        self._ready = False
        self._closing = False
        self._writing = False
        self._linger: asyncio.TimerHandle | None = None
        self.sock = sock

    def start(self, first: bytes = b"") -> None:
        """Begin the handshake.

        Args:
            first: bytes already taken from the socket.
        """
        self._loop.add_reader(self.sock, self._readable)
        if first:
            self._incoming.write(first)
        self._advance()

    @property
    def certificate(self) -> bytes:
        """The far end's certificate in DER; empty if it showed none."""
        return self._tls.getpeercert(binary_form=True) or b""

    @property
    def is_over(self) -> bool:
        """The stream was closed, aborted or lost."""
        return self._closing or self._owner is None

    def write(self, data: bytes) -> None:
        """Send bytes; never waits. Silently does nothing once the stream is over."""
        if self.is_over or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as exc:
            self._lose(exc)
            return
        self._flush()

    def close(self) -> None:
        """Send what waits, then the end of TLS, then end; within a second all is gone."""
        if self.is_over:
            return
        self._closing = True
        if self._ready:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
        self._linger = self._loop.call_later(_LINGER_SECONDS, self.abort)
        self._flush()

    def abort(self) -> None:
        """End at once, sending nothing more."""
        self._lose(None)

    def _readable(self) -> None:
        for _ in range(_READS_A_TURN):
            try:
                data = self.sock.recv(_READ)
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
            self._incoming.write(data)
            self._advance()
            if self._owner is None or len(data) < _READ:
                return

    def _advance(self) -> None:
        try:
            if not self._ready:
                self._tls.do_handshake()
                self._ready = True
                self._flush()
                if self._owner is not None:
                    self._owner.tls_ready()
            while self._owner is not None and not self._closing:
                data = self._tls.read(_READ)
                if not data:
                    self._lose(None)
                    return
                self._owner.tls_data(data)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self._lose(None)
        except (ssl.SSLError, ValueError) as exc:
            # The alert that tells why goes out, best effort.
            self._flush()
            self._lose(exc)

    def _flush(self) -> None:
        if self._owner is None:
            return
        if self._outgoing.pending:
            self._unsent += self._outgoing.read()
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
                self._loop.add_writer(self.sock, self._flush)
        else:
            if self._writing:
                self._writing = False
                self._loop.remove_writer(self.sock)
            if self._closing:
                with contextlib.suppress(OSError):
                    self.sock.shutdown(socket.SHUT_WR)

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
        owner.tls_lost(failure)
