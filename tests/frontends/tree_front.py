"""The tree of open files itself, which all other front ends stand on: its methods, called from another thread."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from gimmal.base.errors import GimmalError
from gimmal.protocol.messages import Kind
from gimmal.remote.edits.errno_of import errno_of
from gimmal.remote.edits.tree import EditedTree
from tests.frontends.behaviour import Front
from tests.patience import PATIENCE
from tests.remote.edits.rig import edited_tree
from tests.remote.two_sides import Sides, TwoSides

ResultT = TypeVar("ResultT")


class TreeFront(Front):
    """Calls an `EditedTree` on its loop; its errors become the system's by the one table."""

    def __init__(self, home: Path, tree: EditedTree, loop: asyncio.AbstractEventLoop, below: str) -> None:
        super().__init__(home)
        self._tree = tree
        self._loop = loop
        self._below = below

    def _call(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)
        except GimmalError as error:
            number = errno_of(error)
            raise OSError(number, os.strerror(number)) from error

    def _at(self, path: str) -> str:
        return f"{self._below}/{path}" if path else self._below

    async def _write(self, path: str, data: bytes, offset: int | None, *, new: bool = False) -> None:
        whole = offset is None
        file = await self._tree.open(self._at(path), write=True, create=whole, exclusive=new, truncate=whole)
        try:
            await file.write(offset or 0, data)
            await file.sync()
        finally:
            await file.close()

    def write(self, path: str, data: bytes) -> None:
        self._call(self._write(path, data, None))

    def make_new(self, path: str, data: bytes) -> None:
        self._call(self._write(path, data, None, new=True))

    def write_part(self, path: str, offset: int, data: bytes) -> None:
        self._call(self._write(path, data, offset))

    def truncate(self, path: str, size: int) -> None:
        self._call(self._tree.truncate(self._at(path), size))

    async def _read(self, path: str, offset: int, length: int | None) -> bytes:
        file = await self._tree.open(self._at(path))
        try:
            return await file.read(offset, file.attributes.size if length is None else length)
        finally:
            await file.close()

    def read(self, path: str) -> bytes:
        return self._call(self._read(path, 0, None))

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        return self._call(self._read(path, offset, length))

    def names(self, folder: str) -> set[str]:
        return {name.name for name in self._call(self._tree.listing(self._at(folder))).names}

    def size(self, path: str) -> int:
        return self._call(self._tree.find(self._at(path))).attributes.size

    def mtime(self, path: str) -> float:
        return self._call(self._tree.find(self._at(path))).attributes.mtime_ns / 1e9

    def set_mtime(self, path: str, seconds: float) -> None:
        self._call(self._tree.set_attributes(self._at(path), mtime_ns=int(seconds * 1e9)))

    def is_folder(self, path: str) -> bool:
        return self._call(self._tree.find(self._at(path))).attributes.kind is Kind.DIRECTORY

    def make_folder(self, path: str) -> None:
        self._call(self._tree.make_directory(self._at(path)))

    def remove(self, path: str) -> None:
        self._call(self._tree.remove(self._at(path)))

    def remove_folder(self, path: str) -> None:
        self._call(self._tree.remove_directory(self._at(path)))

    def rename(self, source: str, target: str) -> None:
        self._call(self._tree.rename(self._at(source), self._at(target)))

    def make_link(self, path: str, target: str) -> None:
        self._call(self._tree.make_link(self._at(path), target))

    def read_link(self, path: str) -> str:
        return self._call(self._tree.read_link(self._at(path)))


@contextmanager
def running_tree(base: Path) -> Iterator[TreeFront]:
    """A tree over two sides of one process, on a loop in a thread of its own."""
    sides = TwoSides(base)
    ready = threading.Event()
    made: list[tuple[EditedTree, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve(running: Sides) -> None:
        async with edited_tree(running, base) as tree:
            over = asyncio.Event()
            made.append((tree, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: sides.run(serve, 10 * PATIENCE), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    tree, loop, over = made[0]
    try:
        yield TreeFront(sides.far, tree, loop, "far")
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(PATIENCE)
    assert not thread.is_alive()
