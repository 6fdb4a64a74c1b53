"""AboutFilm, FilmPart and ReadFilmText: a film in parts that any browser plays, made here so that only these travel."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gimmal.protocol.codes import Code
from gimmal.protocol.film_messages import AboutFilm, Film, FilmBytes, FilmPart, ReadFilmText
from gimmal.protocol.limits import FILM_PART_MAX, FILM_PART_MICROSECONDS_MAX, FILM_TEXT_MAX
from gimmal.share.previewing.children import Limits
from gimmal.share.previewing.film_words import OFFSET_SECONDS, part_words, text_words
from gimmal.share.previewing.kinds import PICTURE
from gimmal.share.previewing.probing import film_of
from gimmal.share.previewing.sources import Source, program_called
from gimmal.share.previewing.transport_stream import CLOCK, cut
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState

OF_PARTS = Limits(memory=4 << 30, processor=90, seconds=45.0, output=2 * FILM_PART_MAX)
OF_TEXTS = Limits(memory=2 << 30, processor=60, seconds=55.0, output=FILM_TEXT_MAX)


def answer_about_film(state: SessionState, request: AboutFilm, unwanted: threading.Event) -> Film:
    """What a film holds.

    Refused with UNSUPPORTED where it is none, or nothing is made of films on this computer.
    """
    with Source(state, request.path, request.version) as source:
        kind = _film(source)
        film = film_of(source, kind, unwanted)
        if film is None:
            raise RefusedError(Code.UNSUPPORTED)
        return film


def answer_film_part(state: SessionState, request: FilmPart, unwanted: threading.Event) -> FilmBytes:
    """Bytes of a part of a film; the part is made when the first are asked for, and kept a while.

    Refused with INVALID for a part that ends before it begins or is too long, with TOO_LARGE for one of too many bytes,
    with UNSUPPORTED where none can be made.
    """
    if not 0 < request.end - request.start <= FILM_PART_MICROSECONDS_MAX:
        raise RefusedError(Code.INVALID)
    with Source(state, request.path, request.version) as source:
        kind = _film(source)

        def make() -> bytes | None:
            words = part_words(kind, request)
            written = source.previews.children.run(
                ["run", _program("ffmpeg"), *words], source.descriptor, OF_PARTS, unwanted
            )
            if written is None:
                return None
            start, end = (round((moment / 1e6 + OFFSET_SECONDS) * CLOCK) for moment in (request.start, request.end))
            return cut(written, start, end, all_pictures=bool(request.height))

        key = (source.key, request.start, request.end, request.height, request.rate)
        return _bytes(source, key, make, FILM_PART_MAX, request.offset, request.length)


def answer_read_film_text(state: SessionState, request: ReadFilmText, unwanted: threading.Event) -> FilmBytes:
    """Bytes of the subtitles in a film, for which all of it is read the first time.

    Refused with UNSUPPORTED where there are none, or they are pictures.
    """
    with Source(state, request.path, request.version) as source:
        kind = _film(source)

        def make() -> bytes | None:
            words = ["run", _program("ffmpeg"), *text_words(kind, request.number)]
            return source.previews.children.run(words, source.descriptor, OF_TEXTS, unwanted)

        key = (source.key, "text", request.number)
        return _bytes(source, key, make, FILM_TEXT_MAX, request.offset, request.length)


def _bytes(
    source: Source, key: object, make: Callable[[], bytes | None], most: int, offset: int, length: int
) -> FilmBytes:
    made = source.previews.parts.get(key, make)
    if not made:
        raise RefusedError(Code.UNSUPPORTED)
    if len(made) > most:
        raise RefusedError(Code.TOO_LARGE)
    return FilmBytes(len(made), made[offset : offset + length])


def _film(source: Source) -> str:
    kind = source.kind
    if kind is None or kind == PICTURE:
        raise RefusedError(Code.UNSUPPORTED)
    return kind


def _program(name: str) -> str:
    program = program_called(name)
    if program is None:
        raise RefusedError(Code.UNSUPPORTED)
    return program
