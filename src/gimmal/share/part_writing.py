"""Write: one block of a part file, hashed while it passes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gimmal.base.primitives import equal, new_blake3
from gimmal.protocol.codes import Code
from gimmal.protocol.data_blocks import ZEROS
from gimmal.protocol.messages import Done, Failed, Write
from gimmal.share.holes import make_hole, write_sparse
from gimmal.share.part import Part
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState
from gimmal.transport.exchange import Piece

_VECTOR_MAX = 512  # views in one system call; the system's own limit is 1,024


class PartWriter:
    """One block on its way into a part file. For one thread at a time; end it with `finish` or `abandon`.

    Args:
        part: the open part file.
        index: which block.
        offset: its place in the file.
        length: its bytes.
        sparse: zeros become holes, and bytes may be left out.
    """

    __slots__ = ("_ended", "_failure", "_hasher", "_index", "_length", "_offset", "_part", "_received", "_sparse")

    def __init__(self, part: Part, index: int, offset: int, length: int, *, sparse: bool = False) -> None:
        self._sparse = sparse
        self._part = part
        self._index = index
        self._offset = offset
        self._length = length
        self._hasher = new_blake3()
        self._received = 0
        self._failure: Code | None = None
        self._ended = False

    def write(self, views: Sequence[memoryview], at: int) -> None:
        """Write the next bytes of the block; what goes wrong is kept for `finish`.

        Args:
            views: bytes one after another; not kept.
            at: place of the first in the block; INVALID unless it follows the bytes before, or jumps over zeros
                where the block is sparse.
        """
        size = sum(map(len, views))
        if self._failure is not None or self._ended:
            return
        if (at < self._received if self._sparse else at != self._received) or at + size > self._length:
            self._failure = Code.INVALID
            return
        self._pass_zeros(at)
        try:
            with self._part.using() as descriptor:
                if self._sparse:
                    place = self._offset + at
                    for view in views:
                        write_sparse(descriptor, view, place)
                        place += len(view)
                else:
                    _write_all(descriptor, list(views), self._offset + at)
        except OSError as error:
            self._failure = code_of(error)
            return
        except RefusedError as refused:
            self._failure = refused.code
            return
        for view in views:
            self._hasher.update(view)
        self._received += size

    def write_pieces(self, pieces: Sequence[Piece]) -> None:
        """As `write`, of pieces that know their places; those without a gap between them are written together."""
        views: list[memoryview] = []
        start = end = 0
        for piece in pieces:
            if views and piece.at != end:
                self.write(views, start)
                views = []
            if not views:
                start = piece.at
            views.append(piece.body)
            end = piece.at + len(piece.body)
        if views:
            self.write(views, start)

    def finish(self, digest: bytes) -> Done | Failed:
        """The asker's END has come: the block counts if all of it came and has this digest, else CORRUPT."""
        code = self._failure
        if self._sparse:
            self._pass_zeros(self._length)
        if code is None and (self._ended or self._received != self._length or not equal(self._hasher.digest(), digest)):
            code = Code.CORRUPT
        self._end(digest if code is None else None)
        return Done() if code is None else Failed(code)

    def abandon(self) -> None:
        """The stream will not go on; the block stays missing. Harmless after `finish`."""
        self._end(None)

    def _pass_zeros(self, until: int) -> None:
        if until > self._received:
            self._hasher.update(memoryview(ZEROS)[: until - self._received])
            self._received = until

    def _end(self, digest: bytes | None) -> None:
        if not self._ended:
            self._ended = True
            self._part.end_block(self._index, digest)


def begin_write(state: SessionState, request: Write) -> PartWriter | Failed:
    """A writer for one block, or why not: UNKNOWN_PART, INVALID for what is no block of data, LIMIT."""
    try:
        part = state.parts.get(request.part)
        index = part.index_of(request.offset, request.length)
        if request.sparse and not part.blocks.sparse:
            raise RefusedError(Code.INVALID)
        part.begin_block(index)
    except RefusedError as refused:
        return Failed(refused.code)
    writer = PartWriter(part, index, request.offset, request.length, sparse=request.sparse)
    if request.sparse:
        try:
            # What an earlier try left there must not show through.
            with part.using() as descriptor:
                make_hole(descriptor, request.offset, request.length)
        except (RefusedError, OSError) as error:
            writer.abandon()
            return Failed(error.code if isinstance(error, RefusedError) else code_of(error))
    return writer


def _write_all(descriptor: int, views: list[memoryview], place: int) -> None:
    while views:
        count = os.pwritev(descriptor, views[:_VECTOR_MAX], place)
        place += count
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if views:
            views[0] = views[0][count:]
