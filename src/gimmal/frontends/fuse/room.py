"""Room on the disks at home, asked for at most once in a while: programs and desktops ask for it all the time."""

from __future__ import annotations

import asyncio
import contextlib
from math import inf

from gimmal.base.errors import GimmalError
from gimmal.protocol.messages import Room
from gimmal.remote.edits.tree import EditedTree

ASKED_SECONDS = 5.0

SHARES_MAX = 16
"""Shares whose disks are asked for."""

NOTHING_KNOWN = Room(0, 0, 0)


class Rooms:
    """The room that the mount tells of.

    The mount is one file system to the kernel, its shares may lie on several disks. What is told is the disk with the
    most room: a program that was told of too little would refuse to write where there is room.

    Args:
        tree: the other side's.
    """

    def __init__(self, tree: EditedTree) -> None:
        self._tree = tree
        self._asked_at = -inf
        self._room = NOTHING_KNOWN

    async def largest(self) -> Room:
        """Of all disks the one with the most room; as it was known last where the other side cannot be asked."""
        now = asyncio.get_running_loop().time()
        if now - self._asked_at > ASKED_SECONDS:
            self._asked_at = now
            with contextlib.suppress(GimmalError):
                self._room = await self._ask()
        return self._room

    async def _ask(self) -> Room:
        rooms: list[Room] = []
        failure: GimmalError | None = None
        for share in (await self._tree.listing("")).names[:SHARES_MAX]:
            try:
                rooms.append(await self._tree.statfs(share.name))
            except GimmalError as error:  # one share may not tell it
                failure = error
        if not rooms and failure is not None:
            raise failure
        return max(rooms, key=lambda room: room.available, default=NOTHING_KNOWN)
