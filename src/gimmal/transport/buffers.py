"""Reused buffers of one record each, so that a byte is sealed and opened where it lies."""

from __future__ import annotations

import mmap

from gimmal.noise.records import HEADER_SIZE, LENGTH_SIZE, TAG_SIZE
from gimmal.protocol.limits import BODY_MAX

SLACK = 64 * 1024
"""Room behind a full record for what was received of the records after it."""

RECORD_SIZE_MAX = LENGTH_SIZE + HEADER_SIZE + BODY_MAX + TAG_SIZE
BODY_START = LENGTH_SIZE + HEADER_SIZE


class RecordBuffer:
    """Memory for one whole record: length, header, body, tag, and slack.

    ``view`` is all of it, ``body`` the place of the body. The memory is a mapping of its own: only what was touched is
    taken from the system, and all of it goes back with the last view.
    """

    __slots__ = ("body", "view")

    def __init__(self) -> None:
        # Not a bytearray: once some have been freed, malloc keeps memory of this size in the arena of each thread.
        self.view = memoryview(mmap.mmap(-1, RECORD_SIZE_MAX + SLACK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        self.body = self.view[BODY_START : BODY_START + BODY_MAX]


class BufferPool:
    """Hands out record buffers and keeps those given back for reuse: a new one costs many times what a used one does.

    Args:
        kept: how many free buffers are kept; the memory of more goes back to the system.
    """

    def __init__(self, kept: int = 48) -> None:
        self._kept = kept
        self._free: list[RecordBuffer] = []
        self._idle = 0
        """How many at the front of ``_free`` nobody has taken since the last ``trim``."""

    def take(self) -> RecordBuffer:
        """A buffer with arbitrary contents. Safe from any thread."""
        try:
            buffer = self._free.pop()
        except IndexError:
            buffer = RecordBuffer()
        # Threads may get this wrong by a few: then a few more or less are kept.
        self._idle = min(self._idle, len(self._free))
        return buffer

    def give(self, buffer: RecordBuffer) -> None:
        """Return a buffer that nobody uses any more. Safe from any thread."""
        if len(self._free) < self._kept:
            self._free.append(buffer)

    def trim(self) -> None:
        """Let go of the buffers that were free ever since the last call; for one that lives long, every few seconds."""
        del self._free[: self._idle]
        self._idle = len(self._free)
