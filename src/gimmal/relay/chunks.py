"""Rooms for bytes on their way: pipes where the system can splice, else rights to hold a chunk in memory."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections import Counter

from gimmal.relay.limits import RelayLimits

_KEPT_IDLE = 8
_SPLICE_FLAGS = (os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE) if hasattr(os, "splice") else 0


class Pipe:
    """A kernel buffer between two splices; ``held`` bytes are in it."""

    __slots__ = ("held", "read_end", "size", "write_end")

    def __init__(self, size: int) -> None:
        self.read_end, self.write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.held = 0
        try:
            self.size = fcntl.fcntl(self.write_end, fcntl.F_SETPIPE_SZ, size)
        except OSError:
            # Beyond the user's share of pipe memory the kernel refuses; a small pipe still works.
            self.size = fcntl.fcntl(self.write_end, fcntl.F_GETPIPE_SZ)

    def fill(self, source: int) -> int:
        """Take bytes from a socket; their count, 0 at its end. BlockingIOError if none are there."""
        count = os.splice(source, self.write_end, self.size, flags=_SPLICE_FLAGS)
        self.held += count
        return count

    def drain(self, sink: int) -> int:
        """Pass bytes on to a socket; their count. BlockingIOError if it takes none."""
        count = os.splice(self.read_end, sink, self.held, flags=_SPLICE_FLAGS)
        self.held -= count
        return count

    def close(self) -> None:
        """Let both ends go."""
        os.close(self.read_end)
        os.close(self.write_end)


class Chunks:
    """How many directions may hold a whole chunk at a time, in all and per pair; lends the pipes.

    Args:
        limits: numbers of the relay.
        splice: whether pipes are to be used; off where the system has no splice.
    """

    def __init__(self, limits: RelayLimits, splice: bool | None = None) -> None:
        self._limits = limits
        self.splice = hasattr(os, "splice") if splice is None else splice
        self.scratch = memoryview(bytearray(limits.chunk))
        """Shared by all directions: nothing stays in it after a turn."""
        self._idle: list[Pipe] = []
        self._lent = 0
        self._by_pair: Counter[bytes] = Counter()

    def take(self, pair_id: bytes) -> bool:
        """Reserve a chunk for a pair; False when its share or all are taken."""
        limits = self._limits
        if self._lent >= limits.chunks or self._by_pair.get(pair_id, 0) >= limits.chunks_per_pair:
            return False
        self._lent += 1
        self._by_pair[pair_id] += 1
        return True

    def give_back(self, pair_id: bytes) -> None:
        """End a reservation."""
        self._lent -= 1
        self._by_pair[pair_id] -= 1
        if not self._by_pair[pair_id]:
            del self._by_pair[pair_id]

    def borrow_pipe(self) -> Pipe | None:
        """An empty pipe, under a reservation; None when descriptors have run out."""
        if self._idle:
            return self._idle.pop()
        with contextlib.suppress(OSError):
            return Pipe(self._limits.chunk)
        return None

    def return_pipe(self, pipe: Pipe) -> None:
        """Bring a pipe back; one with bytes left in it is thrown away."""
        if pipe.held or len(self._idle) >= _KEPT_IDLE:
            pipe.close()
        else:
            self._idle.append(pipe)

    def close(self) -> None:
        """Close the idle pipes."""
        while self._idle:
            self._idle.pop().close()
