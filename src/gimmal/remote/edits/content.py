"""What an open file holds: a version of the other side, and what was written over it since. No I/O.

Of what was written some lies in memory, some has been sent ahead into the patch at home, some is in both places. What
was sent and takes too much room may be forgotten here: it is then read back from the patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from gimmal.base.primitives import Buffer
from gimmal.remote.edits.spans import Span, Spans
from gimmal.remote.edits.written import Written


class Where(Enum):
    """Where bytes of an open file have to be taken from."""

    HELD = "memory"
    PATCH = "the patch at home"
    BASE = "the version that was opened"
    ZEROS = "nowhere: they were never written"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of the file, from ``start`` to ``end``; ``content`` where they are held in memory."""

    where: Where
    start: int
    end: int
    content: bytes = b""


class Content:
    """An open file over a base version of ``size`` bytes; at first it is just that.

    Attributes:
        size: bytes of the file now.
        kept: of the base version, the bytes from its beginning that still count where nothing was written.
        changed: something was written or cut off since the base version.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept = size
        self.changed = False
        self.held = Written()
        self.unsent = Spans()
        """What was written and is not in the patch."""
        self.forgotten = Spans()
        """What was written and is in the patch only."""
        self.cut_to: int | None = None
        """The smallest size that the file had since the patch last followed it; None where it only grew."""

    # Changing --------------------------------------------------------------------------------------------------------

    def write(self, offset: int, data: Buffer) -> None:
        """Put bytes at a place; between the end and a place beyond it there are zeros then."""
        end = offset + len(memoryview(data))
        if end == offset:
            return
        self.held.write(offset, data)
        self.forgotten.remove(offset, end)
        self.unsent.add(offset, end)
        self.size = max(self.size, end)
        self.changed = True

    def truncate(self, size: int) -> None:
        """Cut the file off, or let it grow by zeros."""
        if size == self.size:
            return
        if size < self.size:
            self.kept = min(self.kept, size)
            self.held.cut(size)
            self.unsent.cut(size)
            self.forgotten.cut(size)
            self.cut_to = size if self.cut_to is None else min(self.cut_to, size)
        self.size = size
        self.changed = True

    # Reading ---------------------------------------------------------------------------------------------------------

    def pieces(self, offset: int, length: int) -> Iterator[Piece]:
        """Where the bytes of a range lie, in order, as far as the file goes."""
        end = min(offset + length, self.size)
        known = [Piece(Where.HELD, at, at + len(content), content) for at, content in self.held.within(offset, end)]
        known += [Piece(Where.PATCH, start, stop) for start, stop in self.forgotten.within(offset, end)]
        known.sort(key=lambda piece: piece.start)
        at = offset
        for piece in known:
            yield from self._unwritten(at, piece.start)
            yield piece
            at = piece.end
        yield from self._unwritten(at, end)

    def _unwritten(self, start: int, end: int) -> Iterator[Piece]:
        if start < min(end, self.kept):
            yield Piece(Where.BASE, start, min(end, self.kept))
        if max(start, self.kept) < end:
            yield Piece(Where.ZEROS, max(start, self.kept), end)

    def written(self) -> Iterator[Span]:
        """What was written over the base version, in order, wherever it lies now."""
        spans = Spans()
        for start, content in self.held:
            spans.add(start, start + len(content))
        for start, end in self.forgotten:
            spans.add(start, end)
        return iter(spans)

    # The patch -------------------------------------------------------------------------------------------------------

    def sent(self, start: int, end: int) -> None:
        """The bytes between two places, as they are now, are in the patch too."""
        self.unsent.remove(start, end)

    def forget_sent(self, most: int) -> None:
        """Forget what lies in the patch, from the beginning on, until ``most`` bytes of memory are taken at most."""
        for start, content in self.held:
            if self.held.cost <= most:
                return
            end = start + len(content)
            if not any(self.unsent.within(start, end)):
                self.held.remove(start, end)
                self.forgotten.add(start, end)

    def patch_lost(self) -> bool:
        """The patch is gone: all that is held has to be sent again. False where bytes were there only."""
        self.unsent.clear()
        for start, content in self.held:
            self.unsent.add(start, start + len(content))
        self.cut_to = self.kept
        return not self.forgotten

    def kept_elsewhere(self) -> None:
        """The file as it is now is safe, though not at home yet: what is written from now on is what has to follow."""
        self.unsent.clear()
        self.changed, self.cut_to = False, None

    def rebased(self, size: int) -> None:
        """What was sent, or kept elsewhere, until now is the base version, of ``size`` bytes; what is unsent is not."""
        for start, content in self.held:
            end, at = start + len(content), start
            for begin, stop in self.unsent.within(start, end):
                self.held.remove(at, begin)
                at = stop
            self.held.remove(at, end)
        self.forgotten.clear()
        self.kept = size if self.cut_to is None else min(size, self.cut_to)
        self.changed = bool(self.unsent) or self.cut_to is not None or self.size != size
