"""A point at which a copy of a tree is hit, and what came of it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field

KINDS = ("command", "agent", "cut", "relay", "full")
"""What is hit: the command, the other side's agent, the connections, the relay, the room on the target's disk."""

NO_END = -1
"""In place of the exit code of a command that did not end in time, and was killed for it."""


@dataclass(frozen=True)
class Shot:
    """One point.

    Attributes:
        kind: what happens, of KINDS.
        direction: of the copy.
        at: part of the copy's bytes after which it happens.
        delay: seconds from there.
        goes_on: the command waits for the other side, and is not run again before it ended by itself.
        away: seconds until what was killed or cut is there again, where the command goes on.
    """

    kind: str
    direction: str
    at: float
    delay: float
    goes_on: bool
    away: float


@dataclass
class Outcome:
    """What came of one point.

    Attributes:
        kind, direction, at: of the shot.
        first: exit code of the command that was hit; -9 where it was killed, NO_END where it did not end.
        looked: contents under final names that were compared, while and after it ran.
        incomplete: final names with other contents than the source's, ever.
        wrong: names that differ after one more run.
        missing: bytes of contents that the run after it had to send.
        again: bytes on the wire towards the target in that run.
        beyond: bytes that the command which went on by itself passed on the wire beyond those of one that is not hit.
        part_files: that were left behind in the end.
        remarks: what else was not as it should be.
    """

    kind: str
    direction: str
    at: float
    first: int
    looked: int = 0
    incomplete: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    missing: int = 0
    again: int = 0
    beyond: int = 0
    part_files: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Nothing was wrong."""
        return not (self.incomplete or self.wrong or self.remarks)


def draw(chance: random.Random, kind: str, direction: str) -> Shot:
    """A random point."""
    return Shot(
        kind, direction, chance.random(), chance.uniform(0, 0.02), chance.random() < 0.5, chance.uniform(0, 0.5)
    )


def as_line(outcome: Outcome) -> str:
    """One line of JSON, for keeping."""
    return json.dumps(vars(outcome))
