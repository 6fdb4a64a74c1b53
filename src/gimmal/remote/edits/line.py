"""Whether it makes sense to ask the other side now, by what became of the last questions. The clock is an argument."""

from __future__ import annotations

from math import inf

DOWN_SECONDS = 2.0
"""For so long after a question without an answer nothing is asked that can be done without."""


class Line:
    """What is known of the way to the other side.

    Attributes:
        probed: somebody tries again and again: it counts as down until a question is answered.
    """

    def __init__(self) -> None:
        self._failed_at = -inf
        self.probed = False

    def failed(self, now: float) -> None:
        """Something was asked and not answered in time."""
        self._failed_at = now

    def worked(self) -> None:
        """Something was answered."""
        self._failed_at = -inf

    def is_down(self, now: float) -> bool:
        """Whether the last question had no answer, and asking again now would most likely be in vain."""
        return now - self._failed_at < DOWN_SECONDS or (self.probed and self._failed_at > -inf)
