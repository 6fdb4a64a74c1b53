"""Subtitles of a film of the other side: beside it (`film.srt`, `film.en.vtt`), and in it."""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.base.display import displayable
from gimmal.base.errors import RemoteError
from gimmal.frontends.stream.subtitles import SUBTITLE_BYTES_MAX, SUBTITLE_ENDINGS, to_webvtt
from gimmal.protocol.film_messages import Film
from gimmal.protocol.messages import Entry, Kind
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files

TRACKS_MAX = 32
"""Tracks that are offered of one film, in the order of their names."""

ENTRIES_MAX = 20_000
"""Entries of the film's folder that are looked through."""

LABEL_MAX = 60
"""Characters of what a track is called."""


@dataclass(frozen=True, slots=True)
class Track:
    """One file of subtitles.

    Attributes:
        path: wire path.
        ending: one of SUBTITLE_ENDINGS.
        language: two or three letters in lower case, empty where its name tells none.
        label: displayable; what a person picks it by.
    """

    path: str
    ending: str
    language: str
    label: str


@dataclass(frozen=True, slots=True)
class InnerTrack:
    """Subtitles that lie in the film.

    Attributes:
        number: among all of the film.
        language: as of Track.
        label: as of Track.
    """

    number: int
    language: str
    label: str


def inner_tracks(film: Film) -> list[InnerTrack]:
    """The subtitles in a film."""
    return [
        InnerTrack(
            text.number,
            text.language.lower() if _is_language(text.language) else "",
            displayable(text.title or text.language)[:LABEL_MAX] or "subtitles",
        )
        for text in film.texts
    ]


async def find_tracks(files: Files, path: str) -> list[Track]:
    """The subtitles beside a film, found by one listing of its folder; none where that cannot be listed.

    Args:
        files: of the other side.
        path: wire path of the film.

    Raises:
        UnreachableError: the other side cannot be asked.
    """
    folder, _slash, name = path.rpartition("/")
    found: list[Track] = []
    seen = 0
    try:
        async for entries in files.entries(folder):
            found += (track for entry in entries if (track := _track_of(folder, name, entry)) is not None)
            seen += len(entries)
            if seen >= ENTRIES_MAX:
                break
    except RemoteError:
        return []
    return sorted(found, key=lambda track: track.path)[:TRACKS_MAX]


async def read_track(cache: FileCache, track: Track, deadline: float) -> bytes:
    """A track as WebVTT.

    Args:
        cache: where its bytes come from.
        track: it.
        deadline: seconds.

    Raises:
        RemoteError: ``changed`` where it changed meanwhile; what the other side says.
        UnreachableError: nothing came in time.
    """
    file = await cache.open(track.path)
    with file.reader(streaming=True) as reader:
        content = await reader.read(0, min(file.size, SUBTITLE_BYTES_MAX), deadline)
    await file.confirm()
    return to_webvtt(content, track.ending)


def _track_of(folder: str, film: str, entry: Entry) -> Track | None:
    """An entry of the film's folder as a track; None where it is none of this film's."""
    stem, dot, _ending = film.rpartition(".")
    stem = stem if dot else film
    beginning, _dot, ending = entry.name.rpartition(".")
    ending = ending.lower()
    if entry.attributes.kind is not Kind.FILE or ending not in SUBTITLE_ENDINGS or "/" in entry.name:
        return None
    if beginning != stem and not beginning.startswith(stem + "."):
        return None
    said = beginning[len(stem) + 1 :]
    language = next((part.lower() for part in said.split(".") if _is_language(part)), "")
    label = displayable(said)[:LABEL_MAX] or "subtitles"
    return Track(f"{folder}/{entry.name}" if folder else entry.name, ending, language, label)


def _is_language(part: str) -> bool:
    return part.isascii() and part.isalpha() and 2 <= len(part) <= 3
