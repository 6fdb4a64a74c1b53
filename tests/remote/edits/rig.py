"""An edited tree over two sides in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.file_cache import FileCache
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView
from tests.patience import PATIENCE
from tests.remote.two_sides import Sides


@asynccontextmanager
async def edited_tree(sides: Sides, conflicts: ConflictList | None = None) -> AsyncIterator[EditedTree]:
    """A tree of the far side."""

    async def files() -> RemoteFiles:
        return sides.far

    view, cache = TreeView(sides.far), FileCache(files)
    tree = EditedTree(
        files, view, cache, workers=sides.workers, conflicts=conflicts, computer="anna", call_seconds=PATIENCE
    )
    try:
        yield tree
    finally:
        await tree.close()
        await cache.close()
        await view.close()
