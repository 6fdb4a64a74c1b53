"""What one reader of a file will want next: nothing for who reads here and there, ever more for who reads on.

Each run of reads that follow each other is a *trail*. Who jumps leaves a trail; nothing more is wanted along it,
unless they come back again and again, as who reads sound and picture of one film in turn does.
"""

from __future__ import annotations

from dataclasses import dataclass

AHEAD_MAX = 16 << 20
"""Bytes wanted before a reader at most."""

STREAM_FIRST = 256 * 1024
"""Bytes wanted before a reader who is known to read on, at once after a jump."""

TRAILS_MAX = 4
SKIP_MAX = 16 * 1024
"""Bytes that a reader may leave out and still be reading on."""

RETURNS_WARM = 2
"""So often somebody has to come back to a trail until it is read ahead of while they are elsewhere."""

COOL_AFTER = 8
"""Reads elsewhere after which a trail is no longer read ahead of."""


@dataclass(slots=True)
class _Trail:
    begin: int
    """Where the last read on it began."""
    next: int
    walked: int
    """Bytes that were read one after another."""
    steps: int = 0
    """Reads that went on exactly where the one before had ended, or overlapped it."""
    returns: int = 0
    used: int = 0
    """Number of the reader's last read on it."""

    def continues(self, offset: int) -> bool:
        # From within the last read on too: who asked for much may have been given little.
        return self.begin <= offset <= self.next + SKIP_MAX


class ReadAhead:
    """Where one reader reads, and what is to be fetched before it asks.

    Args:
        streaming: it is known to read on from wherever it begins, as who plays a film does.
    """

    def __init__(self, *, streaming: bool = False) -> None:
        self._streaming = streaming
        self._trails: list[_Trail] = []
        self._reads = 0
        self.jumped = False
        """Whether the last read began at a place where nobody was reading."""

    def on_read(self, offset: int, length: int) -> None:
        """The reader takes ``length`` bytes at ``offset``."""
        self._reads += 1
        before = self._trails[0] if self._trails else None
        trail = next((trail for trail in self._trails if trail.continues(offset)), None)
        self.jumped = trail is None
        if trail is None:
            trail = _Trail(offset, offset + length, length)
            del self._trails[TRAILS_MAX - 1 :]
        else:
            self._trails.remove(trail)
            trail.returns += trail is not before
            if offset <= trail.next < offset + length:
                trail.walked += offset + length - trail.next
                trail.steps += 1
            trail.begin, trail.next = offset, max(trail.next, offset + length)
        trail.used = self._reads
        self._trails.insert(0, trail)

    @property
    def run(self) -> int:
        """Bytes that were read one after another up to where the reader is."""
        return self._trails[0].walked if self._trails else 0

    def windows(self, most: int = AHEAD_MAX) -> list[tuple[int, int]]:
        """What is wanted ahead, as beginnings and ends, most urgent first; may reach beyond the end of the file.

        Args:
            most: bytes of each window, beside AHEAD_MAX.

        Each is at most twice as long as what was read one after another, or STREAM_FIRST for who streams.
        """
        windows = []
        for trail in self._trails:
            here = trail.used == self._reads
            warm = trail.returns >= RETURNS_WARM and self._reads - trail.used <= COOL_AFTER
            if not here and not warm:
                continue
            ahead = 2 * trail.walked if trail.steps else 0
            if self._streaming:
                ahead = max(ahead, STREAM_FIRST)
            ahead = min(ahead, most, AHEAD_MAX)
            if ahead:
                windows.append((trail.next, trail.next + ahead))
        return windows
