"""Thumbnail: small pictures of pictures and films, made here so that the file need not travel."""

from __future__ import annotations

import os
import threading
from functools import cache
from importlib.util import find_spec

from gimmal.protocol.codes import Code
from gimmal.protocol.film_messages import Picture, Thumbnail
from gimmal.protocol.jpeg import jpeg_size
from gimmal.protocol.limits import PICTURE_BYTES_MAX
from gimmal.share.previewing.children import Children, Limits
from gimmal.share.previewing.kinds import HEAD_BYTES, PICTURE, kind_of
from gimmal.share.previewing.sources import FILE, INPUT, Source, program_called
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState

OF_PICTURES = Limits(memory=1 << 30, processor=10, seconds=20.0, output=PICTURE_BYTES_MAX)
OF_FILMS = Limits(memory=2 << 30, processor=20, seconds=20.0, output=PICTURE_BYTES_MAX)

FILM_PLACES = (10, 0)
"""Seconds into a film that its picture is taken from; the next one where it is shorter."""


def answer_thumbnail(state: SessionState, request: Thumbnail, unwanted: threading.Event) -> Picture:
    """A small picture of a file.

    Refused with UNSUPPORTED where none can be made of it, or none is made on this computer.
    """
    with Source(state, request.path, request.version) as source:
        key = (source.key, request.edge)
        children = source.previews.children
        jpeg = source.previews.pictures.get(
            key, lambda: make_picture(children, source.descriptor, request.edge, unwanted)
        )
        if jpeg is None:
            raise RefusedError(Code.UNSUPPORTED)
        return Picture(source.version, jpeg)


def make_picture(children: Children, descriptor: int, edge: int, unwanted: threading.Event) -> bytes | None:
    """A JPEG of a picture or film, its sides at most ``edge`` pixels long; None where none can be made."""
    kind = kind_of(os.pread(descriptor, HEAD_BYTES, 0))
    if kind == PICTURE:
        made = (
            children.run(["picture", str(edge), str(PICTURE_BYTES_MAX)], descriptor, OF_PICTURES) if pillow() else None
        )
        return made if made and _fits(made, edge) else None
    program = program_called("ffmpeg")
    if kind is None or program is None:
        return None
    for seconds in FILM_PLACES:
        made = children.run(["run", program, *_words(kind, seconds, edge)], descriptor, OF_FILMS, unwanted)
        if made:
            return made if _fits(made, edge) else None
    return None


@cache
def pillow() -> bool:
    """Whether Pillow is there (`pip install 'gimmal[pictures]'`)."""
    return find_spec("PIL") is not None


def _words(kind: str, seconds: int, edge: int) -> list[str]:
    """How ffmpeg is told to take one picture, near a place, from its standard input."""
    most = f"'min({edge},iw)':'min({edge},ih)'"
    scale = f"scale=iw*sar:ih,scale={most}:force_original_aspect_ratio=decrease,setsar=1"
    return [
        *("-nostdin", "-v", "quiet", "-threads", "1", "-noaccurate_seek", "-skip_frame", "nokey"),
        *("-ss", str(seconds), *INPUT, "-f", kind, "-i", FILE),
        *("-frames:v", "1", "-an", "-sn", "-dn", "-map_metadata", "-1", "-vf", scale, "-threads", "1"),
        *("-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p", "-flags", "+bitexact", "-f", "mjpeg", "pipe:1"),
    ]


def _fits(jpeg: bytes, edge: int) -> bool:
    size = jpeg_size(jpeg)
    return size is not None and max(size) <= edge
