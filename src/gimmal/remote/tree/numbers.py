"""Numbers of entries, as inodes are: one for each name, for as long as it is known, also over renames."""

from __future__ import annotations

from collections import OrderedDict

from gimmal.protocol.messages import Attributes

ROOT = 1
"""Of the list of shares."""

LOST_MAX = 8192
"""Entries that are gone, or forgotten, and get their number again where they turn up."""

_Key = tuple[str, int, int, int, int]


class Numbers:
    """Which entry has which number."""

    def __init__(self) -> None:
        self._next = ROOT + 1
        self._paths: dict[int, str] = {ROOT: ""}
        self._held: dict[int, int] = {}
        self._lost: OrderedDict[_Key, int] = OrderedDict()

    def new(self, path: str, attributes: Attributes) -> int:
        """A number for an entry that was not known: that of one that was lost, where it is the very same."""
        number = self._lost.pop(_key(path, attributes), None)
        if number is None:
            number = self._next
            self._next += 1
        self._paths[number] = path
        return number

    def vanished(self, number: int, path: str, attributes: Attributes) -> None:
        """An entry is known no more."""
        if self._paths.get(number) == path:
            del self._paths[number]
        self._lost[_key(path, attributes)] = number
        if len(self._lost) > LOST_MAX:
            self._lost.popitem(last=False)

    def back(self, number: int, path: str, attributes: Attributes) -> None:
        """It is known again, elsewhere perhaps."""
        self._paths[number] = path
        if self._lost.get(key := _key(path, attributes)) == number:
            del self._lost[key]

    def path_of(self, number: int) -> str | None:
        """Where an entry is; None where it is known no more."""
        return self._paths.get(number)

    def hold(self, number: int) -> None:
        """Somebody uses this number: the entry is not forgotten to make room."""
        self._held[number] = self._held.get(number, 0) + 1

    def release(self, number: int, count: int = 1) -> None:
        """As many uses are over."""
        left = self._held.get(number, 0) - count
        if left > 0:
            self._held[number] = left
        else:
            self._held.pop(number, None)

    def is_held(self, number: int) -> bool:
        """Whether somebody uses it."""
        return number in self._held


def _key(path: str, attributes: Attributes) -> _Key:
    # Size and time too: a file system gives the number of a removed file to the next one.
    share = path.partition("/")[0]
    return share, attributes.identity, attributes.kind, attributes.size, attributes.mtime_ns
