"""Vectors of digests and chunks of contents."""

from __future__ import annotations

import hashlib
import struct

from blake3 import blake3
from encoding import Vector, file_digest


def pattern(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def digests() -> list[Vector]:
    """Of files whose byte at place i is i mod 251."""
    sizes = (0, 1, 5, 1 << 20, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 9 << 20)
    return [{"size": size, "digest": file_digest(pattern(size)).hex()} for size in sizes]


GEAR = [int.from_bytes(hashlib.md5(bytes([value]) * 64).digest()[:8], "big") for value in range(256)]
MASKS = {
    1 << 16: (0x0000D90703537000, 0x0000D90F03530000),
    1 << 18: (0x0000D91707537000, 0x0000D90703537000),
    1 << 20: (0x0000D91767537000, 0x0000D91707537000),
}


def next_chunk(content: bytes, at: int, average: int) -> int:
    left, minimum, maximum = len(content) - at, average // 4, average * 4
    strict, loose = MASKS[average]
    if left <= minimum:
        return left
    limit, value = min(left, maximum), 0
    for place in range(minimum, 2 * (limit // 2)):
        value = (2 * value + GEAR[content[at + place]]) & ((1 << 64) - 1)
        if not value & (strict if place < average else loose):
            return place
    return limit


def chunks() -> list[Vector]:
    """Of files that are the first bytes of BLAKE3's extended output of ``gimmal chunks``; whole, for all are small."""
    vectors = []
    cases = [
        *((size, 0, 1 << 16) for size in (0, 1, 16_384, 16_385, 65_537, 100_001, (1 << 20) + 1, 9 << 20)),
        ((1 << 20) + 1, 1, 1 << 16),
        (9 << 20, (4 << 20) + 77, 1 << 16),
        (9 << 20, 0, 1 << 18),
        (9 << 20, 0, 1 << 20),
    ]
    for size, offset, average in cases:
        content = blake3(b"gimmal chunks").digest(length=size)
        at, listed = offset, b""
        while at < size:
            length = next_chunk(content, at, average)
            listed += struct.pack(">I", length) + blake3(content[at : at + length]).digest()[:8]
            at += length
        ends = [min(start + (4 << 20), size) for start in range(0, size, 4 << 20)]
        blocks = [blake3(content[(end - 1) // (4 << 20) * (4 << 20) : end]).digest() for end in ends if end > offset]
        vectors.append(
            {
                "size": size,
                "offset": offset,
                "average": average,
                "chunks": listed.hex(),
                "blocks": b"".join(blocks).hex(),
            }
        )
    return vectors
