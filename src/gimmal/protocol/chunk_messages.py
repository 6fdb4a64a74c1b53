"""What two versions of a file share, asked for by chunks (docs/spec/protocol.md, section 6.6)."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import CHUNK_DIGEST_SIZE, CHUNKS_PAGE_MAX, DIGEST_SIZE
from gimmal.protocol.parts import Path, Size, Version

CHUNK_ENTRY_SIZE = 4 + CHUNK_DIGEST_SIZE
"""Bytes of one chunk in an answer: its size, big-endian, and the first bytes of its BLAKE3 digest."""


class Average(IntEnum):
    """How coarsely a file is cut: about so many bytes a chunk, a quarter of it at least, four times as many at most."""

    FINE = 1 << 16
    MIDDLE = 1 << 18
    COARSE = 1 << 20


class ListChunks(Struct, array_like=True, frozen=True, tag=24):
    """Chunks of a file from ``offset`` on, cut as if it began there. Answer: Chunks."""

    path: Path
    version: Version
    """If the file is another: CHANGED."""
    offset: Size = 0
    average: Average = Average.FINE
    blocks: bool = False
    """With the digest of each block that ends behind ``offset`` and within the chunks of the answer."""


class Chunks(Struct, array_like=True, frozen=True, tag=76):
    """Chunks one behind the other; there are more where they do not reach the end of the file."""

    chunks: Annotated[bytes, Meta(max_length=CHUNK_ENTRY_SIZE * CHUNKS_PAGE_MAX)]
    blocks: Annotated[bytes, Meta(max_length=DIGEST_SIZE * CHUNKS_PAGE_MAX)] = b""
