"""How a file is cut into chunks, and reading an answer that lists them (docs/spec/protocol.md, section 6.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from gimmal.base.errors import ProtocolViolation
from gimmal.protocol.chunk_messages import CHUNK_ENTRY_SIZE, Average, Chunks, ListChunks
from gimmal.protocol.limits import BLOCK_SIZE, DIGEST_SIZE

_ENTRY = struct.Struct(">IQ")

_SIZES = ((8 << 30, Average.FINE), (32 << 30, Average.MIDDLE), (128 << 30, Average.COARSE))
"""Largest file, in bytes, that is cut so finely: about 100,000 chunks at most."""


@dataclass(frozen=True)
class Cut:
    """Bounds of the sizes of chunks, in bytes; the last chunk of a file may be smaller."""

    least: int
    average: int
    most: int


@dataclass(frozen=True)
class ChunkPage:
    """An answer that was read and makes sense.

    Attributes:
        chunks: size in bytes and digest of each, in order.
        end: place in the file behind the last one.
        blocks: digest of each block that ends behind the request's offset and by ``end``, in order.
    """

    chunks: list[tuple[int, int]]
    end: int
    blocks: list[bytes]


def cut_of(average: Average) -> Cut:
    """The bounds that belong to an average."""
    return Cut(average // 4, int(average), average * 4)


def average_for(size: int) -> Average | None:
    """How finely to cut files of at most ``size`` bytes; None where they are too large to be compared."""
    return next((average for most, average in _SIZES if size <= most), None)


def entry_of(size: int, digest: bytes) -> bytes:
    """One chunk as an answer lists it; ``digest`` is its BLAKE3 digest."""
    return size.to_bytes(4, "big") + digest[: CHUNK_ENTRY_SIZE - 4]


def block_ends(offset: int, end: int, size: int) -> range:
    """Indexes of the blocks of a file of ``size`` bytes that end behind ``offset`` and by ``end``."""
    if end <= offset:
        return range(0)
    first = offset // BLOCK_SIZE
    after = end // BLOCK_SIZE + (end == size and end % BLOCK_SIZE > 0)
    return range(first, after)


def read_chunks(request: ListChunks, answer: Chunks) -> ChunkPage:
    """What an answer to a request lists.

    Raises:
        ProtocolViolation: it cannot be the answer: chunks of impossible sizes or beyond the file, none though the
            file goes on, or another number of blocks than end there.
    """
    size, cut = request.version.size, cut_of(request.average)
    if len(answer.chunks) % CHUNK_ENTRY_SIZE:
        raise _violation()
    chunks = list(_ENTRY.iter_unpack(answer.chunks))
    end = request.offset + sum(length for length, _digest in chunks)
    if end > size or (not chunks and request.offset < size):
        raise _violation()
    for number, (length, _digest) in enumerate(chunks):
        is_last = end == size and number == len(chunks) - 1
        if not (1 if is_last else cut.least) <= length <= cut.most:
            raise _violation()
    blocks = list(_digests(answer.blocks))
    if len(blocks) != (len(block_ends(request.offset, end, size)) if request.blocks else 0):
        raise _violation()
    return ChunkPage(chunks, end, blocks)


def _digests(packed: bytes) -> Iterator[bytes]:
    if len(packed) % DIGEST_SIZE:
        raise _violation()
    for at in range(0, len(packed), DIGEST_SIZE):
        yield packed[at : at + DIGEST_SIZE]


def _violation() -> ProtocolViolation:
    return ProtocolViolation("the other side lists chunks of a file that it cannot have", "update gimmal on both sides")
