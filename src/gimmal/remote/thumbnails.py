"""Small pictures of the other side's files, made there."""

from __future__ import annotations

import asyncio

from gimmal.base.errors import DeadlinePassed, RemoteError
from gimmal.protocol.codes import Code
from gimmal.protocol.features import THUMBNAIL
from gimmal.protocol.film_messages import Picture, Thumbnail
from gimmal.protocol.jpeg import jpeg_size
from gimmal.protocol.messages import Version
from gimmal.remote.files import Files

THUMBNAIL_SECONDS = 30.0
"""What one picture may take, those before it included."""

_NONE = frozenset(code.name.lower() for code in (Code.UNSUPPORTED, Code.LIMIT))


async def thumbnail(files: Files, path: str, *, edge: int = 256, version: Version | None = None) -> bytes | None:
    """A small picture of a picture or film, for which the file does not travel.

    Args:
        files: of the other side.
        path: wire path.
        edge: pixels that neither side of it is longer than; 16 to 512.
        version: that it must be of; None for any.

    Returns:
        A JPEG of at most 128 KiB that was looked through: it has that size and nothing but a picture in it. None where
        the other side makes none of this file, or what it made is something else.

    Raises:
        RemoteError: ``changed`` where the file is of another version; what else the other side says.
        UnreachableError: it cannot be asked, or does not answer in time.
    """
    if not files.offers(THUMBNAIL):
        return None
    try:
        async with asyncio.timeout(THUMBNAIL_SECONDS) as timeout:
            answer = await files.ask(Thumbnail(path, edge, version), None)
        picture = files.expect(answer, Picture, path)
    except RemoteError as exc:
        if exc.code in _NONE:
            return None
        raise
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlinePassed("the other side made no picture in time", "try again later") from None
    if version is not None and picture.version != version:
        return None
    size = jpeg_size(picture.jpeg)
    return picture.jpeg if size is not None and max(size) <= edge else None
