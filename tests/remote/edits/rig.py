"""An edited tree over two sides in one process, and a line that can be cut under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gimmal.base.errors import Interrupted
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Answer, QuickEdit, Request, Version
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Block
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView
from tests.patience import PATIENCE
from tests.remote.two_sides import Sides

KEY = bytes(range(32))


class CutFiles(RemoteFiles):
    """The far side behind a line that is cut when a test says so.

    Attributes:
        is_cut: nothing comes through.
        is_frozen: what is asked gets no answer and no error.
        refuses: how paths begin at which nothing may be changed.
        swallows: what is asked comes through, and the answer does not; counted down.
        asked: what was asked.
    """

    is_cut = False
    is_frozen = False
    refuses = ""
    swallows = 0
    on_ask: Callable[[Request], None] = staticmethod(lambda _request: None)

    def _check(self) -> None:
        if self.is_cut:
            raise Interrupted("the connection was cut")

    async def _thaw(self) -> None:
        while self.is_frozen:
            await asyncio.sleep(0.02)

    async def _through(self, request: Request, asking: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            self.on_ask(request)
            self._check()
            await self._thaw()
            if self.refuses and isinstance(request, QuickEdit) and request.path.startswith(self.refuses):
                raise error_of_code(Code.DENIED, request.path)
        except BaseException:
            asking.close()
            raise
        answer = await asking
        if self.swallows and type(request).__name__ in _CHANGING:
            self.swallows -= 1
            raise Interrupted("the connection was cut before the answer came")
        self._check()
        return answer

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        return await self._through(request, super().ask(request, deadline or PATIENCE))

    async def send(self, request: Request, length: int) -> Answer:
        return await self._through(request, super().send(request, length))

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        self._check()
        await self._thaw()
        return await super().read_block(path, offset, length, version, sparse=sparse)


_CHANGING = frozenset(("QuickEdit", "CommitEdit", "Rename", "RemoveMany", "MakeDirectories", "SetAttributes"))


def places_of(sides_base: Path) -> tuple[Path, ...]:
    """Where journals lie: on a half, and on the computer."""
    (sides_base / "half").mkdir(exist_ok=True)
    return (sides_base / "half" / "edits", sides_base / "state" / "edits")


def conflicts_of(sides_base: Path) -> ConflictList:
    """The list that goes with them."""
    return ConflictList(places_of(sides_base), KEY)


@asynccontextmanager
async def edited_tree(
    sides: Sides, base: Path | None = None, files: RemoteFiles | None = None, **named: Any
) -> AsyncIterator[EditedTree]:
    """A tree of the far side; with ``base`` it has a journal and a list of conflicts there."""
    far = files if files is not None else sides.far

    async def open_files() -> RemoteFiles:
        if isinstance(far, CutFiles):
            far._check()
        return far

    if base is not None:
        named |= {"journals": places_of(base), "key": KEY, "conflicts": conflicts_of(base)}
    view, cache = TreeView(far), FileCache(open_files)
    named = {"call_seconds": PATIENCE} | named
    tree = EditedTree(open_files, view, cache, workers=sides.workers, computer="anna", **named)
    try:
        yield tree
    finally:
        await tree.close()
        await cache.close()
        await view.close()


async def until(said: Callable[[], bool]) -> None:
    """Wait for something that comes by itself."""

    async with asyncio.timeout(PATIENCE):
        while not said():
            await asyncio.sleep(0.01)
