"""An HTTP server on this computer alone, for programs of this person alone."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from gimmal.base.errors import LocalError
from gimmal.base.primitives import random_bytes
from gimmal.base.tasks import Tasks
from gimmal.base.tcp_owner import owner_of, owners_known
from gimmal.base.workers import Workers
from gimmal.frontends.stream.application import StreamApplication
from gimmal.frontends.stream.beside import FilmBeside
from gimmal.frontends.stream.content_types import content_type_of, ending_of
from gimmal.frontends.stream.tracks import Track
from gimmal.remote.file_cache import FileCache

ADDRESS = "127.0.0.1"
CONNECTIONS_MAX = 64
"""Connections that are open at a time; a further one is closed."""

SEND_BUFFER = 128 * 1024
"""Bytes that wait in the system for a player: what it never reads was fetched for nothing."""

HEADER_MAX = 16 * 1024
"""Bytes of a request's header."""

IDLE_SECONDS = 15.0
"""How long a connection may be open without a request under way; looked at as often."""

SECRET_BYTES = 24

for _name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
    # What it would log has the secret place in it.
    logging.getLogger(_name).disabled = True


class StreamServer:
    """Serves one file until it is closed.

    Args:
        cache: where the bytes come from.
        path: wire path of the file.
        workers: threads.
        tracks: subtitles of a film.

    Attributes:
        url: where it is. Whoever knows it and runs as the same user reads the file.
        page: where a browser plays it, with its subtitles.
        beside: what else is served.
        only_ours: whether programs of other users are told apart, and get no byte.

    Raises:
        LocalError: no port can be had.
    """

    def __init__(self, cache: FileCache, path: str, workers: Workers, tracks: Sequence[Track] = ()) -> None:
        try:
            self._socket = socket.create_server((ADDRESS, 0), backlog=CONNECTIONS_MAX)
        except OSError as exc:
            raise LocalError("no port of this computer can be had", "close other programs") from exc
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        port: int = self._socket.getsockname()[1]
        secret = base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).decode("ascii").rstrip("=")
        # Not the file's name: players and browsers keep lists of what they opened.
        ending = ending_of(path)
        film = f"play{'.' if ending else ''}{ending}"
        self.page = f"http://{ADDRESS}:{port}/{secret}/"
        self.url = self.page + film
        self.only_ours = owners_known()
        self.beside = FilmBeside(cache, path, film, content_type_of(path), tracks)
        hosts = (f"{ADDRESS}:{port}", f"localhost:{port}")
        self._application = StreamApplication(cache, path, f"/{secret}/{film}", hosts, self.beside)
        self._workers = workers
        self._tasks = Tasks()
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to answer."""
        config = Config(
            self._application,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=HEADER_MAX,
        )
        config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, config), sock=self._socket)

    def admits(self, connection: _Connection) -> bool:
        """Whether there is room for one more."""
        return len(self._state.connections) <= CONNECTIONS_MAX

    def check(self, connection: _Connection) -> None:
        """Let a connection speak as soon as it is known to be this person's."""
        self._tasks.start(self._check(connection), "whose player it is")

    async def _check(self, connection: _Connection) -> None:
        ours = not self.only_ours
        if connection.client is not None and not ours:
            end = self._socket.getsockname()
            ours = await self._workers.call(owner_of, connection.client, end) == os.geteuid()
        connection.admit(ours)

    @property
    def state(self) -> ServerState:
        """What its connections share."""
        return self._state

    async def close(self) -> None:
        """Close every connection at once; what was being answered is broken off."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        self._application.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await self.beside.close()
        await self._tasks.close()


class _Connection(H11Protocol):
    """A connection that is read from only once it is known to be this person's, and not kept open for nothing."""

    def __init__(self, server: StreamServer, config: Config) -> None:
        super().__init__(config, server.state, {})
        self._stream_server = server
        self._idle = False
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if not self._stream_server.admits(self):
            transport.abort()
            return
        self.flow.pause_reading()
        self._stream_server.check(self)

    def admit(self, ours: bool) -> None:
        """It may speak, or is closed without a byte."""
        if not ours:
            self.transport.abort()
        elif not self.transport.is_closing():
            self.flow.resume_reading()
            self._look = self.loop.call_later(IDLE_SECONDS, self._look_again)

    def _look_again(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and (self._idle or self.cycle is None):
            self.transport.abort()
            return
        self._idle = idle
        self._look = self.loop.call_later(IDLE_SECONDS, self._look_again)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._look is not None:
            self._look.cancel()
