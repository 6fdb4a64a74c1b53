"""What is served beside a film under the same secret: a page for browsers, its picture, and the film's subtitles."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gimmal.frontends.stream.page import HTML, POSTER, film_page
from gimmal.frontends.stream.tracks import Track, read_track
from gimmal.protocol.limits import PICTURE_EDGE_MAX
from gimmal.remote.file_cache import FileCache
from gimmal.remote.thumbnails import thumbnail

MADE_SECONDS = 60.0
"""How long what is made for one request may take."""

WEBVTT = "text/vtt; charset=utf-8"

_TRACK = re.compile(r"text/(0|[1-9][0-9]?)\.vtt")


@dataclass(frozen=True, slots=True)
class Made:
    """A whole answer in memory."""

    content_type: str
    body: bytes


class Beside(Protocol):
    """Who answers for places beside the film."""

    async def answer(self, name: str) -> Made | None:
        """What is at a place below the secret, in ASCII; None where nothing is.

        Raises:
            GimmalError: it cannot be had.
        """


class FilmBeside:
    """The page of one film, and its subtitles.

    Args:
        cache: where bytes come from.
        path: wire path of the film.
        film: its name below the secret.
        content_type: of the film.
        tracks: its subtitles.
    """

    def __init__(self, cache: FileCache, path: str, film: str, content_type: str, tracks: Sequence[Track]) -> None:
        self._cache = cache
        self._path = path
        self._film = film
        self._content_type = content_type
        self._tracks = tracks
        self._places: dict[str, Callable[[], Awaitable[Made | None]]] = {"": self._page, POSTER: self._poster}

    async def answer(self, name: str) -> Made | None:
        """See Beside."""
        if (place := self._places.get(name)) is not None:
            return await place()
        if (track := _TRACK.fullmatch(name)) is not None and int(track[1]) < len(self._tracks):
            return Made(WEBVTT, await read_track(self._cache, self._tracks[int(track[1])], MADE_SECONDS))
        return None

    async def _page(self) -> Made:
        return Made(HTML, film_page(self._film, self._content_type, self._tracks))

    async def _poster(self) -> Made | None:
        picture = await thumbnail(await self._cache.files(), self._path, edge=PICTURE_EDGE_MAX)
        return Made("image/jpeg", picture) if picture is not None else None
