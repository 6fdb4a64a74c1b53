"""Packing what is sent, where it shrinks, and unpacking what came; all of it blocks and belongs into threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from gimmal.base.zstandard import DENSER_LEVEL, LEVEL
from gimmal.protocol.messages import Packing
from gimmal.protocol.packed import PACK_MIN, pack, shrinks, unpack
from gimmal.transport.buffers import BufferPool, RecordBuffer
from gimmal.transport.exchange import Piece
from gimmal.transport.slow_line import Pace

if TYPE_CHECKING:
    from gimmal.transport.link import Link

DENSE_FILES_MAX = 256
"""Files of which is remembered that they do not shrink; beyond, the one not met longest is forgotten."""

DENSE_RANGES = 16
"""Ranges of such a file sent as they are before it is sampled again, for it may hold something else further on."""


NOT = 0
"""The level of what is not packed."""


def packing_level(packing: Packing, link: Link) -> int:
    """At which level what shrinks is to be packed before it is sent on a link; NOT where it is sent as it is."""
    if packing is Packing.NEVER:
        return NOT
    pace = link.pace
    if pace is Pace.FAST and packing is not Packing.ALWAYS:
        return NOT
    return DENSER_LEVEL if pace is Pace.NARROW else LEVEL


class Packer:
    """Packs for one session, and remembers which files are dense: do not shrink. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._dense: OrderedDict[Hashable, int] = OrderedDict()

    def pack_pieces(self, file: Hashable, pieces: Sequence[Piece], level: int = LEVEL) -> None:
        """Pack pieces of one range where they lie, those of them that shrink.

        Args:
            file: names the file they are of among those of the session.
            pieces: not packed yet; a buffer of theirs holds nothing but them.
            level: see packing_level.
        """
        if sum(len(piece.body) for piece in pieces) < PACK_MIN or self._is_dense(file):
            return  # so few say nothing about their file: perhaps all that is new in a block
        shrunk = False
        if shrinks([piece.body for piece in pieces]):
            for piece in pieces:
                body = pack(piece.body, level)
                if body is not None:
                    shrunk = True
                    _replace(piece, body)
        if not shrunk:
            self._note_dense(file)

    def pack_record(self, file: Hashable, body: memoryview, level: int = LEVEL) -> bytes | None:
        """The packed body for that of one record of a range; None where it is to be sent as it is."""
        if len(body) < PACK_MIN or self._is_dense(file):
            return None
        packed = pack(body, level) if shrinks([body]) else None
        if packed is None:
            self._note_dense(file)
        return packed

    def _is_dense(self, file: Hashable) -> bool:
        with self._lock:
            left = self._dense.pop(file, 0)
            if left:
                self._dense[file] = left - 1
            return left > 0

    def _note_dense(self, file: Hashable) -> None:
        with self._lock:
            self._dense[file] = DENSE_RANGES
            self._dense.move_to_end(file)
            while len(self._dense) > DENSE_FILES_MAX:
                self._dense.popitem(last=False)


def pack_bundle(body: memoryview, level: int = LEVEL) -> bytes | None:
    """The body of a PACKED_BUNDLE for that of a BUNDLE; None where it is to be sent as it is."""
    return pack(body, level) if shrinks([body]) else None


def pack_buffer(buffer: RecordBuffer, length: int, level: int = LEVEL) -> int:
    """Pack a bundle where it lies; its length then, 0 where it is to be sent as it is."""
    packed = pack_bundle(buffer.body[:length], level)
    if packed is None:
        return 0
    buffer.body[: len(packed)] = packed
    return len(packed)


def unpacked(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces with the same bytes, none of them packed; the buffers of those given stay theirs.

    Raises:
        ProtocolViolation: one cannot be unpacked.
    """
    return [
        Piece(memoryview(unpack(piece.body)) if piece.packed_from else piece.body, None, piece.at) for piece in pieces
    ]


def unpack_pieces(pieces: Sequence[Piece], pool: BufferPool) -> None:
    """Unpack those pieces that are packed and give back the buffers they came in.

    Raises:
        ProtocolViolation: one cannot be unpacked; all of them still belong to the caller.
    """
    for piece in pieces:
        if piece.packed_from:
            plain = unpack(piece.body)
            if piece.owner is not None:
                pool.give(piece.owner)
            piece.body, piece.owner, piece.packed_from = memoryview(plain), None, 0


def _replace(piece: Piece, body: bytes) -> None:
    piece.packed_from = len(piece.body)
    if piece.owner is None:
        piece.body = memoryview(body)
    else:
        piece.body = piece.owner.body[: len(body)]
        piece.body[:] = body
