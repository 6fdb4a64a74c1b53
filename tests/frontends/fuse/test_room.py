"""What a mount says of the room at home."""

from __future__ import annotations

import asyncio

from gimmal.base.errors import PeerAbsent, RemoteError
from gimmal.frontends.fuse import room
from gimmal.frontends.fuse.room import Rooms
from gimmal.protocol.messages import Room

A, B = Room(1000, 500, 400), Room(800, 700, 600)


class Files:
    """Tells of two shares, and not of a third."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False

    async def room(self, share: str) -> Room:
        self.asked.append(share)
        if self.down:
            raise PeerAbsent("away")
        if share not in ("a", "b"):
            raise RemoteError("not_granted", "no")
        return A if share == "a" else B


def rooms_of(files: Files, *shares: str) -> Rooms:
    async def way() -> Files:
        return files

    async def names() -> list[str]:
        return list(shares)

    return Rooms(way, names)  # type: ignore[arg-type]


def test_the_disk_with_the_most_room_is_told_of_and_seldom_asked_for() -> None:
    async def main() -> None:
        files = Files()
        rooms = rooms_of(files, "a", "drop", "b")
        assert await rooms.largest() == B
        assert await rooms.largest() == B
        assert files.asked == ["a", "drop", "b"]

    asyncio.run(main())


def test_without_an_answer_what_was_known_is_told() -> None:
    async def main() -> None:
        files = Files()
        rooms = rooms_of(files, "a")
        assert await rooms.largest() == A
        files.down = True
        rooms._asked_at -= room.ASKED_SECONDS + 1
        assert await rooms.largest() == A
        assert files.asked == ["a", "a"]

    asyncio.run(main())


def test_nothing_known_is_no_room() -> None:
    async def main() -> None:
        assert await rooms_of(Files()).largest() == Room(0, 0, 0)
        assert await rooms_of(Files(), "drop").largest() == Room(0, 0, 0)

    asyncio.run(main())
