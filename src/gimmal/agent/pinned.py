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
from gimmal.remote.pinned.store import PinnedStore, is_below
from gimmal.remote.tree.view import TreeView

logger = logging.getLogger("gimmal.agent")

BEGIN_SECONDS = 3.0
"""Whatever ends before that leaves it to others."""

AGAIN_SECONDS = 600.0
"""How often it is brought up to date while something shows the other side's files."""

FETCH_SECONDS = 3600.0
"""How long a command waits for another program that brings it up to date."""


def pinned_store(reach: Reach) -> PinnedStore:
    """That of the half, which is open."""
    return PinnedStore(reach.location, reach.journal_key, reach.journal_directory)


class KeptContents:
    """See remote.file_cache.KeptBytes. The disk is asked for nothing that is not pinned.

    Args:
        store: of the half.
        workers: threads.
    """

    def __init__(self, store: PinnedStore, workers: Workers) -> None:
        self._store = store
        self._workers = workers
        self._pins: list[str] | None = None

    async def read(self, path: str, version: Version, offset: int, length: int) -> bytes | None:
        """See KeptBytes."""
        if self._pins is None:
            self._pins = await self._workers.call(self._read_pins)
        if not is_below(path, self._pins):
            return None
        return await self._workers.call(self._store.files.read, path, version, offset, length)

    def look_again(self) -> None:
        """Something else may be pinned by now."""
        self._pins = None

    def _read_pins(self) -> list[str]:
        try:
            return self._store.pins()
        except LocalError as error:
            logger.warning("%s", error.message)
            return []


async def remember_pinned(reach: Reach, view: TreeView, store: PinnedStore) -> None:
    """Tell a view what pinned folders looked like, for when the other side is not reached."""
    try:
        folders = (await reach.workers.call(store.tree)).folders
    except LocalError as error:
        logger.warning("%s", error.message)
        return
    for folder in folders:
        view.remember(folder.path, folder.entries, whole=folder.whole)


async def keep_up(reach: Reach, store: PinnedStore, kept: KeptContents) -> None:
    """Bring what is pinned up to date soon, and now and then. Ends by being cancelled.

    What fails is tried again: nobody waits for it. One file at a time, for the line is there for who reads.
    """
    await asyncio.sleep(BEGIN_SECONDS)
    while True:
        kept.look_again()
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
        await bring_up_to_date(reached.files, store, reach.workers, at_once=1)


@contextlib.asynccontextmanager
async def fetching(store: PinnedStore, workers: Workers, seconds: float) -> AsyncIterator[None]:
    """See PinnedStore.fetching; the lock is taken and given back in a thread."""
    lock = store.fetching(seconds)
    await workers.long(lock.__enter__)
    try:
        yield
    finally:
        await asyncio.shield(workers.call(lock.__exit__, None, None, None))
