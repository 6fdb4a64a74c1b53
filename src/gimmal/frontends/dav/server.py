"""The server of a network drive: on this computer alone, for programs of this person alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import threading
import time
from typing import Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.wsgi import Server
from wsgidav.wsgidav_app import WsgiDAVApp

from gimmal.base.errors import LocalError
from gimmal.base.tcp_owner import owner_of, owners_known
from gimmal.frontends.dav.body import Body
from gimmal.frontends.dav.bridge import Bridge
from gimmal.frontends.dav.guard import Guard
from gimmal.frontends.dav.locks import Locks
from gimmal.frontends.dav.login import Authenticator, Login, domain_controller
from gimmal.frontends.dav.methods import Resolver
from gimmal.frontends.dav.properties import Properties
from gimmal.frontends.dav.provider import Provider
from gimmal.frontends.dav.refusals import Refusals
from gimmal.frontends.dav.side import Side

logger = logging.getLogger("gimmal")

ADDRESS = "127.0.0.1"

THREADS = 24
"""Requests that are answered at a time."""

CONNECTIONS_MAX = 64
"""Connections that are kept between two requests, and as many that wait for a thread."""

HEADER_MAX = 32 * 1024
"""Bytes of a request's header."""

SILENT_SECONDS = 30
"""How long a client may leave a connection without a byte, either way."""

SEND_BUFFER = 256 * 1024
"""Bytes that wait in the system for a client: what it never reads was fetched for nothing."""

LINGER_SECONDS = 2.0
"""How long what a client still sends is thrown away after it got its answer."""

START_SECONDS = 30.0
"""What its threads get to begin."""

STOP_SECONDS = 0.5
"""What threads get to end in good order."""

_library = logging.getLogger("wsgidav")
_library.propagate = False
_library.addHandler(logging.NullHandler())
_library.setLevel(logging.CRITICAL + 1)


class DavServer:
    """Serves a tree until it is closed.

    Args:
        side: what is shown.
        login: what a client has to show.
        port: to listen on; 0 for any that is free.

    Attributes:
        url: where it is.
        only_ours: whether programs of other users are told apart, and get no byte.
        provider: what it shows.

    Raises:
        LocalError: the port cannot be had.
    """

    def __init__(self, side: Side, login: Login, port: int = 0) -> None:
        listening = _listen(port)
        port = listening.getsockname()[1]
        self.url = f"http://{ADDRESS}:{port}/"
        self.only_ours = owners_known()
        self._bridge = Bridge(asyncio.get_running_loop(), side.failed)
        self.provider = Provider(side, self._bridge)
        application = WsgiDAVApp(_config(self.provider, login))
        self._server = _Server(listening, Guard(application, (f"{ADDRESS}:{port}", f"localhost:{port}")))

    async def start(self) -> None:
        """Begin to answer; returns when it does. Raises LocalError where it does not."""
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._serve, args=(loop, ready), name="gimmal-dav", daemon=True)
        thread.start()
        try:
            async with asyncio.timeout(START_SECONDS):
                await ready.wait()
        except TimeoutError:
            raise LocalError("the network drive did not start", "this computer may be very busy: try again") from None

    def _serve(self, loop: asyncio.AbstractEventLoop, ready: asyncio.Event) -> None:
        # Its threads are begun here, so that they are as this one: none keeps the process.
        self._server.prepare()
        loop.call_soon_threadsafe(ready.set)
        self._server.serve()

    async def close(self) -> None:
        """Close every connection; what was being answered is broken off."""
        await self.provider.side.close()
        await self._bridge.close()
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._stop, args=(loop, stopped), name="gimmal-dav-end", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * STOP_SECONDS):
                await stopped.wait()

    def _stop(self, loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
        self._server.stop()
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(stopped.set)


def _listen(port: int) -> socket.socket:
    try:
        listening = socket.create_server((ADDRESS, port), backlog=CONNECTIONS_MAX)
    except OSError as exc:
        which = f"port {port}" if port else "no port"
        raise LocalError(
            f"{which} of this computer can{'not' if port else ''} be had", "choose another one with --port"
        ) from exc
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return listening


def _config(provider: Provider, login: Login) -> dict[str, Any]:
    """Everything that wsgidav is told: what is not named here is off."""
    return {
        "provider_mapping": {"/": provider},
        "middleware_stack": [Refusals, Authenticator, Resolver],
        "http_authenticator": {
            "domain_controller": domain_controller(login),
            # Both: Windows sends no password, rclone no digest. Offered is the digest.
            "accept_basic": True,
            "accept_digest": True,
            "default_to_digest": True,
        },
        "lock_storage": Locks(),
        "property_manager": Properties(),
        "mutable_live_props": ["{DAV:}getlastmodified"],
        "hotfixes": {
            "emulate_win32_lastmod": True,
            # The guard has read the target already.
            "re_encode_path_info": False,
        },
        "logging": {"enable": False},
        "verbose": 0,
        "suppress_version_info": True,
    }


class _Server(Server):
    """cheroot's server on a socket that listens already."""

    max_request_header_size = HEADER_MAX
    keep_alive_conn_limit = CONNECTIONS_MAX
    server_name = "gimmal"

    def __init__(self, listening: socket.socket, application: Any) -> None:
        super().__init__(
            listening.getsockname()[:2],
            application,
            numthreads=THREADS,
            max=THREADS,
            server_name="gimmal",
            timeout=SILENT_SECONDS,
            shutdown_timeout=STOP_SECONDS,
            accepted_queue_size=CONNECTIONS_MAX,
            accepted_queue_timeout=0,
        )
        self.ConnectionClass = _Connection
        self.only_ours = owners_known()
        self.user = os.geteuid()
        self._listening = listening

    def prepare(self) -> None:
        """See cheroot; where a socket was handed to the process, that is not for us."""
        os.environ.pop("LISTEN_PID", None)
        super().prepare()

    def bind(self, family: int, type: int, proto: int = 0) -> socket.socket:  # noqa: A002 - cheroot's word
        """Take the socket that listens."""
        self.socket = self._listening
        self.bind_addr = self._listening.getsockname()[:2]
        return self.socket

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """What fails in a connection is the client's affair; it may hold names."""
        logger.debug("network drive: %s", msg, exc_info=traceback)


class _Request(HTTPRequest):
    """A request whose body is never held in memory as a whole, and asked for only once it is wanted."""

    def __init__(self, server: Any, conn: Any) -> None:
        super().__init__(server, conn)
        self.header_reader = self._read_header
        self._waits = False
        """Its sender waits for a word before it sends the body."""

    def _read_header(self, source: Any, fields: Any) -> Any:
        """Take out what cheroot would answer at once: the word that the body is welcome is left to who reads it."""
        HeaderReader()(source, fields)
        self._waits = fields.pop(b"Expect", b"").lower() == b"100-continue"
        return fields

    def respond(self) -> None:
        """See cheroot."""
        length = None if self.chunked_read else int(self.inheaders.get(b"Content-Length", 0))
        self.rfile = Body(self.conn.rfile, length, self._invite if self._waits else None)
        self.server.gateway(self).respond()
        if self.ready:
            self.ensure_headers_sent()
        if self.chunked_write:
            self.conn.wfile.write(b"0\r\n\r\n")
        if not self.rfile.at_end:
            self.conn.leave_later()

    def _invite(self) -> None:
        self.conn.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def send_headers(self) -> None:
        """See cheroot; where much of the body is left, nothing can follow on this connection."""
        if not self.rfile.drain():
            self.close_connection = True
        super().send_headers()


class _Connection(HTTPConnection):
    """A connection that is read from only once it is known to be this person's."""

    RequestHandlerClass = _Request
    _ours: bool | None = None
    _later = False

    def communicate(self) -> bool:
        """One request; whether another may follow."""
        if self._ours is None:
            self._ours = not self.server.only_ours or self._is_ours()
        return self._ours and bool(super().communicate())

    def _is_ours(self) -> bool:
        near = (self.remote_addr, self.remote_port)
        return bool(owner_of(near, self.server.bind_addr) == self.server.user)

    def leave_later(self) -> None:
        """The client still sends: closed at once, the connection would take the answer with it."""
        self._later = True

    def close(self) -> None:
        """See cheroot."""
        if self._later:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                _discard(self.socket)
        super().close()


def _discard(connection: socket.socket) -> None:
    """Read what comes, but not for long."""
    until = time.monotonic() + LINGER_SECONDS
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        if not connection.recv(256 * 1024):
            return
