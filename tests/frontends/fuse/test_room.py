"""What a mount says of the room at home."""

from __future__ import annotations

import asyncio

from gimmal.base.errors import PeerAbsent, RemoteError
from gimmal.frontends.fuse import room
from gimmal.frontends.fuse.room import Rooms
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import Kind, Room
from gimmal.remote.tree.view import Listing, Name
from tests.remote.simulated_line import simulated

A, B = Room(1000, 500, 400), Room(800, 700, 600)


class Tree:
    """Has shares; tells of two, and not of a third."""

    def __init__(self, *shares: str) -> None:
        self.shares = shares
        self.asked: list[str] = []
        self.down = False
        self.seconds = 0.0

    async def listing(self, path: str) -> Listing:
        return Listing([Name(share, Kind.DIRECTORY, at, False) for at, share in enumerate(self.shares, 2)], False)

    async def statfs(self, share: str) -> Room:
        self.asked.append(share)
        await asyncio.sleep(self.seconds)
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
        tree = Tree("a", "b")
        rooms = Rooms(tree)  # type: ignore[arg-type]
        assert await rooms.largest() == B
        tree.down = True
        rooms._asked_at -= room.ASKED_SECONDS + 1
        assert await rooms.largest() == B
        assert tree.asked == ["a", "b", "a"], "one that is not reached is enough"

    asyncio.run(main())


def test_what_is_known_waits_for_no_answer_and_a_late_one_is_told_next() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        tree = Tree("a")
        rooms = Rooms(tree)  # type: ignore[arg-type]
        assert await rooms.largest() == A
        tree.shares, tree.seconds = ("b",), 3.0
        began = loop.time() + room.ASKED_SECONDS + 1
        await asyncio.sleep(began - loop.time())
        assert await rooms.largest() == A
        assert loop.time() - began <= room.KNOWN_SECONDS
        assert await rooms.largest() == A
        assert tree.asked == ["a", "b"], "one question at a time"
        await asyncio.sleep(3.0)
        assert await rooms.largest() == B
        await rooms.close()

    simulated(work())


def test_where_nothing_is_known_an_answer_is_waited_for_but_not_all_of_a_call() -> None:
    async def work() -> None:
        tree = Tree("a")
        tree.seconds = 4.0
        rooms = Rooms(tree)  # type: ignore[arg-type]
        assert await rooms.largest() == A
        tree.seconds = 60.0
        silent = Rooms(tree)  # type: ignore[arg-type]
        async with asyncio.timeout(CALL_SECONDS):
            assert await silent.largest() == Room(0, 0, 0)
        await silent.close()

    simulated(work())


def test_nothing_known_is_no_room() -> None:
    async def main() -> None:
        assert await Rooms(Tree()).largest() == Room(0, 0, 0)  # type: ignore[arg-type]
        assert await Rooms(Tree("drop")).largest() == Room(0, 0, 0)  # type: ignore[arg-type]

    asyncio.run(main())
