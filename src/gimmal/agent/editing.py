"""The other side's tree, to be read and written by a front end that lives for long: what it is made of, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from gimmal.agent.local_commands import over_session
from gimmal.agent.pinned import KeptContents, keep_up, pinned_store, remember_pinned
from gimmal.agent.plugged import computer_name
from gimmal.agent.reach import Reach
from gimmal.base.errors import GimmalError, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.journal import folders
from gimmal.remote.edits.left_over import send_left_over
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.file_cache import FileCache
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView

logger = logging.getLogger("gimmal.agent")


@contextlib.asynccontextmanager
async def edited_tree(reach: Reach) -> AsyncIterator[EditedTree]:
    """The tree that the other side shares, for as long as the context lasts; sessions come and go below it.

    What cannot be sent is kept on the half, or here, and goes home when the line is back, or at the next connection.

    Args:
        reach: the way to the other side.

    Raises:
        GimmalError: the other side cannot be reached now, and nothing of it is kept with the half.
    """
    opening = asyncio.Lock()  # of two that find no session only one opens one

    async def files() -> RemoteFiles:
        async with opening:
            return (await reach.open()).files

    begun, asks_itself = await _begin(reach)
    view = TreeView(begun, leads_there=None if asks_itself else reach.leads_there)
    pinned = pinned_store(reach)
    kept = KeptContents(pinned, reach.workers)
    cache = FileCache(files, kept=kept)
    places = folders(reach.location, reach.journal_directory, reach.journal_key)
    conflicts = ConflictList(tuple(places), reach.journal_key)
    tree = EditedTree(
        files,
        view,
        cache,
        workers=reach.workers,
        journals=places,
        key=reach.journal_key,
        conflicts=conflicts,
        computer=computer_name(),
    )
    tasks = Tasks()
    await remember_pinned(reach, view, pinned)
    tasks.start(keep_up(reach, pinned, kept), "bring up to date what is pinned")
    if asks_itself:  # an agent sees to them itself
        tasks.start(_send_left_over(reach, begun, conflicts), "send home what was left over")
    try:
        yield tree
    finally:
        await tasks.close()
        await tree.close()
        await cache.close()
        await view.close()


async def _begin(reach: Reach) -> tuple[RemoteFiles, bool]:
    """What to begin with, and whether that is a session of this process's own with the other side."""
    try:
        reached = await reach.open()
    except UnreachableError as error:
        await reach.learn_keys()
        if not (await reach.workers.call(pinned_store(reach).tree)).folders:
            raise
        return RemoteFiles(over_session(reach.pool, error)), False
    return reached.files, not reached.through_agent


async def _send_left_over(reach: Reach, files: RemoteFiles, conflicts: ConflictList) -> None:
    try:
        await send_left_over(files, conflicts.places, reach.journal_key, reach.workers, computer_name(), conflicts)
    except GimmalError as error:
        logger.warning("what was left over by a former command waits on: %s", error.message)
