"""When a question that was not answered is put again. No I/O: clock and randomness are arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How a protocol spaces its questions.

    Attributes:
        first: seconds after the first question.
        most: seconds between two at most; each wait is twice the one before.
        spread: part by which each wait is drawn longer or shorter.
        tries: questions at most, 0 for any number.
    """

    first: float
    most: float
    spread: float
    tries: int


NAT_PMP = RetryRule(first=0.25, most=64.0, spread=0.0, tries=9)
"""RFC 6886, section 3.1."""

PCP = RetryRule(first=3.0, most=1024.0, spread=0.1, tries=0)
"""RFC 6887, section 8.1.1."""


class Retries:
    """One question.

    Args:
        rule: of the protocol.
        until: second of the clock at which it is given up.
        draw: a random number from 0 to 1.
    """

    def __init__(self, rule: RetryRule, until: float, draw: Callable[[], float]) -> None:
        self._rule = rule
        self._until = until
        self._draw = draw
        self._sent = 0
        self._wait = 0.0
        self._due = float("-inf")

    def is_due(self, now: float) -> bool:
        """Whether the question is put now; the caller does so, and calls ``put``."""
        return now >= self._due and not self.is_over(now)

    def put(self, now: float) -> None:
        """The question was put."""
        rule = self._rule
        self._sent += 1
        self._wait = min(2 * self._wait, rule.most) if self._wait else rule.first
        self._wait *= 1 + rule.spread * (2 * self._draw() - 1)
        self._due = now + self._wait

    def is_over(self, now: float) -> bool:
        """Whether no answer is waited for any more."""
        return now >= self._until or (bool(self._rule.tries) and self._sent >= self._rule.tries and now >= self._due)

    def rest(self, now: float) -> float:
        """Seconds to wait for an answer before looking again."""
        return max(0.0, min(self._due, self._until) - now)
