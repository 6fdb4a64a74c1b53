"""What one process does while the other side cannot be reached: keeps it in a journal, and sends it home when it can.

As long as anything waits, what comes after it waits too: the other side gets everything in the order in which it was
done here. What a process before this one left in a journal goes home first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from msgspec.structs import replace

from gimmal.base.errors import (
    GimmalError,
    InternalError,
    LocalError,
    ProtocolViolation,
    RemoteError,
    UnreachableError,
)
from gimmal.base.paths import parse_shared_path
from gimmal.base.sealed_journal import JournalFullError
from gimmal.base.workers import Workers
from gimmal.protocol.limits import FILE_SIZE_MAX
from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.edits.common import Common
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.content import Where
from gimmal.remote.edits.edited_file import EditedFile
from gimmal.remote.edits.going_home import GoingHome, Refused
from gimmal.remote.edits.journal import JournalFile, choose_folder
from gimmal.remote.edits.laid_over import Laid, LaidOver
from gimmal.remote.edits.operations import Gone, MakeFolder, Move, Operation, Remove, Save, SetTimes, places
from gimmal.remote.files import version_of

logger = logging.getLogger("gimmal.remote")

SETTLE_SECONDS = 3.0
"""How long something waits that could be done at once, were it not for what has to go home before it."""

AGAIN_SECONDS, REFUSED_SECONDS = 1.0, 30.0
"""Between two tries to go home; and where the other side refuses something, or has no room."""

OLD_MAX = 4 << 20
"""Bytes of the version before that are kept with a save, for a conflict."""


class Keeping:
    """The journal of one process.

    Args:
        common: shared by all open files.
        folders: where journals may lie (see `journal.folders`).
        key: 32 bytes from the half.
        workers: threads for this computer's disk.
        conflicts: where conflicts are noted.
        files: those that are open, by path.
    """

    def __init__(
        self,
        common: Common,
        folders: list[Path],
        key: bytes,
        workers: Workers,
        conflicts: ConflictList | None,
        files: dict[str, EditedFile],
    ) -> None:
        self._common = common
        self._folders = folders
        self._key = key
        self._workers = workers
        self._conflicts = conflicts
        self._files = files
        self._journal: JournalFile | None = None
        self._lock = asyncio.Lock()
        self._going: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._hurry = asyncio.Event()
        self.laid = LaidOver()
        self._stuck: set[int] = set()
        self._done_when_moved = 0
        self.refused: list[Refused] = []
        """What the other side does not take; it stays in the journal."""
        self.left: Callable[[EditedFile], None] = lambda _edited: None
        """Told of a file that nobody may need any more."""

    @property
    def waits(self) -> bool:
        """Whether anything is kept that has to go home before what comes now."""
        return self._journal is not None and any(number not in self._stuck for number in self._journal.pending)

    @property
    def pending(self) -> list[Operation]:
        """What is kept and not yet at home."""
        return list(self._journal.pending.values()) if self._journal is not None else []

    async def may_send(self, *paths: str) -> bool:
        """Whether the other side can be given something now: it can be reached, and nothing has to come before.

        What is kept gets a moment to go home.

        Args:
            paths: what it concerns: behind what the other side does not do at one of them, it waits.
        """
        if self._common.is_down() or self._holds_up(paths):
            return False
        if self.waits:
            self._hurry.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await self._quiet.wait()
        return not self.waits and not self._holds_up(paths)

    def _holds_up(self, paths: tuple[str, ...]) -> bool:
        pending = self._journal.pending if self._journal is not None and self._stuck else {}
        stuck = {path for number in self._stuck if number in pending for path in places(pending[number])}
        return not stuck.isdisjoint(paths)

    async def close(self) -> None:
        """Send nothing more; what is kept stays for the next who connects."""
        if self._going is not None:
            self._going.cancel()
            await asyncio.wait({self._going})
        async with self._lock:
            if self._journal is not None:
                await self._workers.call(self._journal.close)

    # Keeping ---------------------------------------------------------------------------------------------------------

    async def keep_save(self, edited: EditedFile) -> None:
        """Note a file as it is here; durable on return. The caller holds its lock.

        Raises:
            LocalError: the journal cannot be written.
            UnreachableError: some of what was written lies on the other side only.
        """
        await edited.keep_here()
        content = edited.content
        written = [piece for start, end in content.unsent for piece in content.held.within(start, end)]
        old: list[tuple[int, bytes]] = []
        kept = content.kept
        journal = self._journal
        if edited.last:
            kept = FILE_SIZE_MAX if content.cut_to is None else content.cut_to
        # What it builds on has them already, unless that gave the file a time or name only.
        has_old = journal is not None and any(isinstance(before, Save) for before in journal.chain(edited.last))
        if not has_old and content.kept <= OLD_MAX:
            for piece in content.pieces(0, content.kept):
                if piece.where is Where.BASE and edited.file is not None:
                    old += edited.file.parts(piece.start, piece.end)
        async with self._adding(edited.path) as journal:
            save = Save(
                journal.next_number,
                edited.path,
                None if edited.last else edited.base_version,
                edited.last,
                kept,
                content.size,
                edited.attributes.mtime_ns,
                edited.mode,
            )
            await self._noted(journal, journal.add_save, save, written, old)
        edited.kept(save.number)
        self._lay(edited.path, edited.attributes, save.number)

    async def keep_new(self, path: str, mode: int | None, mtime_ns: int) -> EditedFile:
        """Note an empty new file; durable on return."""
        async with self._adding(path) as journal:
            number = journal.next_number
            bits = 0o644 if mode is None else mode
            attributes = Attributes(Kind.FILE, 0, mtime_ns, bits, self.laid.new_number())
            save = Save(number, path, None, 0, 0, 0, mtime_ns, mode)
            await self._noted(journal, journal.add_save, save, (), ())
        edited = EditedFile(self._common, path, attributes, None, at_home=False)
        edited.waits_for(number)
        self._lay(path, attributes, number)
        return edited

    async def keep_folder(self, path: str, mode: int | None) -> None:
        """Note a new folder; durable on return."""
        bits = 0o755 if mode is None else mode
        attributes = Attributes(Kind.DIRECTORY, 0, self._common.clock(), bits, self.laid.new_number())
        async with self._adding(path) as journal:
            number = journal.next_number
            await self._noted(journal, journal.add, MakeFolder(number, path, mode))
        self._lay(path, attributes, number)

    async def keep_removal(self, path: str, attributes: Attributes) -> None:
        """Note that an entry is gone; durable on return."""
        after, base = self._after(path, attributes)
        async with self._adding(path) as journal:
            number = journal.next_number
            await self._noted(journal, journal.add, Remove(number, path, base, after))
        self.laid.put(path, Laid(None, number, 0))
        self._common.view.note_done(path, None)

    async def keep_move(
        self, source: str, target: str, attributes: Attributes, replaces: bool, expected: Version | None
    ) -> None:
        """Note that a file has another name; durable on return.

        Args:
            source, target: wire paths.
            attributes: of the file.
            replaces: whether something may stand there.
            expected: the version at home that may; None where nothing is known to stand there.
        """
        after, base = self._after(source, attributes)
        there = self.laid.find(target)
        expected_after = there.operation if there is not None and there.attributes is not None else 0
        laid = self.laid.find(source)
        origin = (laid.origin or source) if laid is not None else source
        async with self._adding(source, target) as journal:
            operation = Move(
                journal.next_number,
                source,
                target,
                base,
                after,
                replaces,
                None if expected_after else expected,
                expected_after,
            )
            await self._noted(journal, journal.add, operation)
        self.laid.put(source, Laid(None, operation.number, 0))
        self._common.view.note_renamed(source, target)
        self.laid.put(target, Laid(attributes, operation.number, self._number(target), origin))
        moving = self._files.get(source)
        if moving is not None:
            moving.waits_for(operation.number)

    async def keep_times(self, path: str, attributes: Attributes, mtime_ns: int, mode: int | None) -> None:
        """Note another time or mode; durable on return."""
        after, base = self._after(path, attributes)
        async with self._adding(path) as journal:
            number = journal.next_number
            await self._noted(journal, journal.add, SetTimes(number, path, mtime_ns, mode, after, base))
        bits = attributes.mode if mode is None else mode
        changed = replace(attributes, mtime_ns=mtime_ns, mode=bits)
        self._lay(path, changed, number)
        edited = self._files.get(path)
        if edited is not None:
            edited.base = changed
            edited.waits_for(number)

    def _after(self, path: str, attributes: Attributes) -> tuple[int, Version | None]:
        """What the next operation with an entry builds on: one of the journal, or a version at home."""
        laid = self.laid.find(path)
        if laid is not None and laid.attributes is not None:
            return laid.operation, None
        edited = self._files.get(path)
        if edited is not None:  # what is known of it here may not be saved
            return 0, edited.base_version
        return 0, version_of(attributes) if attributes.kind is Kind.FILE else None

    def _lay(self, path: str, attributes: Attributes, operation: int) -> None:
        known = self.laid.find(path)
        origin = known.origin if known is not None and known.attributes is not None else ""
        self._common.view.note_done(path, attributes)
        self.laid.put(path, Laid(attributes, operation, self._number(path), origin))

    def _number(self, path: str) -> int:
        """The view gives numbers, as long as it keeps the entry."""
        known = self._common.view.known(path)
        return known.number if known is not None else self.laid.new_number()

    @contextlib.asynccontextmanager
    async def _adding(self, *paths: str) -> AsyncIterator[JournalFile]:
        for path in paths:
            parse_shared_path(path)  # what the other side would refuse for ever is refused at once
        async with self._lock:
            if self._journal is None:
                self._journal = await self._workers.call(self._begin)
            yield self._journal
        self._quiet.clear()
        if self._going is None or self._going.done():
            self._going = self._common.start(self._go_home(), "send home what waits")

    async def _noted(self, journal: JournalFile, add: Callable[..., None], *what: object) -> None:
        """Add to the journal; where its disk does not take it, to the file in which it goes on then."""
        run = self._workers.long if len(what) > 1 else self._workers.call
        try:
            await run(add, *what)
        except LocalError as error:
            if not await self._workers.long(self._move_on, journal, isinstance(error.__cause__, JournalFullError)):
                raise
            await run(add, *what)

    def _move_on(self, journal: JournalFile, full: bool) -> bool:
        """Whether a journal that took no more goes on in another file: on this computer, or without what is at home."""
        last = self._folders[-1]
        done = len(journal.results)
        same = full or journal.path.parent == last
        if same and not journal.failed and done == self._done_when_moved:
            return False
        self._done_when_moved = done
        try:
            journal.move_to(last)
        except (LocalError, ProtocolViolation) as error:
            logger.warning("the journal of edits stays where it is: %s", error.message)
            return False
        return True

    def _begin(self) -> JournalFile:
        self._done_when_moved = 0
        try:
            return JournalFile.begin(choose_folder(self._folders), self._key, self._common.computer)
        except LocalError:
            return JournalFile.begin(self._folders[-1], self._key, self._common.computer)

    # Going home ------------------------------------------------------------------------------------------------------

    async def _go_home(self) -> None:
        self._common.line.probed = True
        try:
            await self._try_again_and_again()
        finally:
            self._common.line.probed = False

    async def _try_again_and_again(self) -> None:
        while True:
            pause = AGAIN_SECONDS
            try:
                if await self._try():
                    return
                pause = REFUSED_SECONDS
            except UnreachableError as error:
                logger.debug("what waits cannot go home yet: %s", error)
            except GimmalError as error:
                logger.warning("what waits cannot go home now: %s", error.message)
                pause = AGAIN_SECONDS if await self._has_moved_on() else REFUSED_SECONDS
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()

    async def _has_moved_on(self) -> bool:
        """Whether the journal took no note of what is at home, and now does."""
        async with self._lock:
            journal = self._journal
            return journal is not None and journal.refuses and await self._workers.long(self._move_on, journal, False)

    async def _try(self) -> bool:
        """Whether all is at home; then the journal is gone."""
        journal = self._journal
        if journal is None:
            raise InternalError("there is no journal", "report this as a bug, with the log")
        files = await self._common.files()
        # One question with a deadline first: where the line is down, no operation is begun.
        first = next(iter(journal.pending.values()), None)  # None: all is at home already
        if first is not None:
            with contextlib.suppress(RemoteError):
                await self._common.step(files.stat(first.path.partition("/")[0]))
        home = GoingHome(files, journal, self._workers, self._common.computer, self._conflicts, self._is_home)
        try:
            await home.run()
        finally:
            self.refused = home.refused
        async with self._lock:
            self._stuck = set(journal.pending) if self.refused else set()
            if not self.waits:
                self._quiet.set()
            if journal.pending:
                return False
            self._journal = None
            try:
                await self._workers.call(journal.remove)
            except LocalError as error:  # whoever looks next finds that nothing is left to do
                logger.warning("%s", error.message)
            finally:
                await self._workers.call(journal.close)
        return True

    def _is_home(self, operation: Operation, gone: Gone) -> None:
        """One operation was done on the other side."""
        for path in {*places(operation), gone.path}:
            if path == gone.path and gone.attributes is not None and not gone.missed:
                self._common.view.note_done(path, gone.attributes)
            else:
                self._common.view.doubt(path)
        if isinstance(operation, Move) and gone.attributes is not None and not gone.missed:
            self._common.cache.renamed(operation.path, gone.path)
            self.laid.moved_home(operation.path, gone.path)
        edited = next((file for file in self._files.values() if operation.number in file.operations), None)
        attributes = gone.attributes
        if edited is not None and attributes is None and edited.last == operation.number:
            edited.is_gone()
            self.left(edited)
        elif edited is not None and attributes is not None:
            if gone.missed:  # a journal does not know the mode
                attributes = replace(attributes, mode=edited.base.mode)
            if edited.last == operation.number:
                self._rename(edited, gone.path)
                edited.all_is_home(attributes)
                self._common.note_seen(gone.path, version_of(attributes))
                self.left(edited)
            else:
                edited.base_is_home(gone.path, attributes)
        self.laid.done(operation.number)

    def _rename(self, edited: EditedFile, path: str) -> None:
        """It had to make way: who has it open goes on with it where it is."""
        if edited.path == path or path in self._files:
            return  # where another one has that name here by now, its next save finds a place
        if self._files.get(edited.path) is edited:
            del self._files[edited.path]
        edited.path = path
        self._files[path] = edited
