"""What is made of a file where it lies, so that it need not travel (docs/spec/protocol.md, section 13)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import (
    FILM_BYTES_MAX,
    FILM_CUTS_MAX,
    FILM_HEIGHT_MAX,
    FILM_MICROSECONDS_MAX,
    FILM_RATE_MAX,
    FILM_RATE_MIN,
    FILM_TEXTS_MAX,
    PICTURE_BYTES_MAX,
    PICTURE_EDGE_MAX,
    PICTURE_EDGE_MIN,
)
from gimmal.protocol.parts import Counter, Path, Size, Version

Moment = Annotated[int, Meta(ge=0, le=FILM_MICROSECONDS_MAX)]
"""A place in a film: microseconds from its beginning."""

Length = Annotated[int, Meta(ge=1, le=FILM_BYTES_MAX)]

Word = Annotated[str, Meta(max_length=64)]


class Thumbnail(Struct, array_like=True, frozen=True, tag=40):
    """A small picture of a picture or film. Answer: Picture; has no deadline."""

    path: Path
    edge: Annotated[int, Meta(ge=PICTURE_EDGE_MIN, le=PICTURE_EDGE_MAX)] = 256
    """Pixels that neither side of it is longer than."""
    version: Version | None = None
    """If given and the file is another: CHANGED."""


class Picture(Struct, array_like=True, frozen=True, tag=92):
    """A small picture, and the version of the file that it is of."""

    version: Version
    jpeg: Annotated[bytes, Meta(min_length=1, max_length=PICTURE_BYTES_MAX)]


class AboutFilm(Struct, array_like=True, frozen=True, tag=41):
    """What a film holds. Answer: Film; has no deadline."""

    path: Path
    version: Version | None = None


class FilmText(Struct, array_like=True, frozen=True):
    """Subtitles that lie in a film."""

    number: Annotated[int, Meta(ge=0, le=255)]
    language: Word = ""
    title: Word = ""


class Film(Struct, array_like=True, frozen=True, tag=93):
    """A film, as far as who plays it has to know."""

    version: Version
    duration: Moment
    rate: Size
    """Bits a second, sound included, on average."""
    width: Counter
    height: Counter
    video: Word
    """What the pictures are packed in, as ffmpeg calls it."""
    audio: Word = ""
    cuts: Annotated[list[Moment], Meta(max_length=FILM_CUTS_MAX)] = []
    """Where it can be cut with its pictures as they are, in order; none where not every browser plays such pictures."""
    texts: Annotated[list[FilmText], Meta(max_length=FILM_TEXTS_MAX)] = []


class FilmPart(Struct, array_like=True, frozen=True, tag=42):
    """Bytes of a part of a film, as an MPEG transport stream that can be played by itself. Answer: FilmBytes."""

    path: Path
    version: Version
    start: Moment
    end: Moment
    height: Annotated[int, Meta(ge=0, le=FILM_HEIGHT_MAX)] = 0
    """Pixels that the pictures are high at most; 0: they are left as they are, between two of its cuts."""
    rate: Annotated[int, Meta(ge=FILM_RATE_MIN, le=FILM_RATE_MAX)] = FILM_RATE_MAX
    """Bits a second of the pictures, at most; with a height."""
    offset: Size = 0
    length: Length = FILM_BYTES_MAX


class ReadFilmText(Struct, array_like=True, frozen=True, tag=43):
    """Bytes of the subtitles that lie in a film, as WebVTT. Answer: FilmBytes."""

    path: Path
    version: Version
    number: Annotated[int, Meta(ge=0, le=255)]
    offset: Size = 0
    length: Length = FILM_BYTES_MAX


class FilmBytes(Struct, array_like=True, frozen=True, tag=94):
    """Bytes from an offset on of what was made, and how many it has in all."""

    size: Size
    data: Annotated[bytes, Meta(max_length=FILM_BYTES_MAX)]
