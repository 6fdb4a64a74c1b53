"""Films of the other side in parts that any browser plays, made there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gimmal.base.errors import ProtocolViolation, RemoteError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.features import FILM
from gimmal.protocol.film_messages import AboutFilm, Film, FilmBytes, FilmPart, ReadFilmText
from gimmal.protocol.limits import FILM_BYTES_MAX, FILM_PART_MAX, FILM_TEXT_MAX
from gimmal.protocol.messages import Version
from gimmal.remote.files import Files, shown

UNDER_WAY = 6
"""Questions for bytes of one part that are under way at a time."""

_UNSUPPORTED = Code.UNSUPPORTED.name.lower()


async def about_film(files: Files, path: str, version: Version | None = None) -> Film | None:
    """What a film holds; None where the other side makes nothing of it.

    Args:
        files: of the other side.
        path: wire path.
        version: that it must be of; None for any.

    Raises:
        RemoteError: ``changed`` where the file is of another version; what else the other side says.
        UnreachableError: it cannot be asked.
    """
    if not files.offers(FILM):
        return None
    try:
        film = files.expect(await files.ask(AboutFilm(path, version), None), Film, path)
    except RemoteError as exc:
        if exc.code == _UNSUPPORTED:
            return None
        raise
    if film.cuts != sorted(set(film.cuts)) or (version is not None and film.version != version):
        raise ProtocolViolation("the other side told of a film what cannot be", "update gimmal on both sides")
    return film


async def film_part(files: Files, path: str, film: Film, start: int, end: int, height: int, rate: int) -> bytes:
    """One part of a film, as an MPEG transport stream.

    Args:
        files: of the other side.
        path: wire path.
        film: what it said of the film.
        start, end: of the part, in microseconds.
        height: pixels that the pictures are high at most; 0: as they are, between two cuts of the film.
        rate: bits a second of the pictures, at most; with a height.

    Raises:
        RemoteError: ``unsupported`` where it cannot be made, ``changed`` where the file is another; what the other side
            says.
        UnreachableError: it cannot be asked.
    """
    return await _whole(
        files,
        path,
        FILM_PART_MAX,
        lambda offset: FilmPart(path, film.version, start, end, height, rate, offset),
    )


async def film_text(files: Files, path: str, film: Film, number: int) -> bytes:
    """Subtitles in a film, as what the other side says is WebVTT. Raises as ``film_part``."""
    return await _whole(files, path, FILM_TEXT_MAX, lambda offset: ReadFilmText(path, film.version, number, offset))


async def _whole(files: Files, path: str, most: int, request: Callable[[int], FilmPart | ReadFilmText]) -> bytes:
    """All bytes of what is made: the first question has it made, the others bring the rest side by side."""
    first = await _bytes(files, path, request(0))
    if not first.data or first.size > most:
        raise error_of_code(Code.TOO_LARGE if first.size > most else Code.UNSUPPORTED, shown(path))
    made = bytearray(first.size)
    turns = asyncio.Semaphore(UNDER_WAY)

    async def fetch(offset: int) -> None:
        async with turns:
            got = await _bytes(files, path, request(offset))
        if got.size != first.size:
            raise error_of_code(Code.CHANGED, shown(path))
        _put(made, offset, got.data)

    _put(made, 0, first.data)
    try:
        async with asyncio.TaskGroup() as group:
            for offset in range(len(first.data), first.size, FILM_BYTES_MAX):
                group.create_task(fetch(offset))
    except BaseExceptionGroup as exc:
        raise exc.exceptions[0] from None
    return bytes(made)


def _put(made: bytearray, offset: int, data: bytes) -> None:
    if len(data) != min(FILM_BYTES_MAX, len(made) - offset):
        raise ProtocolViolation("the other side sent another number of bytes than there are", "update gimmal there")
    made[offset : offset + len(data)] = data


async def _bytes(files: Files, path: str, request: FilmPart | ReadFilmText) -> FilmBytes:
    return files.expect(await files.ask(request, None), FilmBytes, path)
