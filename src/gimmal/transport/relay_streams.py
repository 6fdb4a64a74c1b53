"""Streams to a relay: inside TLS, or inside WebSocket, perhaps through a proxy (docs/spec/relay.md, section 12)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from gimmal.base.errors import RelayError
from gimmal.base.socket_stream import Stream
from gimmal.base.tls_stream import TlsStream
from gimmal.base.web_socket import WebSocketClient
from gimmal.base.web_stream import WebStream
from gimmal.protocol.relay.messages import HTTP_PROTOCOL
from gimmal.protocol.relay.url import RelayUrl
from gimmal.transport.proxy import Proxy, tunnel
from gimmal.transport.relay_tls import check_key, client_context, tls_failure
from gimmal.transport.tcp_connect import address_of, connect_tcp


class Dialled:
    """A stream that was begun, until somebody takes it over. A ``StreamOwner``.

    Args:
        url: of the relay.
        check: called when the stream is ready; raises RelayError where it is not what is wanted.
    """

    def __init__(self, url: RelayUrl, check: Callable[[], None] | None = None) -> None:
        loop = asyncio.get_running_loop()
        self._url = url
        self._check = check
        self.stream: Stream | None = None
        self.address = ("", 0)
        """That answered: of the relay, or of the proxy."""
        self.own = ("", 0)
        """This side's own address on the connection, and port."""
        self.pin = b""
        """Of the certificate that TLS showed."""
        self.received = b""
        """What came; the stream is paused then."""
        self.ready: asyncio.Future[None] = loop.create_future()
        self.first: asyncio.Future[None] = loop.create_future()
        """Both done, or failed with RelayError."""

    def stream_ready(self) -> None:
        """See ``StreamOwner``."""
        try:
            if self._check is not None:
                self._check()
        except RelayError as exc:
            self._fail(exc)
            self.abort()
            return
        if not self.ready.done():
            self.ready.set_result(None)

    def stream_data(self, data: bytes) -> None:
        """See ``StreamOwner``."""
        self.received += data
        if self.stream is not None:
            self.stream.pause()
        if not self.first.done():
            self.first.set_result(None)

    def stream_lost(self, failure: Exception | None) -> None:
        """See ``StreamOwner``."""
        self._fail(tls_failure(self._url, failure))

    def connected(self, sock: socket.socket) -> None:
        """Note the addresses of a connected socket; OSError, with the socket closed, where it was reset already."""
        self.address = address_of(sock)
        host, port = sock.getsockname()[:2]
        self.own = host, port

    def abort(self) -> None:
        """End the stream, where there is one."""
        if self.stream is not None:
            self.stream.abort()

    def _fail(self, failure: RelayError) -> None:
        for waited_for in (self.ready, self.first):
            if not waited_for.done():
                waited_for.set_exception(failure)
                # Whoever waits gets it; nobody has to.
                waited_for.exception()


async def dial_tls(
    url: RelayUrl,
    address: tuple[str, int] | None = None,
    *,
    speaks_first: bool = False,
    family: socket.AddressFamily = socket.AF_UNSPEC,
) -> Dialled:
    """TCP and the begin of TLS to a relay.

    Args:
        url: of the relay.
        address: where it was reached before; None asks for its name.
        speaks_first: see ``client_context``; a relay that does not know of this is refused.
        family: of the only addresses to try.

    Raises:
        OSError: no address answered.
    """
    sock = await connect_tcp(*(address or (url.host, url.port)), family)

    def check() -> None:
        dialled.pin = check_key(url, stream.certificate)
        if speaks_first:
            _check_protocol(url, stream)

    dialled = Dialled(url, check)
    dialled.connected(sock)
    context = client_context(url, speaks_first=speaks_first)
    dialled.stream = stream = TlsStream(sock, context, dialled, server_hostname=_name(url))
    stream.start()
    return dialled


async def dial_web(url: RelayUrl, path: str, proxy: Proxy | None, address: tuple[str, int] | None = None) -> Dialled:
    """TCP and the begin of TLS and WebSocket to a relay.

    Args:
        url: of the relay.
        path: what to ask for.
        proxy: to go through, or None.
        address: where it was reached before without a proxy; None asks for its name.

    Raises:
        RelayError: the proxy does not let through.
        OSError: no address answered.
    """
    if proxy is not None:
        sock = await tunnel(proxy, url.host, url.port)
    else:
        sock = await connect_tcp(*(address or (url.host, url.port)))
    dialled = Dialled(url)
    dialled.connected(sock)

    def check() -> None:
        dialled.pin = check_key(url, tls.certificate)
        _check_protocol(url, tls)

    tls = TlsStream(sock, client_context(url, speaks_first=True), dialled, server_hostname=_name(url))
    dialled.stream = WebStream(tls, WebSocketClient(url.host, url.port, path), dialled, check)
    tls.start()
    return dialled


def _check_protocol(url: RelayUrl, tls: TlsStream) -> None:
    """A relay of before would take what this side says first for nonsense of a control."""
    if tls.protocol != HTTP_PROTOCOL:
        raise RelayError(
            f"the relay {url.address} takes neither links inside TLS nor WebSocket",
            "ask its operator to update it",
            hopeless=True,
        )


def _name(url: RelayUrl) -> str:
    """What to ask for in TLS, and to find in the certificate; with a pin neither."""
    return url.host if url.pin is None else ""
