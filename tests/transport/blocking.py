"""What stands in a network's way: a box that lets only some connections pass, and an HTTP proxy."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum

from gimmal.base.tasks import Tasks

_PIECE = 1 << 16


class Manner(Enum):
    """What is done with bytes that are not let through."""

    RESET = "reset"
    SWALLOW = "swallow"
    END = "end"


@dataclass
class Box:
    """A forwarder that looks at the first byte of each connection.

    Attributes:
        host, port: of what is behind it.
        blocked: first bytes that do not pass.
        manner: what becomes of them.
        seen: first byte of every connection, in order.
        moved: bytes that passed towards the other end, and back.
        delay: seconds by which the first bytes of each connection are late.
    """

    host: str
    port: int
    blocked: bytes = b""
    manner: Manner = Manner.RESET
    seen: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=lambda: [0, 0])
    delay: float = 0.0
    own_port: int = 0
    tasks: Tasks = field(default_factory=Tasks)
    context: ssl.SSLContext | None = None
    """Where TLS ends here, as at a reverse proxy; what is behind it then gets plain bytes."""

    async def serve(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await near.read(_PIECE)
        if not first:
            writer.close()
            return
        self.seen.append(first[0])
        if first[0] in self.blocked:
            await self._refuse(near, writer)
            return
        await asyncio.sleep(self.delay)
        far, far_writer = await asyncio.open_connection(self.host, self.port)
        far_writer.write(first)
        self.moved[0] += len(first)
        await asyncio.gather(self._pump(near, far_writer, 0), self._pump(far, writer, 1))

    async def _refuse(self, near: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.manner is Manner.RESET:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.manner is Manner.SWALLOW:
            with contextlib.suppress(ConnectionError):
                while await near.read(_PIECE):
                    pass
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: int) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(_PIECE):
                writer.write(data)
                self.moved[way] += len(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
                return
        writer.close()


@contextlib.asynccontextmanager
async def box(host: str, port: int, **more: object) -> AsyncIterator[Box]:
    """A running ``Box`` on 127.0.0.1."""
    made = Box(host, port, **more)  # type: ignore[arg-type]
    async with _server(made.serve, made.context) as made.own_port:
        yield made


@dataclass
class ConnectProxy:
    """An HTTP proxy that knows CONNECT and Basic authentication.

    Attributes:
        credentials: ``name:password`` that it wants, or empty.
        asked: targets that it was asked for.
        canned: what it answers in place of doing anything, or None.
        silent: it reads and never answers.
        target: where it connects to whatever it was asked for; None is that itself.
    """

    credentials: str = ""
    asked: list[str] = field(default_factory=list)
    canned: bytes | None = None
    silent: bool = False
    target: tuple[str, int] | None = None
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request.split(" ")[1])
        if self.silent:
            await reader.read()
        elif self.canned is not None:
            with contextlib.suppress(ConnectionError):
                writer.write(self.canned)
                await writer.drain()
        elif self.credentials and f"Basic {base64.b64encode(self.credentials.encode()).decode()}" not in request:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
        else:
            host, _, port = self.asked[-1].rpartition(":")
            host, number = self.target or (host, int(port))
            try:
                far, far_writer = await asyncio.open_connection(host, number)
            except OSError:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                passing = Box(host, number)
                await asyncio.gather(passing._pump(reader, far_writer, 0), passing._pump(far, writer, 1))
        writer.close()


@contextlib.asynccontextmanager
async def connect_proxy(**more: object) -> AsyncIterator[ConnectProxy]:
    """A running ``ConnectProxy`` on 127.0.0.1."""
    made = ConnectProxy(**more)  # type: ignore[arg-type]
    async with _server(made.serve, None) as made.port:
        yield made


@contextlib.asynccontextmanager
async def _server(serve: object, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    connections: set[asyncio.Task[None]] = set()

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await serve(reader, writer)  # type: ignore[operator]
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()
            connections.discard(task)

    server = await asyncio.start_server(kept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
