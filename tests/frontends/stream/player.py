"""A player that speaks HTTP in the test's own event loop: what it sends and gets is seen byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from gimmal.base.workers import Workers
from gimmal.frontends.stream.server import StreamServer
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files
from tests.patience import PATIENCE


@dataclass
class Answer:
    """One answer; ``whole`` where it came to its end."""

    status: int
    fields: dict[str, str]
    body: bytes
    whole: bool = True


class Player:
    """One connection to a server."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self.host, self.port, self.target = parts.hostname, parts.port, parts.path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._machine = h11.Connection(h11.CLIENT)

    async def ask(self, method: str = "GET", target: str | None = None, **fields: str) -> Answer:
        """One request and its whole answer; a field None is left out, ``_`` in names stands for ``-``."""
        await self.begin(method, target, **fields)
        return await self.answer()

    async def begin(self, method: str = "GET", target: str | None = None, **fields: str) -> None:
        """Send a request."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
        if self._machine.our_state is h11.DONE:
            self._machine.start_next_cycle()
        named = {"host": f"{self.host}:{self.port}"} | {name.replace("_", "-"): text for name, text in fields.items()}
        request = h11.Request(method=method, target=target or self.target, headers=list(named.items()))
        data = self._machine.send(request)
        end = self._machine.send(h11.EndOfMessage())
        assert data is not None and end is not None
        self._streams[1].write(data + end)

    async def answer(self, most: int | None = None) -> Answer:
        """The answer, or of its body ``most`` bytes at least."""
        assert self._streams is not None
        answer = Answer(0, {}, b"", False)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    event = self._machine.next_event()
                except h11.RemoteProtocolError:
                    return answer  # it broke off
                if event is h11.NEED_DATA:
                    self._machine.receive_data(await self._streams[0].read(65536))
                elif isinstance(event, h11.Response):
                    answer.status = event.status_code
                    answer.fields = {name.decode(): text.decode() for name, text in event.headers}
                elif isinstance(event, h11.Data):
                    answer.body += bytes(event.data)
                    if most is not None and len(answer.body) >= most:
                        return answer
                elif isinstance(event, h11.EndOfMessage):
                    answer.whole = True
                    return answer
                else:
                    return answer

    @property
    def stream(self) -> asyncio.StreamReader:
        """What comes on the connection."""
        assert self._streams is not None
        return self._streams[0]

    def leave(self) -> None:
        """Close the connection as players do when they jump."""
        if self._streams is not None:
            self._streams[1].transport.abort()


@asynccontextmanager
async def serving(files: Files, path: str) -> AsyncIterator[tuple[StreamServer, FileCache]]:
    """A server for one file of a tree."""

    async def open_files() -> Files:
        return files

    cache, workers = FileCache(open_files), Workers()
    try:
        server = StreamServer(cache, path, workers)
        await server.start()
        try:
            yield server, cache
        finally:
            await server.close()
    finally:
        await cache.close()
        workers.close()
