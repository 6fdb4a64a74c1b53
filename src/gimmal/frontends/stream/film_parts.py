"""The parts of one film as players ask for them: each is asked of the other side once, and the next one ahead."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.base.tasks import Tasks
from gimmal.frontends.stream.hls import edges, heights, rate_of
from gimmal.protocol.film_messages import Film
from gimmal.remote.files import Files
from gimmal.remote.films import about_film, film_part, film_text

KEPT = 3
"""Parts that are kept: a player often asks for one again."""

Key = tuple[int, int]
"""Height and number of a part."""


class FilmParts:
    """One film. Close it.

    Args:
        open_files: a way to the other side.
        path: wire path of the film.
    """

    def __init__(self, open_files: Callable[[], Awaitable[Files]], path: str) -> None:
        self._open_files = open_files
        self._path = path
        self._tasks = Tasks()
        self._asking = asyncio.Lock()
        self._film: Film | None = None
        self._asked = False
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._making: dict[Key, asyncio.Task[bytes | GimmalError]] = {}
        self._waiting: dict[Key, int] = {}

    async def film(self) -> Film | None:
        """What the film holds; None where the other side makes nothing of it.

        Raises:
            GimmalError: it cannot be asked, or says no.
        """
        async with self._asking:
            if not self._asked:
                self._film = await about_film(await self._open_files(), self._path)
                self._asked = True
        return self._film

    async def text(self, number: int) -> bytes:
        """Subtitles in the film, as what the other side says is WebVTT; raises GimmalError."""
        film = await self.film()
        assert film is not None
        return await film_text(await self._open_files(), self._path, film, number)

    async def part(self, height: int, number: int) -> bytes | None:
        """A part; None where there is none with that number.

        Args:
            height: one of ``hls.heights``.
            number: counts from 0.

        Raises:
            GimmalError: it cannot be had.
        """
        film = await self.film()
        if film is None or height not in heights(film) or number + 1 >= len(edges(film, height)):
            return None
        key = (height, number)
        self._give_up_but(key)
        if key in self._kept:
            self._kept.move_to_end(key)
            self._begin(film, (height, number + 1))
            return self._kept[key]
        self._waiting[key] = self._waiting.get(key, 0) + 1
        try:
            made = await asyncio.shield(self._begin(film, key))
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]
                self._give_up_but(key if key in self._kept else None)
        if isinstance(made, GimmalError):
            raise made
        self._begin(film, (height, number + 1))
        return made

    def _begin(self, film: Film, key: Key) -> asyncio.Task[bytes | GimmalError]:
        """Have a part made, unless it is being made; one behind the end, or that is there, is nothing to do."""
        task = self._making.get(key)
        if task is None:
            task = self._tasks.start(self._make(film, key), "part of a film")
            self._making[key] = task
            task.add_done_callback(lambda _done: self._making.pop(key, None))
        return task

    def _give_up_but(self, key: Key | None) -> None:
        """Who jumps wants neither what was made for the old place nor what follows it."""
        wanted = {key, (key[0], key[1] + 1)} if key is not None else set()
        for other, task in self._making.items():
            if other not in wanted and other not in self._waiting:
                task.cancel()

    async def _make(self, film: Film, key: Key) -> bytes | GimmalError:
        height, number = key
        meeting = edges(film, height)
        if number + 1 >= len(meeting) or key in self._kept:
            return b""
        start, end = meeting[number], meeting[number + 1]
        try:
            files = await self._open_files()
            made = await film_part(files, self._path, film, start, end, height, rate_of(height))
        except GimmalError as exc:
            if isinstance(exc, RemoteError) and exc.code == "changed":
                self._asked = False
                self._kept.clear()
            return exc
        self._kept[key] = made
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    async def close(self) -> None:
        """Ask for nothing any more."""
        await self._tasks.close()
        self._kept.clear()
