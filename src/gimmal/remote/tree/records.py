"""What is kept of the other side's tree, and what may be asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import inf

from gimmal.protocol.messages import Attributes, Kind, Version

ENTRY_COST = 320
"""Bytes that an entry takes in memory beside its name and the target of a link, about."""


@dataclass(slots=True)
class Known:
    """One entry as it was told.

    Attributes:
        at: when it was asked for, or told; on the clock of the view.
        number: of the entry for as long as it is known: it stays over renames, as an inode does.
        sure: False where it has to be asked again before anyone is told.
    """

    attributes: Attributes
    mapped: bool
    at: float
    number: int
    sure: bool = True

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.attributes.kind is Kind.DIRECTORY


@dataclass(slots=True)
class Folder:
    """What is known of the entries of one folder.

    Attributes:
        listed: whether ``entries`` are all there are.
        at: when it was listed, or last found to be as it was listed.
        listed_at: when it was listed; -inf where it never was.
        whole: ``entries`` were all there were when it was listed, here or by another process.
        watch: of the stream of notices; 0 for none.
        watched_at: when it was asked for: what was told before that is not covered.
        absent: names that were asked for and are not there, and when; only where it is not listed.
        doubtful: names that have to be asked for before anyone is told of them.
        asked: entries that were asked for one by one since it was last listed.
        unlistable: it cannot be listed, or is too large to be kept.
        version, version_since: of the folder itself, and when this one was first seen.
        inner: names of the folders in it of which something is kept.
    """

    entries: dict[str, Known] = field(default_factory=dict)
    listed: bool = False
    at: float = 0.0
    listed_at: float = -inf
    whole: bool = False
    watch: int = 0
    watched_at: float = 0.0
    absent: dict[str, float] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    asked: int = 0
    unlistable: bool = False
    version: Version | None = None
    version_since: float = 0.0
    inner: set[str] = field(default_factory=set)


class Question(Enum):
    """What has to be asked before something can be told."""

    STAT = "attributes of one path"
    LIST = "the entries of a folder"


@dataclass(frozen=True, slots=True)
class Ask:
    """Not known, or not surely: ask this, tell the cache, and look again."""

    question: Question
    path: str


@dataclass(frozen=True, slots=True)
class Absent:
    """It is not there."""


@dataclass(frozen=True, slots=True)
class Name:
    """One entry of a listing: attributes are asked for by themselves, for they age faster."""

    name: str
    kind: Kind
    number: int
    mapped: bool


@dataclass(slots=True)
class Later:
    """A change that was told while something was asked: it may be newer than the answer.

    Attributes:
        folder, name: of the entry.
        at: when it was so, at the earliest.
        own: this side made it.
        doubt: what the entry is now has to be asked; with ``time`` only that: it is there.
    """

    folder: str
    name: str
    at: float
    attributes: Attributes | None = None
    mapped: bool = False
    own: bool = False
    doubt: bool = False
    time: bool = False


LATER_MAX = 4096
"""Such changes that are kept for one question; where there are more, its answer counts for nothing."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A question that was asked: hand it back with the answer."""

    ask: Ask
    at: float
    stream: int
    later: list[Later] = field(default_factory=list)
    void: bool = False
    """The answer says nothing that may be kept."""
    crossed: bool = False
    """Something else of the folder was answered meanwhile."""
    void_folder: bool = False
    """Of a LIST: what it says of the folder itself does not count."""
    unwatched: bool = False
    """All watches were over since: the one that it brings, too."""
    same: bool = False
    """A change that gives an entry another version: what takes its place has its number."""

    def note(self, later: Later) -> None:
        """Something changed meanwhile."""
        if len(self.later) >= LATER_MAX:
            self.void = True
        else:
            self.later.append(later)


def split(path: str) -> tuple[str, str]:
    """The folder and the name of a path."""
    folder, _slash, name = path.rpartition("/")
    return folder, name


def joined(folder: str, name: str) -> str:
    """The path of an entry."""
    return f"{folder}/{name}" if folder else name


def cost(name: str, known: Known) -> int:
    """Bytes that an entry takes, about."""
    return ENTRY_COST + len(name) + len(known.attributes.target)
