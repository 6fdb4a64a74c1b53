"""Entries as they will be when the journal has gone home, laid over those that the other side is known to have. No I/O.

Each belongs to the newest operation that concerns it, and goes when that one is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.tree.records import Name, split

FIRST_NUMBER = 1 << 62
"""Numbers of entries that the view does not know yet: far from those that it gives."""


@dataclass(frozen=True, slots=True)
class Laid:
    """One entry; without attributes nothing is there.

    Attributes:
        operation: the number of its newest operation.
        number: of the entry, as an inode is.
        origin: where its bytes lie at home still, where that is elsewhere; empty where it is under its own name.
    """

    attributes: Attributes | None
    operation: int
    number: int
    origin: str = ""


class LaidOver:
    """All such entries, by paths."""

    def __init__(self) -> None:
        self._entries: dict[str, Laid] = {}
        self._next = FIRST_NUMBER

    def __len__(self) -> int:
        return len(self._entries)

    def new_number(self) -> int:
        """For an entry that was not there before."""
        self._next += 1
        return self._next

    def put(self, path: str, laid: Laid) -> None:
        """An entry is so, or, without attributes, is not there."""
        self._entries[path] = laid

    def find(self, path: str) -> Laid | None:
        """What is laid over a path; None for nothing. In a folder that is made or gone here, everything is."""
        laid = self._entries.get(path)
        if laid is not None or not path:
            return laid
        above = self.find(split(path)[0])
        return Laid(None, above.operation, 0) if above is not None else None

    def done(self, operation: int) -> None:
        """An operation was done at home: what belongs to it is there."""
        for path in [path for path, laid in self._entries.items() if laid.operation == operation]:
            del self._entries[path]

    def moved_home(self, source: str, target: str) -> None:
        """The bytes that lay under one name at home lie under another one now."""
        for path, laid in list(self._entries.items()):
            if laid.origin == source:
                self._entries[path] = Laid(
                    laid.attributes, laid.operation, laid.number, "" if path == target else target
                )

    def listing(self, path: str, names: list[Name]) -> list[Name]:
        """The entries of a folder, with what is laid over them."""
        found = {name.name: name for name in names}
        for place, laid in self._entries.items():
            above, name = split(place)
            if above != path:
                continue
            if laid.attributes is None:
                found.pop(name, None)
            else:
                found[name] = Name(name, laid.attributes.kind, laid.number, False)
        return list(found.values())

    def is_new_folder(self, path: str) -> bool:
        """Whether a folder is there only here."""
        laid = self._entries.get(path)
        return laid is not None and laid.attributes is not None and laid.attributes.kind is Kind.DIRECTORY

    def is_empty(self, path: str, names: list[Name]) -> bool:
        """Whether a folder with these entries at home has none here."""
        return not self.listing(path, names)
