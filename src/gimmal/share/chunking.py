"""ListChunks: a file cut into chunks where its contents say so (docs/spec/protocol.md, section 6.6).

What is inserted or left out moves the cuts with it, so that two versions of a file have most of their chunks in common.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gimmal.base.beneath import open_regular
from gimmal.base.primitives import blake3_digest, new_blake3
from gimmal.protocol.chunk_messages import Chunks, ListChunks
from gimmal.protocol.chunks import Cut, block_ends, cut_of, entry_of
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import block_length
from gimmal.protocol.limits import BLOCK_SIZE, CHUNKS_PAGE_BYTES, CHUNKS_PAGE_MAX
from gimmal.share.attributes import version_of
from gimmal.share.places import Access
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState

if TYPE_CHECKING:
    from pyfastcdc import FastCDC

_WINDOW_MIN = 4 << 20
_WINDOW_CHUNKS = 4
"""Bytes that are cut at a time, at least, and how many of the largest chunks; a chunk must lie in them whole."""


def answer_list_chunks(state: SessionState, request: ListChunks) -> Chunks:
    """Chunks from an offset on, and with ``blocks`` the digests of the blocks that end in them.

    Refused with CHANGED where the file is another version before or afterwards, with INVALID for an offset behind its
    end, with UNSUPPORTED where this computer has no fast way to cut.
    """
    place = state.places.find(request.path, Access.LOOK)
    if not place.names:
        raise RefusedError(Code.IS_A_DIRECTORY)
    if request.offset > request.version.size:
        raise RefusedError(Code.INVALID)
    with place.parent() as (folder, name):
        descriptor, found = open_regular(name, folder)
    try:
        if version_of(found) != request.version:
            raise RefusedError(Code.CHANGED)
        answer = _Page(descriptor, request).answer()
        if version_of(os.fstat(descriptor)) != request.version:
            raise RefusedError(Code.CHANGED)
        return answer
    finally:
        os.close(descriptor)


class _Page:
    """The part of a file that one answer lists.

    Args:
        descriptor: the file, opened for reading.
        request: what is asked of it.
    """

    def __init__(self, descriptor: int, request: ListChunks) -> None:
        self._descriptor = descriptor
        self._offset = request.offset
        self._size = request.version.size
        self._cut = cut_of(request.average)
        self._blocks = _Blocks(request.offset, self._size) if request.blocks else None
        self._entries: list[bytes] = []
        self._end = request.offset

    def answer(self) -> Chunks:
        """Read, cut and hash.

        Raises:
            RefusedError: CHANGED, the file is shorter by now; UNSUPPORTED.
            OSError: the disk failed.
        """
        cutter = _cutter(self._cut)
        window = memoryview(bytearray(max(_WINDOW_MIN, _WINDOW_CHUNKS * self._cut.most)))
        if self._blocks is not None:
            # The block in which the page begins is hashed from its own beginning.
            front = window[: self._offset % BLOCK_SIZE]
            self._read(front, self._offset - len(front))
            self._blocks.update(front)
        filled = 0
        while True:
            want = min(len(window) - filled, self._size - self._end - filled)
            fresh = window[filled : filled + want]
            self._read(fresh, self._end + filled)
            if self._blocks is not None:
                self._blocks.update(fresh)
            filled += want
            is_last = self._end + filled == self._size
            used, full = self._list(cutter, window[:filled], is_last=is_last)
            self._end += used
            if full or self._end == self._size:
                break
            filled -= used
            window[:filled] = bytes(window[used : used + filled])
        blocks = self._blocks.ended(self._offset, self._end) if self._blocks is not None else b""
        return Chunks(b"".join(self._entries), blocks)

    def _list(self, cutter: FastCDC, window: memoryview, *, is_last: bool) -> tuple[int, bool]:
        """Take in the chunks that begin in a window; how many bytes they have, and whether the page is full."""
        used = 0
        for chunk in cutter.cut_buf(window):
            if not is_last and chunk.offset + self._cut.most > len(window):
                break  # what follows may decide where it ends
            used = chunk.offset + chunk.length
            self._entries.append(entry_of(chunk.length, blake3_digest(window[chunk.offset : used])))
            listed = self._end + used - self._offset
            if len(self._entries) == CHUNKS_PAGE_MAX or listed >= CHUNKS_PAGE_BYTES:
                return used, True
        return used, False

    def _read(self, view: memoryview, place: int) -> None:
        while view:
            count = os.preadv(self._descriptor, [view], place)
            if not count:
                raise RefusedError(Code.CHANGED)
            view = view[count:]
            place += count


class _Blocks:
    """Digests of blocks, while their bytes pass from the beginning of the block that holds ``offset``."""

    def __init__(self, offset: int, size: int) -> None:
        self._size = size
        self._index = offset // BLOCK_SIZE
        self._first = self._index
        self._hasher = new_blake3()
        self._length = 0
        self._digests: list[bytes] = []

    def update(self, view: memoryview) -> None:
        """The next bytes of the file."""
        while view:
            whole = block_length(self._size, self._index)
            part = view[: whole - self._length]
            self._hasher.update(part)
            self._length += len(part)
            view = view[len(part) :]
            if self._length == whole:
                self._digests.append(self._hasher.digest())
                self._hasher = new_blake3()
                self._index += 1
                self._length = 0

    def ended(self, offset: int, end: int) -> bytes:
        """Digests of the blocks that end behind ``offset`` and by ``end``, one behind the other."""
        return b"".join(self._digests[index - self._first] for index in block_ends(offset, end, self._size))


def _cutter(cut: Cut) -> FastCDC:
    try:
        # Its twin in plain Python is slower than many a line.
        from pyfastcdc.cy import FastCDC as Fast
    except ImportError:
        raise RefusedError(Code.UNSUPPORTED) from None
    cutter: FastCDC = Fast(cut.average, min_size=cut.least, max_size=cut.most, normalized_chunking=1, seed=0)
    return cutter
