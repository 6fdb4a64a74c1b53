"""Folders and entries that are kept, and their bounds. What they mean is for the cache."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import inf

from gimmal.protocol.messages import Attributes, Entry, Kind, Version
from gimmal.remote.tree.numbers import Numbers
from gimmal.remote.tree.records import Folder, Known, cost, joined, split

ABSENT_MAX = 1024
"""Names that are remembered to be absent, of one folder."""

FOLDER_COST = 600
"""Bytes that a folder takes beside its entries and its path, about; it counts as an entry."""


class Store:
    """What is kept, by paths.

    Args:
        entries_max: entries to keep.
        bytes_max: bytes to keep, about.
        let_go: told of a folder whose listing is forgotten, before it is.
        cut_off: told of a path at which there is another entry than was known, or none.
    """

    def __init__(
        self,
        entries_max: int,
        bytes_max: int,
        let_go: Callable[[Folder], None],
        cut_off: Callable[[str], None],
    ) -> None:
        self.entries_max = entries_max
        self._bytes_max = bytes_max
        self._let_go = let_go
        self._cut_off = cut_off
        self.folders: OrderedDict[str, Folder] = OrderedDict()
        self.numbers = Numbers()
        self.entries = 0
        self.bytes = 0

    def folder(self, path: str) -> Folder:
        """The record of a folder, made where missing, with those above it."""
        folder = self.folders.get(path)
        if folder is None:
            folder = self.folders[path] = Folder()
            self._count(1, FOLDER_COST + len(path))
            if path:
                above, name = split(path)
                self.folder(above).inner.add(name)
        return folder

    def set(self, path: str, folder: Folder, name: str, attributes: Attributes | None, mapped: bool, at: float) -> None:
        """An entry is so, or, without attributes, is not there."""
        known = folder.entries.get(name)
        another = attributes is None or (known is not None and not is_same(known.attributes, attributes))
        if another and known is not None:
            self.drop(path, folder, name)
            known = None
        if another or (attributes is not None and attributes.kind is not Kind.DIRECTORY):
            self.take_below(joined(path, name))
        if attributes is None:
            if not folder.listed:
                folder.absent[name] = at
                if len(folder.absent) > ABSENT_MAX:
                    del folder.absent[next(iter(folder.absent))]
            return
        folder.absent.pop(name, None)
        if known is None:
            number = self.numbers.new(joined(path, name), attributes)
            known = folder.entries[name] = Known(attributes, mapped, at, number)
            self._count(1, cost(name, known))
        else:
            self.bytes += len(attributes.target) - len(known.attributes.target)
            known.attributes, known.mapped, known.at, known.sure = attributes, mapped, at, True

    def succeed(self, folder: Folder, name: str, attributes: Attributes) -> None:
        """Another version of a file takes its place: it is the same entry, with the same number."""
        known = folder.entries.get(name)
        if known is not None and known.attributes.kind is attributes.kind is Kind.FILE:
            known.attributes = attributes

    def remember(self, path: str, entries: Sequence[Entry], *, whole: bool) -> None:
        """A folder was told so by another process, at some time: for when nothing newer can be had.

        ``whole``: these were all entries that it had.
        """
        folder = self.folder(path)
        if folder.listed_at > -inf:
            return
        for entry in entries:
            if entry.name not in folder.entries:
                self.set(path, folder, entry.name, entry.attributes, entry.mapped, -inf)
        folder.listed_at, folder.whole = 0.0, whole

    def drop(self, path: str, folder: Folder, name: str) -> None:
        """An entry is known no more."""
        known = folder.entries.pop(name)
        self._count(-1, -cost(name, known))
        self.numbers.vanished(known.number, joined(path, name), known.attributes)

    def note_version(self, path: str, attributes: Attributes, at: float) -> None:
        """A folder was seen to have this time."""
        folder = self.folders.get(path)
        if folder is None:
            return
        version = Version(attributes.identity, 0, attributes.mtime_ns)
        if folder.version != version:
            folder.version, folder.version_since = version, at

    def take_below(self, path: str) -> list[tuple[str, Folder]]:
        """Take the record of a folder, and all below it, out."""
        self._cut_off(path)
        taken: list[tuple[str, Folder]] = []
        waiting = [path]
        while waiting:
            inner = waiting.pop()
            folder = self.folders.get(inner)
            if folder is None:
                continue
            waiting += [joined(inner, name) for name in folder.inner]
            self._let_go(folder)
            for name, known in folder.entries.items():
                self._count(-1, -cost(name, known))
                self.numbers.vanished(known.number, joined(inner, name), known.attributes)
            self._remove(inner)
            taken.append((inner, folder))
        return taken

    def put_back(self, path: str, folder: Folder) -> None:
        """Put a record in, perhaps under another path."""
        self.folder(path)
        folder.inner = self.folders[path].inner
        self.folders[path] = folder
        for name, known in folder.entries.items():
            self._count(1, cost(name, known))
            self.numbers.back(known.number, joined(path, name), known.attributes)

    def shrink(self) -> None:
        """Forget the folders unused longest, but for entries that somebody holds and those that lead to others.

        The one in use goes last, and only where it is too much by itself.
        """
        if not self._is_above(1.0):
            return
        *old, in_use = self.folders
        for path in old:
            if not self._is_above(0.9):
                return
            self._forget(path)
        if self._is_above(1.0):
            self._forget(in_use)

    def _is_above(self, part: float) -> bool:
        return self.entries > self.entries_max * part or self.bytes > self._bytes_max * part

    def _forget(self, path: str) -> None:
        folder = self.folders[path]
        self._let_go(folder)
        folder.listed, folder.listed_at, folder.whole = False, -inf, False
        folder.absent.clear()
        for name in list(folder.entries):
            if name not in folder.inner and not self.numbers.is_held(folder.entries[name].number):
                self.drop(path, folder, name)
        if not folder.entries and not folder.inner:
            self._remove(path)

    def _remove(self, path: str) -> None:
        del self.folders[path]
        self._count(-1, -FOLDER_COST - len(path))
        above, name = split(path)
        if path and (outer := self.folders.get(above)) is not None:
            outer.inner.discard(name)

    def _count(self, entries: int, size: int) -> None:
        self.entries += entries
        self.bytes += size


def is_same(before: Attributes, after: Attributes) -> bool:
    """Whether two states may be of one and the same entry."""
    return before.identity == after.identity and before.kind is after.kind
