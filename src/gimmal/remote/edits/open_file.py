"""One handle of an open file: what a program has after opening, until it closes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gimmal.base.errors import GimmalError
from gimmal.base.primitives import Buffer
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes
from gimmal.remote.cached_file import CachedFile, Reader
from gimmal.remote.edits.edited_file import EditedFile
from gimmal.remote.files import shown


class OpenFile:
    """One of several handles of a file, which share what is written; `EditedTree.open` makes it. No locks between them.

    Every call ends within 10 s, but for `sync` and `close`, and writes beyond what may be held here, while bytes move;
    it then raises DeadlinePassed, and may be called again.
    """

    def __init__(
        self,
        edited: EditedFile,
        save: Callable[[EditedFile], Awaitable[None]],
        sync: Callable[[EditedFile], Awaitable[None]],
        make_room: Callable[[], Awaitable[None]],
        leave: Callable[[EditedFile], None],
        *,
        read: bool,
        write: bool,
    ) -> None:
        self._edited = edited
        self._save = save
        self._sync = sync
        self._make_room = make_room
        self._leave = leave
        self._reads = read
        self._writes = write
        self._reader: Reader | None = None
        self._closed = False
        edited.handles += 1

    @property
    def attributes(self) -> Attributes:
        """With size and time as written."""
        return self._edited.attributes

    @property
    def path(self) -> str:
        """Where it is now: renames by this process, and conflicts, are followed."""
        return self._edited.path

    @property
    def removed(self) -> bool:
        """Whether this process has removed it, or put another file in its place: nothing will be saved."""
        return self._edited.removed

    async def read(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset`` on, fewer than ``length`` only where the file ends.

        Raises:
            RemoteError: ``changed`` where bytes are wanted that the other side has replaced since they were written
                over here; what it says otherwise.
            UnreachableError: the line is down, and they are not held here.
        """
        self._require(self._reads)
        return await self._edited.read(self._reader_of, offset, length)

    async def write(self, offset: int, data: Buffer) -> int:
        """Put bytes at a place; returns how many, which is all.

        Raises:
            RemoteError: ``too_large``.
            UnreachableError: the line is down, and no more may be held here.
        """
        self._require(self._writes)
        await self._make_room()
        return await self._edited.write(offset, data)

    async def truncate(self, size: int) -> None:
        """Cut it off, or let it grow by zeros. Raises as ``write``."""
        self._require(self._writes)
        await self._edited.truncate(size)

    async def sync(self) -> None:
        """Return when all that was written is durable at home, or, with the line down, in the journal; so is its name.

        Where the other side has changed the file since it was opened, what was written is then in a file beside it,
        and in the list of conflicts: that is no error.

        Raises:
            RemoteError: the other side refuses it, for instance ``no_space`` or ``not_granted``.
            UnreachableError: the line is down, and there is no journal, or more was written than it takes.
            LocalError: the journal cannot be written.
        """
        self._require(True)
        await self._sync(self._edited)

    async def close(self) -> None:
        """As ``sync`` where something was written; then the handle is gone, also where that failed."""
        if self._closed:
            return
        self._closed = True
        if self._reader is not None:
            self._reader.close()
        try:
            if self._writes:
                await self._save(self._edited)
        finally:
            self._edited.handles -= 1
            self._leave(self._edited)

    def _reader_of(self, file: CachedFile) -> Reader:
        if self._reader is None or self._reader.file is not file:
            if self._reader is not None:
                self._reader.close()
            self._reader = file.reader()
        return self._reader

    def _require(self, granted: bool) -> None:
        if self._closed or not granted:
            raise _not_open(self._edited.path)


def _not_open(path: str) -> GimmalError:
    return error_of_code(Code.INVALID, shown(path))
