"""What a person keeps with them, for the programs of one half."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from gimmal.agent.reach import Reach
from gimmal.base.errors import GimmalError, LocalError
from gimmal.base.workers import Workers
from gimmal.protocol.messages import Version
from gimmal.remote.pinned.bringing import bring_up_to_date
from gimmal.remote.pinned.kept_files import KeptFiles
from gimmal.remote.pinned.store import PinnedStore
from gimmal.remote.tree.view import TreeView

logger = logging.getLogger("gimmal.agent")

AGAIN_SECONDS = 600.0
"""How often it is brought up to date while something shows the other side's files."""

FETCH_SECONDS = 3600.0
"""How long a command waits for another program that brings it up to date."""


def pinned_store(reach: Reach) -> PinnedStore:
    """That of the half, which is open."""
    return PinnedStore(reach.location, reach.journal_key, reach.journal_directory)


class KeptContents:
    """See remote.file_cache.KeptBytes.

    Args:
        files: of the half.
        workers: threads.
    """

    def __init__(self, files: KeptFiles, workers: Workers) -> None:
        self._files = files
        self._workers = workers

    async def read(self, path: str, version: Version, offset: int, length: int) -> bytes | None:
        """See KeptBytes."""
        return await self._workers.call(self._files.read, path, version, offset, length)


async def remember_pinned(reach: Reach, view: TreeView, store: PinnedStore) -> None:
    """Tell a view what pinned folders looked like, for when the other side is not reached."""
    try:
        folders = (await reach.workers.call(store.tree)).folders
    except LocalError as error:
        logger.warning("%s", error.message)
        return
    for folder in folders:
        view.remember(folder.path, folder.entries)


async def keep_up(reach: Reach, store: PinnedStore) -> None:
    """Bring what is pinned up to date now, and now and then. Ends by being cancelled.

    What fails is tried again: nobody waits for it.
    """
    while True:
        try:
            await _keep_up(reach, store)
        except GimmalError as error:
            logger.info("what is pinned is not up to date: %s", error.message)
        await asyncio.sleep(AGAIN_SECONDS)


async def _keep_up(reach: Reach, store: PinnedStore) -> None:
    if not await reach.workers.call(store.pins):
        return
    reached = await reach.open()
    if reached.through_agent and not await reach.leads_there():
        return
    async with fetching(store, reach.workers, 0.0):
        await bring_up_to_date(reached.files, store, reach.workers)


@contextlib.asynccontextmanager
async def fetching(store: PinnedStore, workers: Workers, seconds: float) -> AsyncIterator[None]:
    """See PinnedStore.fetching; the lock is taken and given back in a thread."""
    lock = store.fetching(seconds)
    await workers.long(lock.__enter__)
    try:
        yield
    finally:
        await asyncio.shield(workers.call(lock.__exit__, None, None, None))
