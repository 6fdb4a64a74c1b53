"""A connection whose first bytes inside TLS or WebSocket decide what it is (docs/spec/relay.md, section 12)."""

from __future__ import annotations

import ssl
from typing import Protocol

from gimmal.base.errors import ProtocolViolation
from gimmal.base.socket_stream import SocketStream, Stream
from gimmal.base.tls_stream import TlsStream
from gimmal.base.web_socket import WebSocketServer
from gimmal.base.web_stream import WebStream
from gimmal.protocol.relay.messages import CONTROL_PATH, DATA_LEG, HTTP_GET, LEG_PATH, TICKET_SIZE

_LEG_HELLO = 1 + TICKET_SIZE


class InnerOwner(Protocol):
    """Who hears what it is; the stream is the callee's from then on."""

    def inner_forwarded(self, doorstep: InnerDoorstep, address: str) -> None:
        """It says for whom it asks; ``address`` may be anything. May close it, or change its ``source``."""

    def inner_control(self, doorstep: InnerDoorstep, stream: Stream) -> None:
        """A control."""

    def inner_leg(self, doorstep: InnerDoorstep, stream: Stream, ticket: bytes, first: bytes) -> None:
        """A data leg, paused, with bytes of the link that came behind its ticket."""

    def inner_lost(self, doorstep: InnerDoorstep, bad_hello: bool) -> None:
        """It is over before it was either.

        Args:
            bad_hello: it sent what no half sends.
        """


class InnerDoorstep:
    """Reads one hello inside TLS or WebSocket.

    Args:
        source: who.
        since: loop time of the accept.
        owner: decides.
        seen: address and port that the connection comes from, as ``Welcome`` has them; empty where TLS ended elsewhere.
    """

    __slots__ = ("_bad", "_bytes", "_owner", "_stream", "_web", "seen", "since", "source")

    def __init__(self, source: str, since: float, owner: InnerOwner, seen: bytes = b"") -> None:
        self._owner = owner
        self._stream: Stream | None = None
        self._web: WebSocketServer | None = None
        self._bytes = b""
        self._bad = False
        self.source = source
        self.since = since
        self.seen = seen

    def start(self, stream: SocketStream, first: bytes) -> None:
        """Begin.

        Args:
            stream: not started yet, and made for this owner.
            first: bytes already taken from its socket.
        """
        self._stream = stream
        stream.start(first)

    def close(self) -> None:
        """Give the connection up without a byte."""
        if self._stream is not None:
            self._stream.abort()

    def stream_ready(self) -> None:
        """See ``StreamOwner``: TLS, and later perhaps WebSocket, is ready."""
        stream = self._stream
        assert stream is not None
        if self._web is not None and self._web.forwarded:
            self._owner.inner_forwarded(self, self._web.forwarded)
            if stream.is_over:
                return
        asks_control = self._web is not None and self._web.path == CONTROL_PATH
        if asks_control or (isinstance(stream, TlsStream) and stream.protocol is None):
            self._owner.inner_control(self, stream)

    def stream_data(self, data: bytes) -> None:
        """See ``StreamOwner``."""
        assert self._stream is not None
        self._bytes += data
        if self._bytes[0] == DATA_LEG and self._may_be_leg():
            if len(self._bytes) >= _LEG_HELLO:
                # Whoever takes it goes on reading when it is ready.
                self._stream.pause()
                hello, first = self._bytes[:_LEG_HELLO], self._bytes[_LEG_HELLO:]
                self._owner.inner_leg(self, self._stream, hello[1:], first)
        elif self._bytes[0] == HTTP_GET and isinstance(self._stream, SocketStream):
            self._web = WebSocketServer((CONTROL_PATH, LEG_PATH))
            first, self._bytes = self._bytes, b""
            self._stream = web = WebStream(self._stream, self._web, self)
            web.stream_data(first)
        else:
            self._bad = True
            self._stream.abort()

    def stream_lost(self, failure: Exception | None) -> None:
        """See ``StreamOwner``."""
        self._owner.inner_lost(self, self._bad or isinstance(failure, ssl.SSLError | ProtocolViolation))

    def _may_be_leg(self) -> bool:
        if self._web is not None:
            return self._web.path == LEG_PATH
        return isinstance(self._stream, TlsStream)
