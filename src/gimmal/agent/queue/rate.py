"""How fast a transfer goes just now. No clock of its own."""

from __future__ import annotations

from collections import deque

SPAN_SECONDS = 10.0
"""Over what time the rate is taken: long enough to be calm, short enough to be of now."""

SHORTEST_SECONDS = 0.1
"""Less than this says nothing."""


class Rate:
    """Bytes per second over the last SPAN_SECONDS."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, now: float, moved: int) -> None:
        """So many bytes have moved in all, which may be fewer than before where a transfer began again.

        Args:
            now: seconds, of any clock that only goes forward.
            moved: bytes.
        """
        if self._seen and moved < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, moved))
        while now - self._seen[0][0] > SPAN_SECONDS:
            self._seen.popleft()

    @property
    def bytes_per_second(self) -> float:
        """0 where it is not known yet."""
        if len(self._seen) < 2:
            return 0.0
        (since, before), (until, after) = self._seen[0], self._seen[-1]
        return (after - before) / (until - since) if until - since >= SHORTEST_SECONDS else 0.0

    def remaining(self, left: int) -> float | None:
        """Seconds that ``left`` bytes will take at this rate; None where it cannot be told."""
        rate = self.bytes_per_second
        return left / rate if rate > 0 else None
