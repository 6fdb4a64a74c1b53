"""A mount from its beginning to its end: for as long as the half is plugged in and nobody ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyfuse3
import pyfuse3.asyncio

from gimmal.agent.reach import Reach
from gimmal.base.errors import GimmalError, LocalError
from gimmal.base.tasks import Tasks
from gimmal.frontends.fuse.changing import Changing
from gimmal.frontends.fuse.coherence import Coherence
from gimmal.frontends.fuse.guard import Guard
from gimmal.frontends.fuse.inodes import Inodes, Owner
from gimmal.frontends.fuse.line import keep_reaching
from gimmal.frontends.fuse.looking import Parts
from gimmal.frontends.fuse.mount_point import options, unmount
from gimmal.frontends.fuse.room import Rooms
from gimmal.frontends.fuse.unmounted import until_unmounted
from gimmal.frontends.fuse.xattrs import Xattrs
from gimmal.remote.edits.tree import EditedTree

logger = logging.getLogger("gimmal.fuse")

REQUESTS_MAX = 256
"""Requests of the kernel that are answered at a time: those that wait for a line that is down hold up no other."""

SAVE_SECONDS = 5.0
"""What is left to programs' unsaved writes when the mount ends."""


class Mount:
    """The other side's tree on a folder; one for each process, for pyfuse3 knows one.

    Args:
        reach: opens sessions with the other side.
        tree: of the other side; the caller closes it after this.
        path: the folder, checked.
        read_only: nothing may be changed.
    """

    def __init__(self, reach: Reach, tree: EditedTree, path: Path, *, read_only: bool = False) -> None:
        self._reach = reach
        self._tree = tree
        self._path = path
        self._options = options(reach.header.pair_name, read_only=read_only)
        self._tasks = Tasks()
        self._mounted = False
        self._guard: Guard | None = None

    @contextlib.asynccontextmanager
    async def mounted(self) -> AsyncIterator[asyncio.Task[GimmalError | None]]:
        """While the context lasts the folder shows the other side's files.

        Yields:
            a task that ends when the mount does by itself: with the reason where there is one, None where somebody
            unmounted it.

        Raises:
            LocalError: the system does not mount it.
            GimmalError: why the other side is not reached.
        """
        tree = self._tree
        inodes = Inodes(tree.view)
        coherence = Coherence(tree.view, inodes)
        owner = Owner(os.getuid(), os.getgid())
        rooms = Rooms(tree)
        operations = Changing(Parts(tree, inodes, coherence, owner, rooms, Xattrs(tree)))
        await tree.listing("")  # the other side answers, or nothing is mounted
        try:
            await self._mount(operations)
            coherence.start()
            yield self._tasks.start(self._until_over(), "mount")
        finally:
            coherence.close()
            await self._unmount()
            await operations.save_all(SAVE_SECONDS)
            await self._tasks.close()
            await rooms.close()  # nobody asks any more

    async def _mount(self, operations: pyfuse3.Operations) -> None:
        pyfuse3.asyncio.enable()
        call = self._reach.workers.call
        self._guard = await call(Guard, self._path)
        try:
            await call(pyfuse3.init, operations, str(self._path), set(self._options))
        except RuntimeError as error:
            await call(self._guard.dismiss)
            raise LocalError("the system did not mount it", "the lines above say why") from error
        self._mounted = True

    async def _until_over(self) -> GimmalError | None:
        """Answer the kernel until the mount is gone or the half is."""
        answering = self._tasks.start(_main(), "requests of the kernel")
        keeping = self._tasks.start(keep_reaching(self._reach, self._tree.view), "way to the other side")
        gone = self._tasks.start(until_unmounted(self._path, self._reach.workers), "until it is unmounted")
        ends: set[asyncio.Future[Any]] = {answering, keeping, gone}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return keeping.result() if keeping.done() else None

    async def _unmount(self) -> None:
        """Take the folder back at once, whoever uses it: what they ask from then on is answered by the system."""
        if self._mounted:
            self._mounted = False
            await self._reach.workers.call(self._take_back)
            with contextlib.suppress(asyncio.InvalidStateError):  # the kernel has just said that it is over
                pyfuse3.terminate()

    def _take_back(self) -> None:
        unmount(self._path)
        assert self._guard is not None
        self._guard.dismiss()


async def _main() -> None:
    await pyfuse3.main(max_tasks=REQUESTS_MAX)
