"""What was changed at home and is perhaps not on the disk there: whoever syncs it has it made durable first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from gimmal.base.errors import GimmalError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import REMOVE_MANY_MAX
from gimmal.remote.edits.common import Common
from gimmal.remote.edits.operations import MakeFolder, Move, Operation, Remove, SetTimes
from gimmal.remote.files import Files, shown
from gimmal.remote.tree.records import split

NOTED_MAX = 65_536
"""Paths that are noted; what comes beyond makes every path count as one of them."""

OLD_SECONDS = 10.0
"""After so long what was changed and nobody synced is made durable: a line that falls later harms no sync."""

_ENOUGH = (0, Code.NOT_FOUND, Code.NOT_A_DIRECTORY)
"""What was removed since need not last."""

Marks = dict[str, int]
"""Paths, and their last change when somebody began to make them durable."""


class NotDurable:
    """Folders in which names were changed, and files that were made or got other attributes, by this process.

    Args:
        common: shared by all open files.
    """

    def __init__(self, common: Common) -> None:
        self._common = common
        self._noted: Marks = {}
        self._changes = 0
        self._too_many = False
        self._aging: asyncio.Task[None] | None = None

    def note(self, *paths: str) -> None:
        """They are changed: say it before the question, and after its answer."""
        for path in paths:
            self._changes += 1
            self._noted.pop(path, None)
            if len(self._noted) < NOTED_MAX:
                self._noted[path] = self._changes
            else:
                self._too_many = True
        if self._aging is None or self._aging.done():
            self._aging = self._common.start(self._make_old_durable(), "make durable what was changed")

    def renamed(self, source: str, target: str) -> None:
        """A file or folder has another name."""
        below = source + "/"
        for path in [path for path in self._noted if path == source or path.startswith(below)]:
            self._noted[target + path[len(source) :]] = self._noted.pop(path)

    def marks(self, path: str) -> Marks:
        """What a save of a file makes durable, its name too, and that does not count any more when it is ``done``."""
        return {one: self._noted[one] for one in (path, split(path)[0]) if one in self._noted}

    def done(self, marks: Marks) -> None:
        """All of that is durable, but for what was changed since."""
        for path, change in marks.items():
            if self._noted.get(path) == change:
                del self._noted[path]

    async def make_file_durable(self, path: str) -> None:
        """Return when a file, by its name, would survive a power cut at home.

        Raises:
            RemoteError: the other side cannot make it so.
            UnreachableError: it cannot be asked.
        """
        if path in self._noted or self._too_many:
            await self._make_durable([path, split(path)[0]])

    async def make_names_durable(self, folder: str) -> None:
        """Return when the names in a folder would survive a power cut at home; raises as ``make_file_durable``."""
        if folder in self._noted or self._too_many:
            await self._make_durable([folder])

    async def _make_durable(self, paths: list[str]) -> None:
        marks = {path: self._noted[path] for path in paths if path in self._noted}
        files = await self._common.files()
        _check(zip(paths, await self._common.call(files.make_durable(paths)), strict=True))
        self.done(marks)

    async def _make_old_durable(self) -> None:
        """Until nothing is left that can be: what the other side refuses is asked for again after the next change."""
        done = True
        while self._noted and done:
            await asyncio.sleep(OLD_SECONDS)
            if self._common.is_down():
                continue
            marks = dict(list(self._noted.items())[:REMOVE_MANY_MAX])
            with contextlib.suppress(GimmalError):
                codes = await (await self._common.files()).make_durable(list(marks))
                lasting = {path: marks[path] for path, code in zip(marks, codes, strict=True) if code in _ENOUGH}
                self.done(lasting)
                done = bool(lasting)


async def make_operation_durable(files: Files, operation: Operation, path: str) -> None:
    """Return when what an operation of the journal did at home would survive a power cut there; saves do so already.

    Args:
        files: the other side.
        operation: that was done.
        path: what it concerned, where that is now.

    Raises:
        GimmalError: it is not durable; the operation may be done again.
    """
    if isinstance(operation, Move):
        await _ask(files, sorted({split(operation.path)[0], *folders_above(path)}))
    elif isinstance(operation, MakeFolder):
        await _ask(files, folders_above(path))
    elif isinstance(operation, Remove):
        await _ask(files, [split(path)[0]])
    elif isinstance(operation, SetTimes):
        await _ask(files, [path])


async def make_folders_durable(files: Files, folder: str) -> None:
    """Return when a folder and those on the way to it, perhaps just made, would survive a power cut at home.

    Raises:
        GimmalError: they are not durable.
    """
    await _ask(files, folders_above(folder))


def folders_above(path: str) -> list[str]:
    """All folders on the way to a path, its share first: some may have been made for it."""
    names = path.split("/")
    return ["/".join(names[:count]) for count in range(1, len(names))]


async def _ask(files: Files, paths: list[str]) -> None:
    _check(zip(paths, await files.make_durable(paths), strict=True))


def _check(codes: Iterable[tuple[str, int]]) -> None:
    for path, code in codes:
        if code not in _ENOUGH:
            raise error_of_code(code, shown(path))
