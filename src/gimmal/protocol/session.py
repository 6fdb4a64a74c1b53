"""The bookkeeping of one session, on the asking and on the answering side (docs/spec/protocol.md, section 4).

Both sides of a session ask and answer; the side that opened it numbers its requests 1, 3, 5 …, the other
2, 4, 6 …. These two machines hold what makes a repeated request harmless: the asker repeats a request that
changes something under its old number until it is settled, the answerer remembers the answer until the asker's
settled mark has passed it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from gimmal.base.errors import InternalError, Interrupted, ProtocolViolation
from gimmal.protocol.limits import REMEMBERED_BYTES_MAX, REMEMBERED_MAX, REQUESTS_MAX

NUMBER_MAX = (1 << 32) - 1

ANSWER_OVERHEAD = 128
"""Bytes that a remembered answer takes beside its own."""


def _any_size(_more: int) -> bool:
    return True


class Asking:
    """Request numbers of this side.

    Args:
        opener: whether this side opened the session.
    """

    def __init__(self, *, opener: bool) -> None:
        self._next = 1 if opener else 2
        self._unsettled: set[int] = set()
        self._mark = self._next

    @property
    def unsettled(self) -> int:
        """How many requests wait for their answer."""
        return len(self._unsettled)

    @property
    def exhausted(self) -> bool:
        """Whether the session has no more numbers and another must be opened."""
        return self._next > NUMBER_MAX

    @property
    def full(self) -> bool:
        """Whether a new request has to wait until others are settled."""
        return len(self._unsettled) >= REQUESTS_MAX or self._next - self._mark >= 2 * REMEMBERED_MAX

    def begin(self) -> int:
        """A number for a new request; it is unsettled until ``settle``.

        Raises:
            InternalError: the caller did not look whether this side is ``full``.
            Interrupted: all numbers are used up.
        """
        if self.full:
            raise InternalError("a request was begun where it had to wait")
        if self.exhausted:
            raise Interrupted("the session has no more request numbers", "run the command again")
        number = self._next
        self._next += 2
        self._unsettled.add(number)
        return number

    def settle(self, number: int) -> None:
        """The answer of ``number`` has come, or nobody wants it any more."""
        self._unsettled.discard(number)
        if number == self._mark:
            self._mark = min(self._unsettled, default=self._next)

    @property
    def mark(self) -> int:
        """The settled mark: every request number of ours below it is settled."""
        return self._mark


class Arrival(Enum):
    """What to do with a request that came in."""

    NEW = "do it"
    RUNNING = "it is being done; its answer goes to the link it came on last"
    ANSWERED = "send the remembered answer"
    SETTLED = "the asker has its answer; drop it"


class Answering:
    """Requests of the other side that are running, and the answers it may still ask for again.

    Args:
        opener: whether *this* side opened the session (the other side's numbers have the other parity).
        remember: told by how many bytes more (or less, if negative) answers are remembered, overheads included;
            False where that is too much.
    """

    def __init__(self, *, opener: bool, remember: Callable[[int], bool] = _any_size) -> None:
        self._remember = remember
        self._parity = 0 if opener else 1
        self._running: dict[int, bool] = {}
        self._answers: dict[int, bytes] = {}
        self._bytes = 0
        self._mark = 0

    def is_theirs(self, number: int) -> bool:
        """Whether ``number`` can be a request of the other side."""
        return number > 0 and number % 2 == self._parity

    def arrive(self, number: int, mark: int, *, changing: bool) -> Arrival:
        """A request came in.

        Args:
            number: its stream field.
            mark: its offset field, the asker's settled mark.
            changing: whether it is one of ``messages.CHANGING``.

        Raises:
            ProtocolViolation: the number is not theirs, the mark is above it, or more requests are unsettled than
                allowed.
        """
        if not self.is_theirs(number) or mark > number:
            raise ProtocolViolation("the other side used a request number that is not its own")
        if mark > self._mark:
            self._forget_below(mark)
        if number < self._mark:
            return Arrival.SETTLED
        if number in self._answers:
            return Arrival.ANSWERED
        if number in self._running:
            return Arrival.RUNNING
        if len(self._running) >= 2 * REQUESTS_MAX or number - self._mark > 2 * REMEMBERED_MAX:
            raise ProtocolViolation("the other side asks more at once than is allowed")
        self._running[number] = changing
        return Arrival.NEW

    def answered(self, number: int, answer: bytes) -> None:
        """The request was done; ``answer`` is kept if it changed something, else the number is forgotten.

        Raises:
            ProtocolViolation: the other side leaves more answers unsettled than are remembered.
        """
        changing = self._running.pop(number, False)
        if changing and number >= self._mark:
            self._answers[number] = answer
            self._bytes += len(answer)
            if not self._remember(len(answer) + ANSWER_OVERHEAD) or self._bytes > REMEMBERED_BYTES_MAX:
                raise ProtocolViolation("the other side leaves too many answers unsettled")

    def answer_of(self, number: int) -> bytes:
        """The remembered answer of a request that arrived as ``ANSWERED``."""
        return self._answers[number]

    def drop(self, number: int) -> None:
        """A running request was cancelled or lost before it did anything; a repeat is new."""
        self._running.pop(number, None)

    @property
    def remembered(self) -> int:
        """How many requests are running or remembered."""
        return len(self._running) + len(self._answers)

    def _forget_below(self, mark: int) -> None:
        self._mark = mark
        for number in [number for number in self._answers if number < mark]:
            size = len(self._answers.pop(number))
            self._bytes -= size
            self._remember(-size - ANSWER_OVERHEAD)
