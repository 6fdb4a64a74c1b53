"""A file that is open here: what is written stays in memory, or goes ahead into a patch, until it is saved.

All handles of one process share one of these. Saving gives the other side the whole new version in one step; from then
on that is the version that is written over. The programs on the other side see the old one or the new, never a mix.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from msgspec.structs import replace

from gimmal.base.errors import DeadlinePassed, GimmalError, Interrupted, RemoteError, UnreachableError
from gimmal.base.primitives import Buffer
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import FILE_SIZE_MAX
from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.cached_file import CachedFile, Reader
from gimmal.remote.edits.common import Common
from gimmal.remote.edits.content import Content, Piece, Where
from gimmal.remote.edits.sending import Sending
from gimmal.remote.edits.spans import Span, Spans
from gimmal.remote.files import shown, version_of

READ_TRIES = 4
"""How often a read is begun anew because the file was saved, or replaced by the other side, meanwhile."""

FOLLOW_PART = 0.25
"""Of the time of a call, what a look for another version may take before a read: who waits for bytes has half of it."""

_REPLACED = frozenset(code.name.lower() for code in (Code.CHANGED, Code.NOT_FOUND, Code.UNKNOWN_PART))


class EditedFile:
    """One open file. What the other side has, and what was written here since.

    Args:
        common: shared by all files of the process.
        path: wire path.
        base: attributes of the version at home, or of what the journal holds of it.
        file: that version, to read from; None where nothing of it has to be read.
        at_home: False for a file that only the journal knows.

    Attributes:
        handles: how many have it open.
        removed: nothing is under its name any more, or another file is: what is written goes nowhere.
        last: number of the newest operation in the journal that concerns it; 0 for none.
        saves: how often it got another base version.
        broken: why what was written cannot be saved any more.
    """

    def __init__(
        self, common: Common, path: str, base: Attributes, file: CachedFile | None, *, at_home: bool = True
    ) -> None:
        self._common = common
        self.path = path
        self.base = base
        self.file = file
        self.at_home = at_home
        self.content = Content(base.size)
        self.handles = 0
        self.removed = False
        self.last = 0
        self.operations: set[int] = set()
        """Those of the journal that concern it and are not known to be done."""
        self.saves = 0
        self.broken: GimmalError | None = None
        self.lock = asyncio.Lock()
        self.dirty_since: float | None = None
        self.mtime_ns: int | None = None
        """Of the last write, or as a program set it; None where both are as at home."""
        self.mode: int | None = None
        self.sending = Sending(common, self)
        if file is not None:
            file.edited()

    @property
    def attributes(self) -> Attributes:
        """As it is here: with the size and time of what was written."""
        size, time, mode = self.content.size, self.base.mtime_ns, self.base.mode
        if self.mtime_ns is not None:
            time = self.mtime_ns
        if self.mode is not None:
            mode = self.mode
        return replace(self.base, size=size, mtime_ns=time, mode=mode)

    @property
    def is_new(self) -> bool:
        """Whether neither the other side nor the journal has it yet."""
        return not self.at_home and not self.last

    @property
    def differs(self) -> bool:
        """Whether it is another one than at home or in the journal."""
        return self.content.changed or self.mtime_ns is not None or self.mode is not None

    @property
    def base_version(self) -> Version | None:
        """The version at home that a save replaces; None where there is none yet."""
        return version_of(self.base) if self.at_home else None

    def expect(self, version: Version) -> None:
        """It is about to be written anew by who has not seen the other side's version, but this one.

        What is saved then does not replace what nobody here has seen.
        """
        self.base = replace(self.base, identity=version.identity, size=version.size, mtime_ns=version.mtime_ns)
        if self.file is not None:
            self.file.edits_over()
            self.file = None
        self.content = Content(version.size)

    # Reading ---------------------------------------------------------------------------------------------------------

    async def read(self, reader_of: Callable[[CachedFile], Reader], offset: int, length: int) -> bytes:
        """Bytes as they were written last, fewer only where the file ends.

        Args:
            reader_of: gives who reads a version, for reading ahead.
            offset, length: bytes.

        Raises:
            GimmalError: see OpenFile.read.
        """
        until = asyncio.get_running_loop().time() + self._common.call_seconds
        for tries in range(READ_TRIES):
            before = self.saves
            if not self.content.changed and offset + length > self.content.size:
                await self._follow()
            try:
                return b"".join([await self._piece(reader_of, piece, until) for piece in self._pieces(offset, length)])
            except RemoteError as error:
                if error.code not in _REPLACED or tries == READ_TRIES - 1:
                    raise
                if self.saves == before and not await self._follow(anew=True):
                    raise
        raise AssertionError

    def _pieces(self, offset: int, length: int) -> list[Piece]:
        return list(self.content.pieces(offset, length))

    async def _piece(self, reader_of: Callable[[CachedFile], Reader], piece: Piece, until: float) -> bytes:
        length = piece.end - piece.start
        if piece.where is Where.HELD:
            return piece.content
        if piece.where is Where.ZEROS:
            return bytes(length)
        seconds = max(0.01, until - asyncio.get_running_loop().time())
        if piece.where is Where.PATCH:
            return await self.sending.read(piece.start, length, seconds)
        return await self._from_base(reader_of, piece.start, length, seconds)

    async def _from_base(
        self, reader_of: Callable[[CachedFile], Reader], start: int, length: int, seconds: float
    ) -> bytes:
        file = self.file
        if file is None:
            raise error_of_code(Code.CHANGED, shown(self.path))
        if file.changed or self._common.is_down():
            held = b"".join(content for _at, content in file.parts(start, start + length))
            if len(held) == length:
                return held
        return await self._common.look(reader_of(file).read(start, length, seconds), seconds)

    async def _follow(self, *, anew: bool = False) -> bool:
        """Where nothing was written here: go on with the version that the other side has now; False: there is no other.

        With ``anew`` it said that the version is another: what is known of it counts for nothing.
        """
        if self._is_touched():
            return False
        try:
            attributes = await (self._asked() if anew else self._known())
        except UnreachableError:
            return False
        if attributes.kind is not Kind.FILE or version_of(attributes) == version_of(self.base):
            return False
        if self._is_touched():  # meanwhile
            return False
        self.content.size = attributes.size
        self.rebase(self._common.cache.adopt(self.path, attributes), attributes)
        return True

    async def _known(self) -> Attributes:
        found = await self._common.look(self._common.view.find(self.path), self._common.call_seconds * FOLLOW_PART)
        return self.base if found.stale else found.attributes

    async def _asked(self) -> Attributes:
        async with self._common.view.changing(self.path, same=True) as change:
            files = await self._common.files()
            attributes = await self._common.step(files.stat(self.path))
            change.done(attributes, in_place=True)
        return attributes

    def _is_touched(self) -> bool:
        return self.differs or self.removed or self.last > 0 or not self.at_home

    def rebase(self, file: CachedFile | None, attributes: Attributes) -> None:
        """What was saved, or is at home, is the version to go on from."""
        if file is not None:
            file.edited()
        if self.file is not None:
            self.file.edits_over()
        self.base, self.file, self.at_home = attributes, file, True
        self.content.rebased(attributes.size)
        if not self.content.changed:
            self.mtime_ns, self.mode, self.dirty_since = None, None, None
        self.saves += 1

    # Writing ---------------------------------------------------------------------------------------------------------

    async def write(self, offset: int, data: Buffer) -> int:
        """Put bytes at a place; they are in memory then.

        Raises:
            RemoteError: too_large.
            GimmalError: what was written before cannot be saved any more.
        """
        length = len(memoryview(data))
        if offset + length > FILE_SIZE_MAX:
            raise error_of_code(Code.TOO_LARGE, shown(self.path))
        async with self.locked():
            self.check()
            self.content.write(offset, data)
            if length:
                self._touched()
        return length

    async def truncate(self, size: int) -> None:
        """Give it another size; raises as ``write``."""
        if size > FILE_SIZE_MAX:
            raise error_of_code(Code.TOO_LARGE, shown(self.path))
        async with self.locked():
            self.check()
            if size != self.content.size:
                self.content.truncate(size)
                self._touched()

    def locked(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Nobody else writes or saves while the context lasts; DeadlinePassed where that takes too long."""
        return _locked(self.lock, self._common.call_seconds)

    def _touched(self) -> None:
        self.mtime_ns = self._common.clock()
        if self.dirty_since is None:
            self.dirty_since = asyncio.get_running_loop().time()

    def check(self) -> None:
        """Raise where what was written cannot be saved any more."""
        if self.broken is not None:
            raise type(self.broken)(self.broken.message, self.broken.hint)

    # Saved -----------------------------------------------------------------------------------------------------------

    def known_bytes(self) -> tuple[list[tuple[int, bytes]], bool]:
        """All bytes that can be had without the other side, and whether some are missing."""
        known: list[tuple[int, bytes]] = []
        missing = bool(self.content.forgotten)
        for piece in self.content.pieces(0, self.content.size):
            if piece.where is Where.HELD:
                known.append((piece.start, piece.content))
            elif piece.where is Where.BASE:
                held = self.file.parts(piece.start, piece.end) if self.file is not None else []
                known += held
                missing = missing or sum(len(content) for _at, content in held) < piece.end - piece.start
        return known, missing

    def saved(self, attributes: Attributes) -> None:
        """The other side has what is here, as this version."""
        self.content.kept_elsewhere()
        self._is_now(attributes)
        self._common.note_seen(self.path, version_of(attributes))

    def _is_now(self, attributes: Attributes) -> None:
        """All but what is unsent is at home, as this version: what is known of its bytes is not fetched again."""
        content = self.content
        written: list[tuple[int, bytes]] = []
        for start, end in content.written():
            at = start
            for begin, stop in content.unsent.within(start, end):
                written += content.held.within(at, begin)
                at = stop
            written += content.held.within(at, end)
        self.rebase(self._common.cache.replaced(self.path, attributes, self._unwritten(), written), attributes)

    def _unwritten(self) -> list[Span]:
        """Places that have the bytes of the base version."""
        kept = Spans()
        kept.add(0, self.content.kept)
        for start, end in self.content.written():
            kept.remove(start, end)
        return list(kept)

    # The journal -----------------------------------------------------------------------------------------------------

    async def keep_here(self) -> None:
        """All that was written is in memory, and the patch is given up; the caller holds the lock.

        Raises:
            UnreachableError: some of it is in the patch only.
        """
        if self.content.forgotten:
            raise Interrupted(
                "the line is down, and the file is too large to be kept here until it is back", "save it again then"
            )
        self.sending.give_up()

    def is_gone(self) -> None:
        """The newest operation was done, and nothing is there: the other side has removed it."""
        self.last, self.at_home = 0, False
        self.operations.clear()

    def waits_for(self, operation: int) -> None:
        """It builds on an operation of the journal from now on."""
        self.operations.add(operation)
        self.last = operation

    def kept(self, operation: int) -> None:
        """The journal has all that is here."""
        self.base = self.attributes
        self.mtime_ns, self.mode, self.dirty_since = None, None, None
        self.content.kept_elsewhere()
        self.waits_for(operation)

    def base_is_home(self, path: str, attributes: Attributes) -> None:
        """An operation was done on which another one of the journal builds."""
        file = self._common.cache.replaced(path, attributes, self._unwritten(), ())
        file.edited()
        if self.file is not None:
            self.file.edits_over()
        self.file = file
        self.saves += 1

    def all_is_home(self, attributes: Attributes) -> None:
        """The newest operation was done: only what was written since is not at home."""
        self.last = 0
        self.operations.clear()
        self._is_now(attributes)

    def close(self) -> None:
        """Nobody has it open any more, and nothing of it waits."""
        self.sending.close()
        if self.file is not None:
            self.file.edits_over()
            self.file = None


@contextlib.asynccontextmanager
async def _locked(lock: asyncio.Lock, seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as timeout:
            await lock.acquire()
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlinePassed("the file is still being saved", "`gimmal status` shows the connection") from None
    try:
        yield
    finally:
        lock.release()
