"""Write with ``reused``: a block put together of what stands at the final name and of what comes.

Nothing of the old version is trusted: the whole block is hashed while it is put together, and counts only where its
digest is the one in END. So an old version that changes meanwhile costs the block, never wrong bytes.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence

from gimmal.base.beneath import open_regular
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Done, Failed, Replace, Stretch, Write
from gimmal.protocol.reused import gaps_of
from gimmal.share.attributes import version_of
from gimmal.share.part import Part
from gimmal.share.part_writing import PartWriter
from gimmal.share.part_writing import begin_write as begin_whole
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState
from gimmal.transport.exchange import Piece

_READ_MAX = 256 * 1024
"""Bytes of the old version in memory at a time; few enough to be hashed and written from the processor's own cache."""


class ReusingWriter:
    """As PartWriter, with stretches of the old version put between what comes.

    A session that ends abandons it while a thread may still be at work with it: then that is waited for, so that no
    descriptor is closed under it, or twice.

    Args:
        writer: of the block.
        old: descriptor of the old version; closed at the end.
        reused: stretches of the block to take from there, in order.
    """

    __slots__ = ("_failure", "_lock", "_old", "_stretches", "_writer")

    def __init__(self, writer: PartWriter, old: int, reused: Sequence[Stretch]) -> None:
        self._writer = writer
        self._old = old
        self._stretches = deque(reused)
        self._failure: Code | None = None
        self._lock = threading.Lock()

    def write_pieces(self, pieces: Sequence[Piece]) -> None:
        """See PartWriter."""
        with self._lock:
            self._put(pieces)

    def finish(self, digest: bytes, pieces: Sequence[Piece] = ()) -> Done | Failed:
        """See PartWriter; ``digest`` is that of the whole block. CHANGED where the old version is shorter by now."""
        with self._lock:
            if self._old < 0:
                return Failed(Code.CORRUPT)
            try:
                self._put(pieces)
                self._take_until(None)
                if self._failure is not None:
                    return Failed(self._failure)
                return self._writer.finish(digest)
            finally:
                self._close()

    def abandon(self) -> None:
        """See PartWriter."""
        with self._lock:
            self._close()

    def _put(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces if self._old >= 0 else ():
            self._take_until(piece.at)
            self._writer.write([piece.body], piece.at)

    def _close(self) -> None:
        self._writer.abandon()
        if self._old >= 0:
            os.close(self._old)
            self._old = -1

    def _take_until(self, place: int | None) -> None:
        """Put in the stretches before a place of the block, or all that are left."""
        while (
            self._failure is None
            and self._old >= 0
            and self._stretches
            and (place is None or self._stretches[0][0] < place)
        ):
            self._take(*self._stretches.popleft())

    def _take(self, place: int, offset: int, length: int) -> None:
        buffer = memoryview(bytearray(min(length, _READ_MAX)))
        end = offset + length
        while offset < end:
            try:
                count = os.preadv(self._old, [buffer[: min(len(buffer), end - offset)]], offset)
            except OSError as error:
                self._failure = code_of(error)
                return
            if not count:
                self._failure = Code.CHANGED
                return
            self._writer.write([buffer[:count]], place)
            offset += count
            place += count


def begin_write(state: SessionState, request: Write) -> ReusingWriter | Failed:
    """A writer for one block, or why not: INVALID for what is none, CHANGED where another version stands there."""
    try:
        part = state.parts.get(request.part)
        old = _open_old(part, request)
    except RefusedError as refused:
        return Failed(refused.code)
    except OSError as error:
        return Failed(code_of(error))
    writer = begin_whole(state, request)
    if isinstance(writer, Failed):
        os.close(old)
        return writer
    return ReusingWriter(writer, old, request.reused)


def _open_old(part: Part, request: Write) -> int:
    """The version that the part is to replace, opened."""
    opened, expected = part.request, part.request.expected
    if opened.replace is not Replace.EXPECTED or expected is None or request.sparse:
        raise RefusedError(Code.INVALID)
    if gaps_of(request.length, request.reused) is None or any(
        offset + length > expected.size for _place, offset, length in request.reused
    ):
        raise RefusedError(Code.INVALID)
    with part.place.parent() as (folder, final):
        descriptor, found = open_regular(final, folder)
    if version_of(found) != expected:
        os.close(descriptor)
        raise RefusedError(Code.CHANGED)
    return descriptor
