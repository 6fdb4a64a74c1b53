"""What is made of a file where it lies, so that it need not travel (docs/spec/protocol.md, section 13)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import PICTURE_BYTES_MAX, PICTURE_EDGE_MAX, PICTURE_EDGE_MIN
from gimmal.protocol.parts import Path, Version


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
