"""Both trees of a sync as the copier shall see them: without what filters leave out, and remembered on the way.

What is left out is not there for the copier on either side, so it is neither copied nor replaced nor deleted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from gimmal.protocol.limits import CALL_SECONDS
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    BundleFile,
    Commit,
    Copy,
    Entry,
    Kind,
    MakeLinks,
    Page,
    Request,
    WriteBundle,
)
from gimmal.remote.copy_deciding import names_of
from gimmal.remote.files import ENTRIES_MAX, Files, too_many_entries
from gimmal.remote.files_around import FilesAround
from gimmal.remote.filtered_names import left_out
from gimmal.remote.filters import Filters


@dataclass(frozen=True, slots=True)
class Withheld:
    """An entry of the source that the copier was not shown, for something of another kind has its name."""

    name: str
    attributes: Attributes


class TargetView(FilesAround):
    """The tree that is written to.

    Args:
        inner: the tree.
        root: the folder that is synced into.
        filters: what is left out.
        keep: what is replaced goes to the trash.
    """

    def __init__(self, inner: Files, root: str, filters: Filters, *, keep: bool) -> None:
        super().__init__(inner)
        self._root = root
        self._filters = filters
        self._keep = keep
        self.there: dict[str, Entry] = {}
        """What it holds, folders before what is in them."""
        self.kinds: dict[str, Kind] = {}
        """Kinds by every name that the source may use for an entry."""
        self._own: dict[str, str] = {}
        self.protected: set[str] = set()
        """Left out, or not to be looked into: stays, and so do the folders above."""

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        """See Files; the first look at the root is remembered."""
        first = path == self._root and not self.there
        above = "" if path == self._root else path[len(self._root) + 1 :] + "/"
        async for page in self.inner.tree(path, xattrs=xattrs):
            entries: list[Entry] = []
            for entry in page.entries:
                name = above + entry.name
                if left_out(self._filters, name, folder=entry.attributes.kind is Kind.DIRECTORY):
                    self.protected.add(name)
                    continue
                entries.append(entry)
                if first:
                    self.there[name] = entry
                    for each in names_of(entry):
                        self.kinds[each] = entry.attributes.kind
                        if each != entry.name:
                            self._own[each] = entry.name
            self.protected.update(above + name for name, _code in page.failures)
            if len(self.there) + len(self.protected) > ENTRIES_MAX:
                raise too_many_entries(self.shown(path))
            yield Page(entries, page.cursor, page.failures)

    def own_name(self, name: str) -> str:
        """The name in ``there`` of what the source may call ``name``."""
        return name if name in self.there else self._own.get(name, name)

    async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
        """See Files."""
        if self._keep and isinstance(request, Commit | Copy | MakeLinks):
            request = msgspec.structs.replace(request, keep=True)
        return await self.inner.ask(request, deadline)

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        """See Files."""
        if self._keep:
            request = msgspec.structs.replace(request, keep=True)
        return await self.inner.write_bundle(request, files, contents)


class SourceView(FilesAround):
    """The tree that is read.

    Args:
        inner: the tree.
        root: the folder that is synced.
        filters: what is left out.
        target: what the copier sees of the other tree, which it lists first.
    """

    def __init__(self, inner: Files, root: str, filters: Filters, target: TargetView) -> None:
        super().__init__(inner)
        self._root = root
        self._filters = filters
        self._target = target
        self.seen: dict[str, Attributes] = {}
        """What it holds, without what is left out."""
        self.withheld: list[Withheld] = []
        self.complete = False
        """It was listed to its end, and nothing in it failed to be."""
        self._withheld_folders: set[str] = set()

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        """See Files; the look at the root is remembered."""
        first = path == self._root
        above = "" if first else path[len(self._root) + 1 :] + "/"
        whole = True
        async for page in self.inner.tree(path, xattrs=xattrs):
            entries: list[Entry] = []
            for entry in page.entries:
                name = above + entry.name
                if left_out(self._filters, name, folder=entry.attributes.kind is Kind.DIRECTORY):
                    continue
                if first:
                    self.seen[name] = entry.attributes
                    if self._withhold(name, entry.attributes):
                        continue
                entries.append(entry)
            failures = [
                (name, code) for name, code in page.failures if not left_out(self._filters, above + name, folder=True)
            ]
            whole = whole and not failures
            if len(self.seen) > ENTRIES_MAX:
                raise too_many_entries(self.shown(path))
            yield Page(entries, page.cursor, failures)
        if first:
            self.complete = whole

    def _withhold(self, name: str, attributes: Attributes) -> bool:
        above = name.rpartition("/")[0]
        if above and above in self._withheld_folders:
            conflict = True
        else:
            there = self._target.kinds.get(name)
            conflict = there is not None and _differ(attributes.kind, there)
        if conflict:
            self.withheld.append(Withheld(name, attributes))
            if attributes.kind is Kind.DIRECTORY:
                self._withheld_folders.add(name)
        return conflict


def _differ(source: Kind, there: Kind) -> bool:
    """Whether what is there must go before an entry of the source can take its name."""
    if source is Kind.OTHER or source is there:
        return False
    return not (source is Kind.LINK and there is Kind.FILE)
