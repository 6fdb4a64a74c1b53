"""How many bytes a second a session moves, from looks at its totals; no I/O, no clock of its own."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 3.0
"""Rates are those of the last so many seconds."""

_LOOKS = 32


class Traffic:
    """Totals of a session at some instants, not older than ``WINDOW_SECONDS`` but for the last."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int, int]] = deque(maxlen=_LOOKS)

    def look(self, now: float, sent: int, received: int) -> None:
        """Take in the totals.

        Args:
            now: seconds, never less than before.
            sent, received: bytes since the session began.
        """
        self._looks.append((now, sent, received))
        while len(self._looks) > 1 and self._looks[1][0] <= now - WINDOW_SECONDS:
            self._looks.popleft()

    def rates(self, now: float, sent: int, received: int) -> tuple[float, float]:
        """Bytes a second, sent and received; 0 where nothing was seen before."""
        self.look(now, sent, received)
        since, sent_before, received_before = self._looks[0]
        if now <= since:
            return 0.0, 0.0
        return (sent - sent_before) / (now - since), (received - received_before) / (now - since)
