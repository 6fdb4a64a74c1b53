"""Bodies of PACKED and PACKED_BUNDLE records (docs/spec/protocol.md, section 6.8)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gimmal.base.errors import ProtocolViolation
from gimmal.base.zstandard import LEVEL, BadFrame, compress, decompress
from gimmal.protocol.limits import BODY_MAX, PACKED_WINDOW_LOG_MAX

PACK_MIN = 512
"""Bytes of a body below which packing is not worth the trouble."""

_SIZE = struct.Struct(">I")
_SLICE, _SLICES = 4096, 16


def pack(body: memoryview, level: int = LEVEL) -> bytes | None:
    """The body of a packed record for these bytes of another; None where it would not be worth it.

    Args:
        body: at most BODY_MAX bytes.
        level: of Zstandard.
    """
    if len(body) < PACK_MIN:
        return None
    frame = compress(body, level)
    return _SIZE.pack(len(body)) + frame if _is_shrunk(_SIZE.size + len(frame), len(body)) else None


def packed_size(body: memoryview) -> int:
    """For how many bytes the body of a packed record says that it stands; nothing is unpacked.

    Raises:
        ProtocolViolation: it says none, more than a record holds, or no more than its own length.
    """
    size = int(_SIZE.unpack_from(body)[0]) if len(body) > _SIZE.size else 0
    if not len(body) < size <= BODY_MAX:
        raise ProtocolViolation("the other side sent a packed record of a size that may not be")
    return size


def unpack(body: memoryview) -> bytes:
    """The bytes that the body of a packed record stands for.

    Raises:
        ProtocolViolation: it holds no frame of exactly the size that it says.
    """
    size = packed_size(body)
    try:
        return decompress(body[_SIZE.size :], size, PACKED_WINDOW_LOG_MAX)
    except BadFrame as exc:
        raise ProtocolViolation("the other side sent a packed record that cannot be unpacked") from exc


def shrinks(views: Sequence[memoryview]) -> bool:
    """Whether a sample of these bytes, taken from all over them, is worth packing."""
    total = sum(map(len, views))
    sample = bytearray()
    # As many slices from each view as it is long, so that neither its head nor one file of many speaks for all.
    step = max(_SLICE, total // _SLICES)
    at = 0
    for view in views:
        while at < len(view):
            sample += view[at : at + _SLICE]
            at += step
        at -= len(view)
    return len(sample) >= PACK_MIN and _is_shrunk(len(compress(memoryview(sample))), len(sample))


def _is_shrunk(packed: int, plain: int) -> bool:
    """By a sixteenth at least: less is lost again in unpacking."""
    return packed <= plain - plain // 16
