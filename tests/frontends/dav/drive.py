"""A network drive of a tree, and clients that speak HTTP to it from threads, as clients do."""

from __future__ import annotations

import asyncio
import base64
import http.client
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from gimmal.frontends.dav.login import Login, new_login
from gimmal.frontends.dav.server import DavServer
from gimmal.frontends.dav.side import Side
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.file_cache import FileCache
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView
from tests.endtoend.processes import Process
from tests.endtoend.world import Computer, World
from tests.patience import PATIENCE
from tests.remote.two_sides import Sides, TwoSides

ResultT = TypeVar("ResultT")


def secret_of(login: Login) -> str:
    """What stands behind ``Basic``."""
    return base64.b64encode(f"{login.user}:{login.password}".encode()).decode()


@dataclass
class Answer:
    """One answer."""

    status: int
    fields: dict[str, str]
    body: bytes


class Client:
    """One connection to a drive; for one thread."""

    def __init__(self, url: str, login: Login) -> None:
        parts = urlsplit(url)
        assert parts.hostname and parts.port
        self.host, self.port = parts.hostname, parts.port
        self.url = url
        self.login = login
        self.secret = secret_of(login)
        self.connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def ask(self, method: str, target: str, body: object = None, **fields: str | None) -> Answer:
        """One request and its answer; a field None is left out, ``_`` in names stands for ``-``."""
        named = {"authorization": f"Basic {self.secret}"} | {
            name.strip("_").replace("_", "-"): text for name, text in fields.items() if text is not None
        }
        if fields.get("authorization", "") is None:
            del named["authorization"]
        chunked = body is not None and not isinstance(body, bytes)
        self.connection.request(method, target, body, named, encode_chunked=chunked)
        answer = self.connection.getresponse()
        return Answer(answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read())

    def close(self) -> None:
        """Leave."""
        self.connection.close()


@dataclass
class Drive:
    """A drive that runs."""

    server: DavServer
    login: Login
    side: Side

    @property
    def host(self) -> str:
        """Of its URL."""
        return urlsplit(self.server.url).hostname or ""

    @property
    def port(self) -> int:
        """Of its URL."""
        return urlsplit(self.server.url).port or 0

    @property
    def secret(self) -> str:
        """What stands behind ``Basic``."""
        return secret_of(self.login)

    async def use(self, work: Callable[[Client], ResultT]) -> ResultT:
        """Do something as a client, in a thread."""

        def run() -> ResultT:
            client = Client(self.server.url, self.login)
            try:
                return work(client)
            finally:
                client.close()

        return await asyncio.to_thread(run)


@asynccontextmanager
async def driving(sides: Sides) -> AsyncIterator[Drive]:
    """A drive of the far side's tree."""

    async def open_files() -> RemoteFiles:
        return sides.far

    async def leads_there() -> bool:
        return sides.session.leads_there

    view, cache, login = TreeView(sides.far), FileCache(open_files), new_login()
    tree = EditedTree(open_files, view, cache, workers=sides.workers)
    try:
        side = Side(tree, leads_there)
        server = DavServer(side, login)
        await server.start()
        try:
            yield Drive(server, login, side)
        finally:
            await server.close()
    finally:
        await tree.close()
        await view.close()
        await cache.close()


def drive(two: TwoSides, work: Callable[[Client], ResultT]) -> ResultT:
    """What a client sees of a drive of the far side."""

    async def main(sides: Sides) -> ResultT:
        async with driving(sides) as running:
            return await running.use(work)

    return two.run(main)


def login_of(process: Process) -> tuple[str, Login]:
    """What ``gimmal dav`` prints: where it is, and the login."""
    url = process.wait_line("dav: ")
    return url, Login(process.wait_line("user: "), process.wait_line("password: "))


@contextmanager
def dav_client(world: World, computer: Computer, *words: str) -> Iterator[Client]:
    """A client of the drive that the command shows."""
    process: Process = world.start(computer, "dav", *words)
    client = Client(*login_of(process))
    try:
        yield client
    finally:
        client.close()
    process.popen.send_signal(signal.SIGTERM)
    assert process.wait(60).code == 0
