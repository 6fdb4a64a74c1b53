"""A file's digest (docs/spec/protocol.md, section 6).

BLAKE3 over the size as 8 bytes big-endian and the BLAKE3 digests of the file's 4 MiB blocks in order. Each side
hashes a block once, while it passes; a resumed transfer needs the digests of the blocks only.
"""

from __future__ import annotations

from collections.abc import Sequence

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.limits import BLOCK_SIZE


def block_count(size: int) -> int:
    """How many blocks a file of ``size`` bytes has; an empty file has none."""
    return (size + BLOCK_SIZE - 1) // BLOCK_SIZE


def block_length(size: int, index: int) -> int:
    """Bytes of block ``index`` of a file of ``size`` bytes."""
    return min(BLOCK_SIZE, size - index * BLOCK_SIZE)


def file_digest(size: int, block_digests: Sequence[bytes]) -> bytes:
    """The 32-byte digest of a file from its size in bytes and the digests of all its blocks."""
    assert len(block_digests) == block_count(size)
    return blake3_digest(size.to_bytes(8, "big"), *block_digests)


def small_file_digest(content: bytes | memoryview) -> bytes:
    """The digest of a file of at most one block whose content is at hand."""
    size = len(content)
    block = blake3_digest(content) if size else b""
    return blake3_digest(size.to_bytes(8, "big") + block)
