"""The other side's tree, to be read and written by a front end that lives for long: what it is made of, and its end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from gimmal.agent.plugged import computer_name
from gimmal.agent.reach import Reach
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.journal import folders
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.file_cache import FileCache
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView


@contextlib.asynccontextmanager
async def edited_tree(reach: Reach) -> AsyncIterator[EditedTree]:
    """The tree that the other side shares, for as long as the context lasts; sessions come and go below it.

    Args:
        reach: the way to the other side.

    Raises:
        GimmalError: the other side cannot be reached now.
    """

    async def files() -> RemoteFiles:
        return (await reach.open()).files

    reached = await reach.open()
    view = TreeView(reached.files, leads_there=reach.leads_there if reached.through_agent else None)
    cache = FileCache(files)
    places = tuple(folders(reach.location, reach.journal_directory, reach.journal_key))
    conflicts = ConflictList(places, reach.journal_key)
    tree = EditedTree(files, view, cache, workers=reach.workers, conflicts=conflicts, computer=computer_name())
    try:
        yield tree
    finally:
        await tree.close()
        await cache.close()
        await view.close()
