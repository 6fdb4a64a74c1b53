"""What a request brings along, never more of it in memory than is asked for.

cheroot's own readers take a chunk into memory as a whole, however long its sender says it is, and so what is left of a
body that was refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

LINE_MAX = 4096
"""Bytes of the line before a chunk, and of all lines behind the last."""

PIECE = 1 << 20
"""Bytes that are given at once."""

DRAIN_MAX = 64 * 1024
"""Bytes of a body that is not wanted which are read all the same, so that another request may follow."""

_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Source(Protocol):
    """What the bytes come from."""

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only at its end."""

    def readline(self, size: int) -> bytes:
        """A line, or so many bytes of it."""


class BadBody(ValueError):
    """The body is not as it was announced, or broke off."""


class Body:
    """Reads one body, of a length that is known, or in chunks (RFC 9112, section 7.1).

    Args:
        source: where it begins.
        length: bytes; None where it comes in chunks.
        invite: called before the first byte is read: its sender may wait for a word.
    """

    def __init__(self, source: Source, length: int | None, invite: Callable[[], None] | None = None) -> None:
        self._source = source
        self._chunked = length is None
        self._left = length or 0
        self._invite = invite
        self.at_end = length == 0
        """All of it was read: another request may follow."""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, PIECE at most, and of a known length as many as that; none at the end.

        Raises:
            BadBody: what comes is no chunk, or the sender has left.
        """
        invite, self._invite = self._invite, None
        if invite is not None:
            invite()
        while self._chunked and not self._left and not self.at_end:
            self._begin_chunk()
        size = min(size, self._left, PIECE)
        if self.at_end or size <= 0:
            return b""
        data = self._source.read(size)
        if len(data) < size:
            raise BadBody("the body broke off")
        self._left -= size
        if not self._left:
            self._end_piece()
        return data

    def drain(self) -> bool:
        """Read what nobody wants, where it is known to be little; whether the end was reached.

        A sender that waits for a word is not told to send it.
        """
        if self._invite is None and not self._chunked and self._left <= DRAIN_MAX:
            with contextlib.suppress(BadBody):
                while self.read(DRAIN_MAX):
                    pass
        return self.at_end

    def _end_piece(self) -> None:
        if not self._chunked:
            self.at_end = True
        elif self._line():
            raise BadBody("a chunk is longer than it says")

    def _begin_chunk(self) -> None:
        size = self._line().partition(b";")[0].strip()
        if not size or len(size) > 15 or not _DIGITS.issuperset(size):
            raise BadBody("the length of a chunk is none")
        self._left = int(size, 16)
        if not self._left:
            room = LINE_MAX
            while line := self._line(room):
                room -= len(line)
            self.at_end = True

    def _line(self, most: int = LINE_MAX) -> bytes:
        """The next line without its end; empty at an empty one."""
        line = self._source.readline(max(0, most))
        if not line.endswith(b"\n"):
            raise BadBody("a line is too long, or the body broke off")
        return line.rstrip(b"\r\n")
