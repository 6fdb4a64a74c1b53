"""TLS over a non-blocking socket with two memory buffers.

Stands in for asyncio's own TLS transport, which holds about 280 KiB a connection; this holds about 20. Relay
and relay client share it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl

from gimmal.base.socket_stream import READ, SocketStream, StreamOwner


class TlsStream(SocketStream):
    """One TLS connection.

    Args:
        sock: connected and non-blocking; owned by the stream from here on.
        context: of the client or the server.
        owner: hears of everything; called from the event loop only. ``stream_ready`` is the end of the handshake.
        server_hostname: None makes this the server's end, "" a client without a name.
        waiting_max: bytes that may wait for a far end which does not read; more ends the stream.
    """

    __slots__ = ("_incoming", "_outgoing", "_ready", "_tls")

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        owner: StreamOwner,
        *,
        server_hostname: str | None = None,
        waiting_max: int = 256 * 1024,
    ) -> None:
        super().__init__(sock, owner, waiting_max=waiting_max)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname or None,
        )
        self._ready = False

    @property
    def certificate(self) -> bytes:
        """The far end's certificate in DER; empty if it showed none."""
        return self._tls.getpeercert(binary_form=True) or b""

    @property
    def protocol(self) -> str | None:
        """What the two ends agreed on by ALPN; None where they did not."""
        return self._tls.selected_alpn_protocol()

    def write(self, data: bytes) -> None:
        """See ``Stream``."""
        if self.is_over or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as exc:
            self._lose(exc)
            return
        self._flush()

    def _begin(self, first: bytes) -> None:
        if first:
            self._incoming.write(first)
        self._advance()

    def _received(self, data: bytes) -> None:
        self._incoming.write(data)
        self._advance()

    def _go_on(self) -> None:
        if self._ready and not self.is_over and not self._paused:
            self._advance()

    def _say_end(self) -> None:
        if self._ready:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()

    def _advance(self) -> None:
        try:
            if not self._ready:
                self._tls.do_handshake()
                self._ready = True
                self._flush()
                if self._owner is not None:
                    self._owner.stream_ready()
            while self._owner is not None and not self._closing and not self._paused:
                data = self._tls.read(READ)
                if not data:
                    self._lose(None)
                    return
                self._owner.stream_data(data)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLZeroReturnError:
            self._lose(None)
        except (ssl.SSLError, ValueError) as exc:
            # The alert that tells why goes out, best effort.
            self._flush()
            self._lose(exc)

    def _flush(self) -> None:
        if self._owner is not None and self._outgoing.pending:
            self._unsent += self._outgoing.read()
        super()._flush()
