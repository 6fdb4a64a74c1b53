"""What the target of a copy holds, read alongside the source: never more of it in memory than two pages need.

Both trees come in one order, depth first and by the bytes of names. So what stands in the target under the names of a
page of the source is known as soon as the target was read up to the last of them, and forgotten with the next page.
Where that order cannot be trusted, all of the target is read and kept: names that had to be mapped come in the order
of what they stand for, and the other side may be mistaken (docs/decisions/0056-both-trees-alongside.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gimmal.protocol.messages import Attributes, Entry, Page
from gimmal.remote.copy_deciding import names_of
from gimmal.remote.files import ENTRIES_MAX, Files, too_many_entries
from gimmal.remote.pages_ahead import PagesAhead


class Alongside:
    """The entries of one target folder. Close it at the end.

    Args:
        target: the tree.
        path: of the folder, which is there.
        xattrs: folders come with their extended attributes.
        found: told each entry.
        whole: read all of it before anything else, and forget nothing.
    """

    def __init__(
        self, target: Files, path: str, *, xattrs: bool, found: Callable[[Entry], None], whole: bool = False
    ) -> None:
        self.there: dict[str, Attributes] = {}
        """By every name that the source may use."""
        self.done = False
        """All of the target was read."""
        self._target = target
        self._path = path
        self._found = found
        self._whole = whole
        self._pages = PagesAhead(target.tree(path, xattrs=xattrs))
        self._window: deque[tuple[str, list[str]]] = deque()
        self._read_to = ""
        self._passed = ""

    async def reach(self, page: Page) -> dict[str, Attributes]:
        """What stands under the names of the next page of the source.

        Raises:
            RemoteError: the target cannot be read, or too much of it would have to be kept.
        """
        if any(entry.mapped for entry in page.entries):
            self._whole = True
        if page.entries:
            self._forget()
            self._passed = _order(page.entries[-1].name)
        while not self.done and (self._whole or self._read_to < self._passed):
            await self._read()
        return self.there

    async def close(self) -> None:
        """Read no more."""
        await self._pages.close()

    async def _read(self) -> None:
        page = await anext(self._pages, None)
        if page is None:
            self.done = True
            return
        for entry in page.entries:
            order = _order(entry.name)
            if entry.mapped or order <= self._read_to:
                self._whole = True
            self._read_to = order
            names = names_of(entry)
            for name in names:
                self.there[name] = entry.attributes
            self._window.append((order, names))
            self._found(entry)
        if len(self.there) > ENTRIES_MAX:
            raise too_many_entries(self._target.shown(self._path))

    def _forget(self) -> None:
        while not self._whole and self._window and self._window[0][0] <= self._passed:
            for name in self._window.popleft()[1]:
                self.there.pop(name, None)


def _order(name: str) -> str:
    """What names of a tree are in order of: a folder's contents come right behind it."""
    return name.replace("/", "\0")
