"""Write: one block of a part file, hashed while it passes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from gimmal.base.primitives import equal, new_blake3
from gimmal.protocol.codes import Code
from gimmal.protocol.data_blocks import ZEROS
from gimmal.protocol.messages import Done, Failed, Write
from gimmal.share.holes import PAGE, make_hole, write_sparse
from gimmal.share.part import Part
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState
from gimmal.transport.exchange import Piece

_VECTOR_MAX = 512  # views in one system call; the system's own limit is 1,024


class PartWriter:
    """One block on its way into a part file. For one thread at a time; end it with `finish` or `abandon`.

    The last page of a block waits in memory for its END, so that no block is whole on disk before it is noted. Where
    zeros are left out any bytes may be the last: then the last page that is more than zeros waits.

    Args:
        part: the open part file.
        index: which block.
        offset: its place in the file.
        length: its bytes.
        sparse: zeros become holes, and bytes may be left out.
    """

    __slots__ = (
        "_ended",
        "_failure",
        "_hasher",
        "_index",
        "_length",
        "_offset",
        "_part",
        "_received",
        "_sparse",
        "_tail",
        "_tail_at",
    )

    def __init__(self, part: Part, index: int, offset: int, length: int, *, sparse: bool = False) -> None:
        self._sparse = sparse
        self._part = part
        self._index = index
        self._offset = offset
        self._length = length
        self._hasher = new_blake3()
        self._received = 0
        self._tail = b""
        self._tail_at = 0
        self._failure: Code | None = None
        self._ended = False

    def write(self, views: Sequence[memoryview], at: int) -> None:
        """Write the next bytes of the block; what goes wrong is kept for `finish`.

        Args:
            views: bytes one after another; not kept.
            at: place of the first in the block; INVALID unless it follows the bytes before, or jumps over zeros
                where the block is sparse.
        """
        if self._ended or not self._take(views, at):
            return
        if self._sparse:
            views = _without_last_zeros(views)
            if views:
                self._put_tail()
                self._put(self._keep_tail(views, at), at)
        elif self._received < self._length:
            self._put(views, at)
        else:
            self._put(self._keep_tail(views, at), at)

    def write_pieces(self, pieces: Sequence[Piece]) -> None:
        """As `write`, of pieces that know their places; those without a gap between them are written together."""
        for views, at in _runs(pieces):
            self.write(views, at)

    def finish(self, digest: bytes, pieces: Sequence[Piece] = ()) -> Done | Failed:
        """The asker's END has come: the block counts if all of it came and has this digest, else CORRUPT.

        It is noted in the journal before its last bytes are written: whoever is killed in between has noted a block
        that its bytes do not bear out, which is found out, and never has a whole one that nobody knows of.

        Args:
            digest: in the END.
            pieces: what came with the END, as for `write_pieces`.
        """
        if self._ended:
            return Failed(Code.CORRUPT)
        runs = [(views, at) for views, at in _runs(pieces) if self._take(views, at)]
        if self._sparse:
            self._pass_zeros(self._length)
        self._ended = True
        verified: bytes | None = None
        try:
            if self._failure is None:
                if self._received != self._length or not equal(self._hasher.digest(), digest):
                    return Failed(Code.CORRUPT)
                self._part.note_block(self._index, digest)
                self._put_tail()
                for views, at in runs:
                    self._put(views, at)
            if self._failure is not None:
                return Failed(self._failure)
            verified = digest
            return Done()
        finally:
            self._part.end_block(self._index, verified)

    def abandon(self) -> None:
        """The stream will not go on; the block stays missing. Harmless after `finish`."""
        if not self._ended:
            self._ended = True
            self._part.end_block(self._index, None)

    def _take(self, views: Sequence[memoryview], at: int) -> bool:
        """Hash bytes that follow those before; whether there is something to write."""
        size = sum(map(len, views))
        if self._failure is not None or not size:
            return False
        if (at < self._received if self._sparse else at != self._received) or at + size > self._length:
            self._failure = Code.INVALID
            return False
        self._pass_zeros(at)
        for view in views:
            self._hasher.update(view)
        self._received += size
        return True

    def _pass_zeros(self, until: int) -> None:
        if until > self._received:
            self._hasher.update(memoryview(ZEROS)[: until - self._received])
            self._received = until

    def _keep_tail(self, views: Sequence[memoryview], at: int) -> list[memoryview]:
        """Keep the last page of these bytes for later; returns the others."""
        *before, last = [view for view in views if view]
        end = at + sum(map(len, views))
        self._tail = bytes(last[-((end - 1) % PAGE + 1) :])
        self._tail_at = end - len(self._tail)
        return [*before, last[: -len(self._tail)]]

    def _put_tail(self) -> None:
        tail, self._tail = self._tail, b""
        self._put([memoryview(tail)], self._tail_at)

    def _put(self, views: Sequence[memoryview], at: int) -> None:
        place = self._offset + at
        if self._failure is not None:
            return
        try:
            with self._part.using() as descriptor:
                if self._sparse:
                    for view in views:
                        write_sparse(descriptor, view, place)
                        place += len(view)
                else:
                    _write_all(descriptor, [view for view in views if view], place)
        except OSError as error:
            self._failure = code_of(error)
        except RefusedError as refused:
            self._failure = refused.code


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
    sparse = request.sparse or (bool(request.reused) and part.blocks.sparse)
    writer = PartWriter(part, index, request.offset, request.length, sparse=sparse)
    if sparse:
        try:
            # What an earlier try left there must not show through.
            with part.using() as descriptor:
                make_hole(descriptor, request.offset, request.length)
        except (RefusedError, OSError) as error:
            writer.abandon()
            return Failed(error.code if isinstance(error, RefusedError) else code_of(error))
    return writer


def _runs(pieces: Sequence[Piece]) -> Iterator[tuple[list[memoryview], int]]:
    """Bytes without a gap between them, and where they begin."""
    views: list[memoryview] = []
    start = end = 0
    for piece in pieces:
        if views and piece.at != end:
            yield views, start
            views = []
        if not views:
            start = piece.at
        views.append(piece.body)
        end = piece.at + len(piece.body)
    if views:
        yield views, start


def _without_last_zeros(views: Sequence[memoryview]) -> list[memoryview]:
    """The bytes up to the last that is no zero."""
    kept = list(views)
    while kept:
        count = len(bytes(kept[-1]).rstrip(b"\0"))
        if count:
            kept[-1] = kept[-1][:count]
            break
        kept.pop()
    return kept


def _write_all(descriptor: int, views: list[memoryview], place: int) -> None:
    while views:
        count = os.pwritev(descriptor, views[:_VECTOR_MAX], place)
        place += count
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if views:
            views[0] = views[0][count:]
