"""Write: one block of a part file, hashed while it passes."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gimmal.base.primitives import equal, new_blake3
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Done, Failed, Write
from gimmal.share.part import Part
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState

_VECTOR_MAX = 512  # views in one system call; the system's own limit is 1,024

_TAIL_MAX = 4096
"""Bytes of a block that wait in memory for its END; one peer may have REQUESTS_MAX blocks under way."""


class PartWriter:
    """One block on its way into a part file. For one thread at a time; end it with `finish` or `abandon`.

    Args:
        part: the open part file.
        index: which block.
        offset: its place in the file.
        length: its bytes.
    """

    __slots__ = ("_ended", "_failure", "_hasher", "_index", "_length", "_offset", "_part", "_received", "_tail")

    def __init__(self, part: Part, index: int, offset: int, length: int) -> None:
        self._part = part
        self._index = index
        self._offset = offset
        self._length = length
        self._hasher = new_blake3()
        self._received = 0
        self._tail = b""
        self._failure: Code | None = None
        self._ended = False

    def write(self, views: Sequence[memoryview], at: int) -> None:
        """Write the next bytes of the block; what goes wrong is kept for `finish`.

        The end of the block is kept back until `finish`, so that no block is whole on disk before it is noted.

        Args:
            views: bytes one after another; not kept.
            at: place of the first in the block; INVALID unless it follows the bytes before.
        """
        if self._ended or not self._take(views, at):
            return
        if self._received < self._length:
            self._put(list(views), at)
            return
        *before, last = [view for view in views if view]
        self._tail = bytes(last[-_TAIL_MAX:])
        self._put([*before, last[: -len(self._tail)]], at)

    def finish(self, digest: bytes, views: Sequence[memoryview] = (), at: int = 0) -> Done | Failed:
        """The asker's END has come: the block counts if all of it came and has this digest, else CORRUPT.

        It is noted in the journal before its last bytes are written: whoever is killed in between has noted a block
        that its bytes do not bear out, which is found out, and never has a whole one that nobody knows of.

        Args:
            digest: in the END.
            views, at: bytes that came with the END, as for `write`.
        """
        if self._ended:
            return Failed(Code.CORRUPT)
        self._take(views, at)
        self._ended = True
        verified: bytes | None = None
        try:
            if self._failure is None:
                if self._received != self._length or not equal(self._hasher.digest(), digest):
                    return Failed(Code.CORRUPT)
                self._part.note_block(self._index, digest)
                self._put([*views, memoryview(self._tail)], at if views else self._length - len(self._tail))
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
        if at != self._received or at + size > self._length:
            self._failure = Code.INVALID
            return False
        for view in views:
            self._hasher.update(view)
        self._received += size
        return True

    def _put(self, views: list[memoryview], at: int) -> None:
        try:
            with self._part.using() as descriptor:
                _write_all(descriptor, [view for view in views if view], self._offset + at)
        except OSError as error:
            self._failure = code_of(error)
        except RefusedError as refused:
            self._failure = refused.code


def begin_write(state: SessionState, request: Write) -> PartWriter | Failed:
    """A writer for one block, or why not: UNKNOWN_PART, INVALID for a range that is no block, LIMIT."""
    try:
        part = state.parts.get(request.part)
        index = part.index_of(request.offset, request.length)
        part.begin_block(index)
    except RefusedError as refused:
        return Failed(refused.code)
    return PartWriter(part, index, request.offset, request.length)


def _write_all(descriptor: int, views: list[memoryview], place: int) -> None:
    while views:
        count = os.pwritev(descriptor, views[:_VECTOR_MAX], place)
        place += count
        while views and count >= len(views[0]):
            count -= len(views.pop(0))
        if views:
            views[0] = views[0][count:]
