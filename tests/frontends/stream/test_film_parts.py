"""Parts of a film as players ask for them, of another side that this test is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.frontends.stream import film_parts
from gimmal.frontends.stream.film_parts import KEPT, FilmParts
from gimmal.protocol.film_messages import Film
from gimmal.protocol.messages import Version
from gimmal.remote.files import Files
from tests.patience import PATIENCE

FILM = Film(Version(1, 2, 3), 60_000_000, 1_000_000, 1280, 720, "hevc", "aac", [], [])


class OtherSide:
    """Makes parts when it is told to."""

    def __init__(self) -> None:
        self.film: Film | GimmalError | None = FILM
        self.asked: list[int] = []
        self.about = 0
        self.given_up: list[int] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.failure: GimmalError | None = None

    async def about_film(self, _files: Files, _path: str) -> Film | None:
        self.about += 1
        if isinstance(self.film, GimmalError):
            raise self.film
        return self.film

    async def film_part(
        self, _files: Files, _path: str, film: Film, start: int, end: int, height: int, rate: int
    ) -> bytes:
        assert film is self.film and end > start and height and rate
        number = start // 4_000_000
        self.asked.append(number)
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.given_up.append(number)
            raise
        if self.failure is not None:
            raise self.failure
        return b"part %d" % number


def play(monkeypatch: pytest.MonkeyPatch, work: Callable[[FilmParts, OtherSide], Awaitable[None]]) -> None:
    async def main() -> None:
        other = OtherSide()
        monkeypatch.setattr(film_parts, "about_film", other.about_film)
        monkeypatch.setattr(film_parts, "film_part", other.film_part)

        async def open_files() -> Files:
            return None  # type: ignore[return-value]

        parts = FilmParts(open_files, "far/film.mkv")
        async with asyncio.timeout(PATIENCE):
            await work(parts, other)
        await parts.close()

    asyncio.run(main())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_the_next_part_is_asked_for_ahead_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parts: FilmParts, other: OtherSide) -> None:
        for number in range(5):
            assert await parts.part(480, number) == b"part %d" % number
            await settle()
            assert other.asked == list(range(number + 2))
        assert await parts.part(480, 4) == b"part 4"
        assert other.asked == list(range(6))
        assert other.about == 1
        assert len(parts._kept) <= KEPT

    play(monkeypatch, work)


def test_two_who_want_the_same_have_it_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parts: FilmParts, other: OtherSide) -> None:
        assert await asyncio.gather(parts.part(480, 3), parts.part(480, 3)) == [b"part 3", b"part 3"]
        assert other.asked.count(3) == 1

    play(monkeypatch, work)


def test_who_jumps_or_leaves_wants_nothing_of_the_old_place(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parts: FilmParts, other: OtherSide) -> None:
        await parts.part(480, 0)
        other.go_on.clear()
        await settle()
        assert other.asked[-1] == 1
        jumped = asyncio.create_task(parts.part(480, 9))
        await settle()
        assert (other.asked[-1], other.given_up) == (9, [1])
        jumped.cancel()
        await settle()
        assert other.given_up == [1, 9]
        other.go_on.set()
        assert await parts.part(480, 9) == b"part 9"

    play(monkeypatch, work)


def test_one_who_leaves_takes_nothing_from_another_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parts: FilmParts, other: OtherSide) -> None:
        other.go_on.clear()
        first, second = asyncio.create_task(parts.part(480, 2)), asyncio.create_task(parts.part(480, 2))
        await settle()
        first.cancel()
        await settle()
        other.go_on.set()
        assert await second == b"part 2"
        assert other.given_up == []

    play(monkeypatch, work)


def test_what_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parts: FilmParts, other: OtherSide) -> None:
        assert await parts.part(480, 15) is None
        assert await parts.part(0, 0) is None, "it may not stay as it is"
        assert await parts.part(481, 0) is None
        assert other.asked == []
        assert await parts.part(480, 14) == b"part 14"

    play(monkeypatch, work)


def test_a_film_of_which_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parts: FilmParts, other: OtherSide) -> None:
        other.film = RemoteError("input_output", "a disk", "")
        with pytest.raises(RemoteError):
            await parts.film()
        other.film = None
        assert await parts.film() is None
        assert await parts.part(480, 0) is None
        assert other.about == 2

    play(monkeypatch, work)


def test_a_part_that_fails_is_asked_for_anew_and_a_film_that_changed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(parts: FilmParts, other: OtherSide) -> None:
        other.failure = RemoteError("unsupported", "no", "")
        with pytest.raises(RemoteError):
            await parts.part(480, 0)
        assert other.about == 1
        other.failure = RemoteError("changed", "another", "")
        with pytest.raises(RemoteError):
            await parts.part(480, 0)
        other.failure = None
        assert await parts.part(480, 0) == b"part 0"
        assert other.about == 2

    play(monkeypatch, work)
