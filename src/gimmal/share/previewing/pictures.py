"""Thumbnail: small pictures of pictures and films, made here so that the file need not travel."""

from __future__ import annotations

import os
import shutil
from functools import cache
from importlib.util import find_spec

from gimmal.base.beneath import open_regular
from gimmal.protocol.codes import Code
from gimmal.protocol.film_messages import Picture, Thumbnail
from gimmal.protocol.jpeg import jpeg_size
from gimmal.protocol.limits import PICTURE_BYTES_MAX
from gimmal.share.attributes import version_of
from gimmal.share.places import Access
from gimmal.share.previewing.children import Children, Limits
from gimmal.share.previewing.kinds import HEAD_BYTES, PICTURE, kind_of
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState

OF_PICTURES = Limits(memory=1 << 30, processor=10, seconds=12.0, output=PICTURE_BYTES_MAX)
OF_FILMS = Limits(memory=2 << 30, processor=20, seconds=12.0, output=PICTURE_BYTES_MAX)

FILM_PLACES = (10, 0)
"""Seconds into a film that its picture is taken from; the next one where it is shorter."""


def answer_thumbnail(state: SessionState, request: Thumbnail) -> Picture:
    """A small picture of a file.

    Refused with UNSUPPORTED where none can be made of it, or none is made on this computer.
    """
    place = state.places.find(request.path, Access.LOOK)
    if not place.names:
        raise RefusedError(Code.IS_A_DIRECTORY)
    with place.parent() as (folder, name):
        descriptor, found = open_regular(name, folder)
    try:
        version = version_of(found)
        if request.version is not None and request.version != version:
            raise RefusedError(Code.CHANGED)
        if state.previews is None:
            raise RefusedError(Code.UNSUPPORTED)
        children = state.previews.children
        key = ("picture", found.st_dev, version, request.edge)
        jpeg = state.previews.get(key, lambda: make_picture(children, descriptor, request.edge))
        if version_of(os.fstat(descriptor)) != version:
            raise RefusedError(Code.CHANGED)
    finally:
        os.close(descriptor)
    if jpeg is None:
        raise RefusedError(Code.UNSUPPORTED)
    return Picture(version, jpeg)


def make_picture(children: Children, descriptor: int, edge: int) -> bytes | None:
    """A JPEG of a picture or film, its sides at most ``edge`` pixels long; None where none can be made."""
    kind = kind_of(os.pread(descriptor, HEAD_BYTES, 0))
    if kind == PICTURE:
        made = (
            children.run(["picture", str(edge), str(PICTURE_BYTES_MAX)], descriptor, OF_PICTURES) if pillow() else None
        )
        return made if made and _fits(made, edge) else None
    program = ffmpeg()
    if kind is None or program is None:
        return None
    for seconds in FILM_PLACES:
        made = children.run(["run", program, *_words(kind, seconds, edge)], descriptor, OF_FILMS)
        if made:
            return made if _fits(made, edge) else None
    return None


@cache
def ffmpeg() -> str | None:
    """Where ffmpeg is on this computer."""
    return shutil.which("ffmpeg")


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
        *("-ss", str(seconds), "-protocol_whitelist", "file", "-f", kind, "-i", "file:/dev/fd/0"),
        *("-frames:v", "1", "-an", "-sn", "-dn", "-map_metadata", "-1", "-vf", scale, "-threads", "1"),
        *("-c:v", "mjpeg", "-q:v", "5", "-pix_fmt", "yuvj420p", "-flags", "+bitexact", "-f", "mjpeg", "pipe:1"),
    ]


def _fits(jpeg: bytes, edge: int) -> bool:
    size = jpeg_size(jpeg)
    return size is not None and max(size) <= edge
