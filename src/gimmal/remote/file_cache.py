"""Files of the other side that several readers read here and there: kept in memory, fetched ahead, never on a disk."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import inf
from typing import Protocol

from gimmal.base.tasks import Tasks
from gimmal.protocol.messages import Attributes, Version
from gimmal.remote.cached_file import CachedFile, Reader, Span
from gimmal.remote.files import Files, version_of
from gimmal.remote.line_pace import PIECE_MAX, LinePace
from gimmal.remote.read_ahead import AHEAD_MAX
from gimmal.remote.reading import regular_file
from gimmal.remote.stretches import Stretches

BUDGET = 64 << 20
"""Bytes of all files that are held in memory."""

FILES_MAX = 256
"""Files that nobody reads or has written over whose attributes and bytes are kept."""


class KeptBytes(Protocol):
    """Bytes of versions of files that lie on this side."""

    async def read(self, path: str, version: Version, offset: int, length: int) -> bytes | None:
        """All that is asked for, which lies in the file; None where it is not kept."""


class FileCache:
    """What all readers of the other side's files share: one budget, one line.

    Args:
        open_files: a way to the other side, the one at hand where it still lives; raises GimmalError.
        budget: bytes that may be held, at least 4 MiB.
        kept: where bytes are looked for before they are fetched.

    ``close`` ends what it fetches.
    """

    def __init__(
        self, open_files: Callable[[], Awaitable[Files]], budget: int = BUDGET, kept: KeptBytes | None = None
    ) -> None:
        self.stretches = Stretches(max(budget, 4 * PIECE_MAX))
        self.pace = LinePace()
        self.tasks = Tasks()
        self.kept = kept
        self._open_files = open_files
        self._opening = asyncio.Lock()
        self._files: OrderedDict[str, CachedFile] = OrderedDict()
        self._readers: list[Reader] = []
        self._numbers = 0
        self.closed = False
        """Nothing is fetched any more."""

    async def files(self) -> Files:
        """A way to the other side."""
        async with self._opening:
            return await self._open_files()

    async def open(self, path: str, *, anew: bool = False) -> CachedFile:
        """A file as it was when the other side was last asked.

        Args:
            path: wire path.
            anew: ask the other side now, whatever is known.

        Raises:
            RemoteError: it is no file, or the other side says no.
            UnreachableError: the other side cannot be asked.
        """
        known = self._files.get(path)
        if known is None or known.changed or anew:
            known = await self._ask(path)
        self._files.move_to_end(path)
        return known

    async def _ask(self, path: str) -> CachedFile:
        asked_at = asyncio.get_running_loop().time()
        attributes = await regular_file(await self.files(), path)
        return self._is_now(path, attributes, asked_at)

    def adopt(self, path: str, attributes: Attributes) -> CachedFile:
        """A file that somebody was told of by the other side just now: nothing is asked.

        Args:
            path: wire path.
            attributes: of the file, which is a regular one.
        """
        file = self._is_now(path, attributes, -inf)
        self._files.move_to_end(path)
        return file

    def known(self, path: str) -> CachedFile | None:
        """The version that the other side had when it was last asked; None where that is not known."""
        known = self._files.get(path)
        return known if known is not None and not known.changed else None

    def replaced(
        self, path: str, attributes: Attributes, kept: Sequence[Span], written: Iterable[tuple[int, bytes]]
    ) -> CachedFile:
        """This side has made a new version of a file: what is known of its bytes is held on.

        Args:
            path: wire path.
            attributes: of the new version, as the other side answered.
            kept: places at which it has the bytes of the version before, in order.
            written: bytes that this side wrote, and where.
        """
        known = self._files.get(path)
        self._numbers += 1
        number = self._numbers
        if known is not None:
            if not known.changed:
                self.stretches.move(known.number, number, kept)
            known.change()
        for start, content in written:
            self.stretches.put(number, start, content)
        asked_at = asyncio.get_running_loop().time()
        self._files[path] = file = CachedFile(self, number, path, attributes, asked_at)
        self._files.move_to_end(path)
        self._forget_some()
        return file

    def renamed(self, source: str, target: str) -> None:
        """This side has moved a file or folder: what is held of it, and who reads it, goes on under the new name."""
        self.removed(target)
        below = source + "/"
        for path in [path for path in self._files if path == source or path.startswith(below)]:
            file = self._files.pop(path)
            file.path = target + path[len(source) :]
            self._files[file.path] = file

    def removed(self, path: str) -> None:
        """This side has removed a file: whoever reads it is told that it changed."""
        known = self._files.pop(path, None)
        if known is not None:
            known.change()

    def _is_now(self, path: str, attributes: Attributes, asked_at: float) -> CachedFile:
        known = self._files.get(path)
        if known is not None and not known.changed and known.version == version_of(attributes):
            known.confirmed_at = max(known.confirmed_at, asked_at)
            return known
        if known is not None:
            known.change()
        self._numbers += 1
        self._files[path] = file = CachedFile(self, self._numbers, path, attributes, asked_at)
        self._forget_some()
        return file

    def _forget_some(self) -> None:
        idle = [path for path, file in self._files.items() if not (file.readers or file.editors)]
        for path in idle[: max(0, len(idle) - FILES_MAX)]:
            self.stretches.forget(self._files.pop(path).number)

    # Readers ---------------------------------------------------------------------------------------------------------

    def joined(self, reader: Reader) -> None:
        """A reader begins."""
        self._readers.append(reader)

    def reads(self, reader: Reader) -> None:
        """A reader reads now: what it wants ahead comes first."""
        self._readers.remove(reader)
        self._readers.insert(0, reader)

    def left(self, reader: Reader) -> None:
        """A reader has ended."""
        self._readers.remove(reader)
        self.pump()

    @property
    def ahead_most(self) -> int:
        """Bytes that may be read ahead of one reader: what all of them want fits in half the budget."""
        return min(AHEAD_MAX, self.stretches.budget // (2 * max(1, len(self._readers))))

    def pump(self) -> None:
        """Fetch what is wanted ahead, as far as the line has room."""
        if self.closed:
            return
        now = asyncio.get_running_loop().time()
        for reader in self._readers:
            if self.pace.room <= 0:
                return
            reader.file.fetch_ahead(reader, now)

    async def close(self) -> None:
        """Fetch nothing any more and hold nothing; whoever still waits is told so."""
        self.closed = True
        await self.tasks.close()
        for file in self._files.values():
            self.stretches.forget(file.number)
        self._files.clear()
