"""What is served beside a film under the same secret: its page, its picture, subtitles, and the film in parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gimmal.base.errors import GimmalError
from gimmal.frontends.stream.browsers import plays_as_it_is
from gimmal.frontends.stream.film_parts import FilmParts
from gimmal.frontends.stream.hls import (
    ORIGINAL,
    PART,
    PLAYLIST,
    heights,
    master_playlist,
    media_playlist,
    text_part,
    text_playlist,
)
from gimmal.frontends.stream.page import HTML, POSTER, film_page
from gimmal.frontends.stream.subtitles import to_webvtt
from gimmal.frontends.stream.tracks import InnerTrack, Track, inner_tracks, read_track
from gimmal.protocol.film_messages import Film
from gimmal.protocol.limits import PICTURE_EDGE_MAX
from gimmal.remote.file_cache import FileCache
from gimmal.remote.thumbnails import thumbnail

MADE_SECONDS = 60.0
"""How long what is made for one request may take."""

WEBVTT = "text/vtt; charset=utf-8"

MASTER = "hls/index.m3u8"
"""Where the film is in parts, below the page."""

_NUMBER = "(0|[1-9][0-9]{0,5})"
_TEXT = re.compile(rf"text/{_NUMBER}\.vtt")
_HLS_TEXT = re.compile(rf"hls/text{_NUMBER}\.(m3u8|vtt)")
_HLS_LIST = re.compile(r"hls/(original|[1-9][0-9]{0,3})\.m3u8")
_HLS_PART = re.compile(rf"hls/(original|[1-9][0-9]{{0,3}})/{_NUMBER}\.ts")


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
    """The page of one film, and all that belongs to it. Close it.

    Args:
        cache: where bytes come from.
        path: wire path of the film.
        name: of the film below the secret.
        content_type: of the film.
        tracks: subtitles that lie beside it.
    """

    def __init__(self, cache: FileCache, path: str, name: str, content_type: str, tracks: Sequence[Track]) -> None:
        self._cache = cache
        self._path = path
        self._name = name
        self._content_type = content_type
        self._beside = tracks
        self.parts = FilmParts(cache.files, path)

    async def answer(self, name: str) -> Made | None:
        """See Beside."""
        if name == "":
            return await self._page()
        if name == POSTER:
            return await self._poster()
        if (found := _TEXT.fullmatch(name)) is not None:
            text = await self._text(int(found[1]))
            return Made(WEBVTT, text) if text is not None else None
        return await self._answer_hls(name) if name.startswith("hls/") else None

    async def close(self) -> None:
        """Have nothing made any more."""
        await self.parts.close()

    async def _page(self) -> Made:
        film = await self._film()
        sources = [(self._name, self._content_type)]
        if film is not None:
            sources.insert(1 if plays_as_it_is(self._content_type, film) else 0, (MASTER, PLAYLIST))
        return Made(HTML, film_page(sources, await self._tracks()))

    async def _film(self) -> Film | None:
        """What the other side says of the film; None also where it does not, for the page is of use all the same."""
        try:
            return await self.parts.film()
        except GimmalError:
            return None

    async def _poster(self) -> Made | None:
        picture = await thumbnail(await self._cache.files(), self._path, edge=PICTURE_EDGE_MAX)
        return Made("image/jpeg", picture) if picture is not None else None

    async def _tracks(self) -> list[Track | InnerTrack]:
        film = await self._film()
        return [*self._beside, *(inner_tracks(film) if film is not None else ())]

    async def _text(self, number: int) -> bytes | None:
        tracks = await self._tracks()
        if number >= len(tracks):
            return None
        track = tracks[number]
        if isinstance(track, Track):
            return await read_track(self._cache, track, MADE_SECONDS)
        return to_webvtt(await self.parts.text(track.number), "vtt")

    async def _answer_hls(self, name: str) -> Made | None:
        film = await self.parts.film()
        if film is None:
            return None
        if name == MASTER:
            return Made(PLAYLIST, master_playlist(film, await self._tracks()))
        if (found := _HLS_LIST.fullmatch(name)) is not None:
            height = _height(found[1])
            return Made(PLAYLIST, media_playlist(film, height)) if height in heights(film) else None
        if (found := _HLS_PART.fullmatch(name)) is not None:
            part = await self.parts.part(_height(found[1]), int(found[2]))
            return Made(PART, part) if part is not None else None
        if (found := _HLS_TEXT.fullmatch(name)) is not None:
            number = int(found[1])
            if found[2] == "m3u8":
                return Made(PLAYLIST, text_playlist(film, number)) if number < len(await self._tracks()) else None
            text = await self._text(number)
            return Made(WEBVTT, text_part(text)) if text is not None else None
        return None


def _height(name: str) -> int:
    return ORIGINAL if name == "original" else int(name)
