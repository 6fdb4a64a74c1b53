"""Room on the disks at home, asked for at most once in a while: programs and desktops ask for it all the time."""

from __future__ import annotations

import asyncio
from math import inf

from gimmal.base.errors import GimmalError, UnreachableError
from gimmal.base.tasks import Tasks
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import Room
from gimmal.remote.edits.tree import EditedTree

ASKED_SECONDS = 5.0

KNOWN_SECONDS = 0.5
"""How long an answer is waited for where something is told anyway; a later one is for who asks then."""

FIRST_SECONDS = CALL_SECONDS / 2
"""How long it is waited for where nothing is known yet."""

SHARES_MAX = 16
"""Shares whose disks are asked for."""

NOTHING_KNOWN = Room(0, 0, 0)


class Rooms:
    """The room that the mount tells of. Close it.

    The mount is one file system to the kernel, its shares may lie on several disks. What is told is the disk with the
    most room: a program that was told of too little would refuse to write where there is room.

    Args:
        tree: the other side's.
    """

    def __init__(self, tree: EditedTree) -> None:
        self._tree = tree
        self._tasks = Tasks()
        self._asking: asyncio.Task[Room | None] | None = None
        self._asked_at = -inf
        self._room = NOTHING_KNOWN

    async def largest(self) -> Room:
        """Of all disks the one with the most room; as it was known last where the other side does not answer."""
        now = asyncio.get_running_loop().time()
        if self._asking is None and now - self._asked_at > ASKED_SECONDS:
            self._asked_at = now
            self._asking = self._tasks.start(self._ask(), "room on the other side's disks")
            self._asking.add_done_callback(self._answered)
        if self._asking is not None:
            seconds = FIRST_SECONDS if self._room is NOTHING_KNOWN else KNOWN_SECONDS
            await asyncio.wait({self._asking}, timeout=seconds)
        return self._room

    async def close(self) -> None:
        """Ask no more."""
        await self._tasks.close()

    def _answered(self, done: asyncio.Task[Room | None]) -> None:
        self._asking = None
        if not done.cancelled() and done.exception() is None and (room := done.result()) is not None:
            self._room = room

    async def _ask(self) -> Room | None:
        """None where it is not told."""
        rooms: list[Room] = []
        try:
            for share in (await self._tree.listing("")).names[:SHARES_MAX]:
                try:
                    rooms.append(await self._tree.statfs(share.name))
                except UnreachableError:
                    raise
                except GimmalError:  # one share may not tell it
                    continue
        except GimmalError:
            return None
        return max(rooms, key=lambda room: room.available, default=None)
