"""What a mount says of the room at home."""

from __future__ import annotations

import asyncio

from gimmal.base.errors import PeerAbsent, RemoteError
from gimmal.frontends.fuse import room
from gimmal.frontends.fuse.room import Rooms
from gimmal.protocol.messages import Kind, Room
from gimmal.remote.tree.view import Listing, Name

A, B = Room(1000, 500, 400), Room(800, 700, 600)


class Tree:
    """Has shares; tells of two, and not of a third."""

    def __init__(self, *shares: str) -> None:
        self.shares = shares
        self.asked: list[str] = []
        self.down = False

    async def listing(self, path: str) -> Listing:
        return Listing([Name(share, Kind.DIRECTORY, at, False) for at, share in enumerate(self.shares, 2)], False)

    async def statfs(self, share: str) -> Room:
        self.asked.append(share)
        if self.down:
            raise PeerAbsent("away")
        if share not in ("a", "b"):
            raise RemoteError("not_granted", "no")
        return A if share == "a" else B


def test_the_disk_with_the_most_room_is_told_of_and_seldom_asked_for() -> None:
    async def main() -> None:
        tree = Tree("a", "drop", "b")
        rooms = Rooms(tree)  # type: ignore[arg-type]
        assert await rooms.largest() == B
        assert await rooms.largest() == B
        assert tree.asked == ["a", "drop", "b"]

    asyncio.run(main())


def test_without_an_answer_what_was_known_is_told() -> None:
    async def main() -> None:
        tree = Tree("a")
        rooms = Rooms(tree)  # type: ignore[arg-type]
        assert await rooms.largest() == A
        tree.down = True
        rooms._asked_at -= room.ASKED_SECONDS + 1
        assert await rooms.largest() == A
        assert tree.asked == ["a", "a"]

    asyncio.run(main())


def test_nothing_known_is_no_room() -> None:
    async def main() -> None:
        assert await Rooms(Tree()).largest() == Room(0, 0, 0)  # type: ignore[arg-type]
        assert await Rooms(Tree("drop")).largest() == Room(0, 0, 0)  # type: ignore[arg-type]

    asyncio.run(main())
