"""A process that writes files of the other side without rest, and says what was saved: to be killed.

Arguments: path of a socket that leads to the other side, folder for journals, seed.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from pathlib import Path

from gimmal.agent.local_commands import local_session
from gimmal.base.errors import GimmalError, Interrupted
from gimmal.base.workers import Workers
from gimmal.protocol.messages import CloseReason
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.file_cache import FileCache
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView
from gimmal.transport.buffers import BufferPool

NAMES = tuple(f"far/{letter}.txt" for letter in "abc")


def places_in(base: Path) -> tuple[Path, ...]:
    return (base / "half" / "edits", base / "state")


class Way:
    """Sessions over the socket, one after another."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pool = BufferPool()
        self._files: RemoteFiles | None = None

    async def open(self) -> RemoteFiles:
        if self._files is not None and not self._files.session.over:
            return self._files
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(connection, self._path)
        except OSError as exc:
            connection.close()
            raise Interrupted("the line is down") from exc
        session = local_session(connection, self._pool, None, opener=True)
        session.links[0].ended.add_done_callback(lambda _ended: session.fail(Interrupted("the line was cut")))
        self._files = RemoteFiles(session)
        return self._files

    def close(self) -> None:
        if self._files is not None:
            self._files.session.close(CloseReason.DONE)


def say(what: str, name: str, text: str) -> None:
    print(json.dumps([what, name, text]), flush=True)


async def write(tree: EditedTree, draw: random.Random, turn: int) -> None:
    """One edit as an editor does it; it counts once ``saved`` was said."""
    name = draw.choice(NAMES)
    text = f"{name} {turn} " + "x" * draw.choice((0, 10, 5_000, 300_000))
    say("tries", name, text)
    if draw.random() < 0.5:
        file = await tree.open(name, write=True, create=True, truncate=True)
        await file.write(0, text.encode())
        await (file.close() if draw.random() < 0.5 else file.sync())
        say("saved", name, text)
        await file.close()
        return
    temporary = f"far/.tmp-{turn}"
    file = await tree.open(temporary, write=True, create=True, exclusive=True)
    await file.write(0, text.encode())
    await file.close()
    await tree.rename(temporary, name)
    say("saved", name, text)


async def main(path: str, base: Path, seed: int) -> None:
    draw, way, workers = random.Random(seed), Way(path), Workers()
    view, cache = TreeView(await way.open()), FileCache(way.open)
    key = bytes(32)
    tree = EditedTree(
        way.open,
        view,
        cache,
        workers=workers,
        journals=places_in(base),
        key=key,
        conflicts=ConflictList(places_in(base), key),
        computer="anna",
    )
    await tree.listing("far")
    for turn in range(100_000):
        try:
            await write(tree, draw, turn)
        except GimmalError as error:
            say("refused", "", f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
