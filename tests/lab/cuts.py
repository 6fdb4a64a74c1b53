"""Ways in which a path fails under whoever uses it, and how to count what is sent again because of that."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from tests.endtoend.world import RUN
from tests.lab.routed import Routed

KINDS = ("drop", "drop one way", "reset", "everything")
"""``drop``: packets of one path vanish; ``drop one way``: those in one direction; ``reset``: each is answered by a
reset, as by a router that was started anew; ``everything``: no path is left, and all come back."""

_PATHS = (("a", "b"), ("b", "relay"), ("a", "relay"))
_OFTEN = (2, 1, 1)

COUNTING = """
import os
from gimmal.protocol.messages import Write
from gimmal.transport.answering import AnsweringSide
from gimmal.transport.exchange import RangeSink
def tell(count):
    if count:
        with open(os.environ["AGAIN"], "a") as file:
            print(count, file=file)
resetting = RangeSink.reset
def reset_and_tell(self):
    if not self.done.cancelled():
        tell(sum(len(piece.body) for piece in self.pieces))
    resetting(self)
RangeSink.reset = reset_and_tell
arriving = AnsweringSide.on_request
def arrive_and_tell(self, link, number, mark, body):
    before = self._incoming.get(number)
    had = before._order._received if before is not None and isinstance(before.request, Write) else 0
    arriving(self, link, number, mark, body)
    if self._incoming.get(number) is not before:
        tell(had)
AnsweringSide.on_request = arrive_and_tell
"""
"""In front of a driver: adds to $AGAIN how many bytes that arrived are asked for, or sent, once more."""

COUNTING_RUN = COUNTING + RUN


@dataclass
class Again:
    """What was sent again, by the account of a process that runs COUNTING_RUN in ``environment``."""

    file: Path

    def __post_init__(self) -> None:
        self.file.touch()

    @property
    def environment(self) -> dict[str, str]:
        return {"AGAIN": str(self.file)}

    @property
    def total(self) -> int:
        return sum(int(line) for line in self.file.read_text().splitlines())


@dataclass
class Cut:
    """One failure, drawn from a seed.

    Attributes:
        kind: one of KINDS.
        ways: from where to where nothing passes.
        seconds: until everything passes again.
    """

    kind: str
    ways: list[tuple[str, str]]
    seconds: float

    @classmethod
    def draw(cls, drawn: random.Random, kind: str) -> Cut:
        ((one, other),) = drawn.choices(_PATHS, _OFTEN)
        both = [(one, other), (other, one)]
        if kind == "everything":
            return cls(kind, [way for here, there in _PATHS for way in ((here, there), (there, here))], drawn.random())
        if kind == "drop one way":
            return cls(kind, [drawn.choice(both)], drawn.uniform(0.2, 2))
        return cls(kind, both, drawn.uniform(0.2, 2))

    def make(self, network: Routed) -> None:
        """From now on."""
        for here, there in self.ways:
            network.stop_way(here, there, reset=self.kind == "reset")

    def mend(self, network: Routed) -> None:
        """Everything passes again."""
        for here, there in self.ways:
            network.let_way(here, there)
