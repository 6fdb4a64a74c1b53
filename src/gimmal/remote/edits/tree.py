"""The other side's tree as one that can be written: what every front end uses that opens files.

It is the view of `remote.tree` with this process's unsent edits laid over: sizes and times of open files are right, and
what was done while the line was down is seen here at once.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gimmal.base.errors import RemoteError, UnreachableError
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes, Kind, LinkItem, Replace, Room, Version, Xattrs
from gimmal.protocol.parts import Mode
from gimmal.protocol.requests import FolderTimes
from gimmal.remote.edits.beside import Beside
from gimmal.remote.edits.common import CALL_SECONDS, Common
from gimmal.remote.edits.conflict_list import ConflictList
from gimmal.remote.edits.edited_file import EditedFile
from gimmal.remote.edits.going_home import Refused
from gimmal.remote.edits.keeping import Keeping
from gimmal.remote.edits.laid_over import Laid
from gimmal.remote.edits.looking import NO_FILE, Looking, check_move
from gimmal.remote.edits.not_durable import NotDurable
from gimmal.remote.edits.open_file import OpenFile
from gimmal.remote.edits.operations import Operation, storable_time
from gimmal.remote.edits.saving import HELD_MAX, Saving
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import shown, version_of
from gimmal.remote.patching import save_ranges
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.records import split
from gimmal.remote.tree.view import Found, Listing, TreeView

ResultT = TypeVar("ResultT")


class EditedTree:
    """One per process, for one event loop. Close it.

    Args:
        open_files: a way to the other side, the one at hand where it still lives; raises GimmalError.
        view: of the other side's tree; the caller closes it after this.
        cache: of its files; the caller closes it after this.
        workers: threads for this computer's disk; None for its own.
        journals: folders in which a journal of what cannot be sent may lie (see `journal.folders`); none for none.
        key: 32 bytes from the half that seal it.
        conflicts: where it is noted that both sides changed a file; None for nowhere.
        computer: what this computer is called, for names of conflicts.
        clock: nanoseconds since 1970.
        call_seconds: what a call may take.

    Every method raises RemoteError with the other side's code, UnreachableError where the line is down, and BadName for
    a path that cannot be; each ends within 10 s.
    """

    def __init__(
        self,
        open_files: Callable[[], Awaitable[RemoteFiles]],
        view: TreeView,
        cache: FileCache,
        *,
        workers: Workers | None = None,
        journals: Sequence[Path] = (),
        key: bytes = b"",
        conflicts: ConflictList | None = None,
        computer: str = "computer",
        clock: Callable[[], int] = time.time_ns,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self.view = view
        self.cache = cache
        self._workers = workers if workers is not None else Workers()
        self._owns_workers = workers is None
        self._common = Common(open_files, view, cache, clock, computer, call_seconds)
        self._open: dict[str, EditedFile] = {}
        self.beside = Beside(self._common, conflicts, self._workers)
        self._keeping: Keeping | None = None
        if journals:
            self._keeping = Keeping(self._common, list(journals), key, self._workers, conflicts, self._open)
            self._keeping.left = self._left
        self._looking = Looking(self._common, self._open, self._keeping.laid if self._keeping is not None else None)
        self._not_durable = NotDurable(self._common)
        self._saving = Saving(self._common, self._open, self.beside, self._keeping, self._not_durable)

    async def close(self) -> None:
        """Save nothing more; what nobody closed or synced is lost. Files that are open still fail from now on."""
        await self._saving.close()
        if self._keeping is not None:
            await self._keeping.close()
        for edited in list(self._open.values()):
            edited.close()
        self._open.clear()
        await self._common.tasks.close()
        if self._owns_workers:
            self._workers.close()

    @property
    def held(self) -> int:
        """Bytes that were written and are held in memory."""
        return self._saving.held

    @property
    def waiting(self) -> list[Operation]:
        """What was done here and is in the journal, not yet at home."""
        return self._keeping.pending if self._keeping is not None else []

    @property
    def refused(self) -> list[Refused]:
        """Those of them that the other side does not take, and why."""
        return self._keeping.refused if self._keeping is not None else []

    async def send_ahead(self) -> None:
        """Send what was written and not saved to the other side now, where nobody sees it before it is saved.

        Raises:
            GimmalError: it cannot be sent; nothing is lost by that.
        """
        for edited in list(self._open.values()):
            await edited.sending.ahead(HELD_MAX)

    # Looking ---------------------------------------------------------------------------------------------------------

    async def find(self, path: str) -> Found:
        """The entry at a path, as this process has made it.

        Raises:
            RemoteError: ``not_found``; what the other side says.
            UnreachableError: the line is down, and the entry was never known.
        """
        return await self._looking.find(path)

    async def listing(self, path: str) -> Listing:
        """All entries of a folder; raises as ``find``."""
        return await self._looking.listing(path)

    async def read_link(self, path: str) -> str:
        """Where a symbolic link points.

        Raises:
            RemoteError: ``invalid`` where it is none.
        """
        attributes = (await self.find(path)).attributes
        if attributes.kind is not Kind.LINK:
            raise error_of_code(Code.INVALID, shown(path))
        return attributes.target

    async def statfs(self, path: str) -> Room:
        """Room on the disk that holds a path."""
        files = await self._common.files()
        return await self._common.call(files.room(path))

    # Files -----------------------------------------------------------------------------------------------------------

    async def open(
        self,
        path: str,
        *,
        read: bool = True,
        write: bool = False,
        create: bool = False,
        exclusive: bool = False,
        truncate: bool = False,
        mode: int | None = None,
    ) -> OpenFile:
        """Open a file.

        Args:
            path: wire path.
            read, write: what will be done with the handle.
            create: make an empty file where none is; with ``exclusive`` only then.
            truncate: cut it to nothing, which is saved when it is closed.
            mode: permission bits of a new file; None for those that the other side gives to new files.

        Raises:
            RemoteError: ``not_found``, ``exists``, ``is_a_directory``, ``link_refused``, ``not_granted`` and others.
        """
        if write:
            await self._looking.require_writable(path)
        edited = self._open.get(path)
        if edited is None:
            seen = self._common.seen.get(path)
            edited = await self._opened(path, create=create, exclusive=exclusive, mode=mode)
            if truncate and write and seen is not None and seen != edited.base_version:
                edited.expect(seen)
                self._common.note_seen(path, seen)
        elif exclusive and create:
            raise error_of_code(Code.EXISTS, shown(path))
        save, sync, make_room = self._saving.save, self._saving.sync, self._saving.make_room
        handle = OpenFile(edited, save, sync, make_room, self._left, read=read, write=write)
        if truncate and write:
            try:
                await handle.truncate(0)
            except BaseException:
                edited.handles -= 1
                self._left(edited)
                raise
        return handle

    async def _opened(self, path: str, *, create: bool, exclusive: bool, mode: int | None) -> EditedFile:
        if not (create and exclusive):
            try:
                return await self._adopt(path)
            except RemoteError as error:
                unseen = error.code == "not_granted" and await self._looking.is_for_dropping(path)
                if not create or not (error.code == "not_found" or unseen):
                    raise
        try:
            return await self._create(path, mode)
        except RemoteError as error:
            if error.code != "exists" or exclusive:
                raise
        return await self._adopt(path)  # another one has just made it

    async def _adopt(self, path: str) -> EditedFile:
        found = await self.find(path)
        kind = found.attributes.kind
        if kind is not Kind.FILE:
            raise error_of_code(NO_FILE[kind], shown(path))
        laid = self._looking.laid(path)
        if laid is None:
            file = self.cache.known(path) if found.stale else None
            return self._add(path, found.attributes if file is None else file.attributes)
        return self._add_laid(path, found.attributes, laid)

    def _add(self, path: str, attributes: Attributes) -> EditedFile:
        edited = self._open.get(path)  # perhaps somebody else has opened it meanwhile
        if edited is None:
            edited = self._open[path] = EditedFile(self._common, path, attributes, self.cache.adopt(path, attributes))
            self._common.note_seen(path, version_of(attributes))
        return edited

    def _add_laid(self, path: str, attributes: Attributes, laid: Laid) -> EditedFile:
        """A file that the journal has made what it is, by another name or time, and that was not open."""
        file = self.cache.known(laid.origin or path)
        edited = self._open[path] = EditedFile(self._common, path, attributes, file)
        edited.waits_for(laid.operation)
        return edited

    async def _create(self, path: str, mode: int | None) -> EditedFile:
        """An empty file, there at once: so that whoever makes it first is the one, on both sides."""
        moment = self._common.clock()  # one for both ways: by it a file whose answer was lost is known again

        async def keep(keeping: Keeping) -> EditedFile:
            await self._looking.require_absent(path)
            edited = self._open[path] = await keeping.keep_new(path, mode, moment)
            return edited

        async def send() -> EditedFile:
            if await self._looking.is_for_dropping(path):
                return self._new_to_drop(path, mode)
            return self._add(path, await self._send_new(path, mode, moment))

        return await self._done_or_kept(send, keep, path)

    def _new_to_drop(self, path: str, mode: int | None) -> EditedFile:
        """A file that is made at home when it is whole: there it cannot be changed afterwards."""
        attributes = Attributes(Kind.FILE, 0, self._common.clock(), 0o644 if mode is None else mode, 0)
        self.view.note_done(path, attributes)
        edited = self._open[path] = EditedFile(self._common, path, attributes, None, at_home=False)
        edited.mode = mode
        edited.mtime_ns = attributes.mtime_ns
        return edited

    async def _send_new(self, path: str, mode: int | None, mtime_ns: int) -> Attributes:
        async with self.view.changing(path) as change:
            saving = save_ranges(
                await self._common.files(),
                path,
                base=None,
                kept=0,
                size=0,
                replace=Replace.NEVER,
                ranges=(),
                mtime_ns=mtime_ns,
                mode=mode,
                durable=False,
            )
            async with self._not_yet_durable(path, split(path)[0]):
                attributes = await self._put(saving)
            change.done(attributes)
        return attributes

    async def _done_or_kept(
        self, send: Callable[[], Awaitable[ResultT]], keep: Callable[[Keeping], Awaitable[ResultT]], *paths: str
    ) -> ResultT:
        """Do something at some paths over there, or, where that cannot be or something else comes before, keep it."""
        keeping = self._keeping
        if keeping is None:
            return await send()
        if await keeping.may_send(*paths):
            with contextlib.suppress(UnreachableError):
                return await send()
        return await keep(keeping)

    async def _put(self, work: Awaitable[ResultT]) -> ResultT:
        """A question that may be kept for later where there is no answer."""
        return await (self._common.call(work) if self._keeping is None else self._common.step(work))

    def _left(self, edited: EditedFile) -> None:
        """A handle was closed."""
        if edited.handles or self._saving.needs(edited):
            return
        if self._open.get(edited.path) is edited:
            del self._open[edited.path]
        edited.close()

    async def truncate(self, path: str, size: int) -> None:
        """Cut a file off, or let it grow by zeros; durable at home, or in the journal, on return."""
        file = await self.open(path, read=False, write=True)
        try:
            await file.truncate(size)
        finally:
            await file.close()

    @contextlib.asynccontextmanager
    async def _not_yet_durable(self, *paths: str) -> AsyncIterator[None]:
        """What is changed meanwhile at home is perhaps not on the disk there, whether the answer comes or not."""
        self._not_durable.note(*paths)
        try:
            yield
        finally:
            self._not_durable.note(*paths)

    # Names -----------------------------------------------------------------------------------------------------------

    async def sync_names(self, path: str) -> None:
        """Return when what this process did to the names in a folder is durable at home, or in the journal.

        Raises:
            RemoteError: the other side cannot make it so.
            UnreachableError: the line is down, and names were changed while it stood that are not durable yet.
        """
        await self._not_durable.make_names_durable(path)

    async def make_directory(self, path: str, mode: int | None = None) -> None:
        """Make a folder."""

        async def send() -> None:
            await self._common.files()
            async with self._not_yet_durable(split(path)[0]):
                await self._put(self.view.make_directory(path, mode))

        async def keep(keeping: Keeping) -> None:
            await self._looking.require_absent(path)
            await keeping.keep_folder(path, mode)

        await self._done_or_kept(send, keep, path)

    async def remove(self, path: str) -> None:
        """Remove a file or link; who has it open can go on, but nothing of it is saved."""
        found = await self.find(path)
        if found.attributes.kind is Kind.DIRECTORY:
            raise error_of_code(Code.IS_A_DIRECTORY, shown(path))
        await self._remove(path, found.attributes)
        self._is_removed(path)
        self.cache.removed(path)

    async def remove_directory(self, path: str) -> None:
        """Remove an empty folder."""
        found = await self.find(path)
        if found.attributes.kind is not Kind.DIRECTORY:
            raise error_of_code(Code.NOT_A_DIRECTORY, shown(path))
        await self._remove(path, found.attributes)

    async def _remove(self, path: str, attributes: Attributes) -> None:
        async def send() -> None:
            await self._common.files()
            async with self._not_yet_durable(split(path)[0]):
                await self._put(self.view.remove(path))

        async def keep(keeping: Keeping) -> None:
            if attributes.kind is Kind.DIRECTORY and (await self.listing(path)).names:
                raise error_of_code(Code.NOT_EMPTY, shown(path))
            await keeping.keep_removal(path, attributes)

        await self._done_or_kept(send, keep, path)

    async def rename(self, source: str, target: str, replace: bool = True) -> None:
        """Move an entry within one share.

        Args:
            source, target: wire paths.
            replace: whether a file may stand there, which is then replaced. Where a program of this process had seen
                another version of it than stands there, both are kept: see the list of conflicts.

        Raises:
            RemoteError: ``exists``, ``not_empty``, ``is_a_directory``, ``cross_device`` and others.
            UnreachableError: the line is down, and it is a folder.
        """
        if source == target:
            await self.find(source)
            return
        moving = [path for path in self._open if path == source or path.startswith(source + "/")]
        # What was sent ahead belongs to the old name.
        for edited in [self._open[path] for path in moving]:
            await self._saving.save(edited)
        async with contextlib.AsyncExitStack() as held:
            # A save meanwhile would go to the old name, or beside the file that has just got the new one.
            for path, edited in sorted(self._open.items()):
                if path in moving or path == target:
                    await held.enter_async_context(edited.locked())
                    if path in moving:
                        await self._saving.save_locked(edited)
            await self._rename_held(source, target, replace)

    async def _rename_held(self, source: str, target: str, replace: bool) -> None:
        # As it was before: where the answer is lost, what is there then may be what was just made.
        before, there = await self.find(source), self._looking.known(target)

        async def send() -> None:
            await self._common.files()
            async with self._not_yet_durable(split(source)[0], split(target)[0]):
                at = await self._rename(source, target, replace)
            self._not_durable.renamed(source, at)
            self._is_renamed(source, at)
            self.cache.renamed(source, at)

        async def keep(keeping: Keeping) -> None:
            check_move(source, before, target, there, replace)
            expected = self._common.seen.get(target) or (version_of(there.attributes) if there is not None else None)
            await keeping.keep_move(source, target, before.attributes, replace, expected)
            self._is_renamed(source, target)

        await self._done_or_kept(send, keep, source, target)

    async def _rename(self, source: str, target: str, replace: bool) -> str:
        """Returns the name that it got: another one where both sides had changed what stood there."""
        seen = self._common.seen.get(target) if replace else None
        how = Replace.EXPECTED if seen is not None else Replace.ALWAYS if replace else Replace.NEVER
        try:
            await self._put(self.view.rename(source, target, how, seen))
        except RemoteError as error:
            if error.code != "changed":
                raise
            return await self.beside.rename(source, target)
        return target

    def _is_renamed(self, source: str, target: str) -> None:
        self._is_removed(target)
        below = source + "/"
        for path in [path for path in self._open if path == source or path.startswith(below)]:
            edited = self._open.pop(path)
            edited.path = target + path[len(source) :]
            self._open[edited.path] = edited
        for path in [path for path in self._common.seen if path == source or path.startswith(below)]:
            self._common.note_seen(target + path[len(source) :], self._common.seen.pop(path))

    def _is_removed(self, path: str) -> None:
        edited = self._open.pop(path, None)
        if edited is not None:
            edited.removed = True
            edited.last = 0
        self._common.seen.pop(path, None)

    async def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link; ``target`` is its text, and is not followed."""
        async with self.view.changing(path):
            files = await self._common.files()
            item = LinkItem(path, target, self._common.clock())
            self._expect((await self._common.call(files.make_links([item], Replace.NEVER))), path)

    def _expect(self, codes: list[int], path: str) -> None:
        if codes[0]:
            raise error_of_code(codes[0], shown(path))

    # Attributes ------------------------------------------------------------------------------------------------------

    async def set_attributes(self, path: str, *, mode: Mode | None = None, mtime_ns: int | None = None) -> None:
        """Set mode or time of an entry; of a file with unsaved changes with these, else at once."""
        mtime_ns = None if mtime_ns is None else storable_time(mtime_ns)
        edited = self._open.get(path)
        if edited is not None and edited.differs:
            async with edited.locked():
                if edited.differs:
                    edited.mode = mode if mode is not None else edited.mode
                    edited.mtime_ns = mtime_ns if mtime_ns is not None else edited.mtime_ns
                    return

        async def send() -> None:
            await self._set(path, mode, mtime_ns, ())

        async def keep(keeping: Keeping) -> None:
            attributes = (await self.find(path)).attributes
            time = attributes.mtime_ns if mtime_ns is None else mtime_ns
            await keeping.keep_times(path, attributes, time, mode)

        await self._done_or_kept(send, keep, path)

    async def _set(self, path: str, mode: int | None, mtime_ns: int | None, xattrs: Xattrs) -> None:
        before = (await self.find(path)).attributes
        item = FolderTimes(path, before.mtime_ns if mtime_ns is None else mtime_ns, mode, xattrs)
        await self._common.files()
        async with self._not_yet_durable(path):
            await self._put(self.view.set_attributes(item))
        if before.kind is not Kind.FILE:
            return
        after = (await self._common.look(self.view.find(path))).attributes
        if (after.kind, after.identity, after.size) == (before.kind, before.identity, before.size):
            self._has_new_time(path, version_of(before), after)

    def _has_new_time(self, path: str, before: Version, after: Attributes) -> None:
        """This side gave a file another time: its bytes are those of the version before."""
        edited = self._open.get(path)
        if edited is not None and edited.base_version == before:
            file = self.cache.replaced(path, after, [(0, after.size)], ())
            edited.rebase(file, after)
        if self._common.seen.get(path) == before:
            self._common.note_seen(path, version_of(after))

    async def xattrs(self, path: str) -> dict[str, bytes]:
        """Extended attributes of a file or folder, by names that begin with ``user.``."""
        files = await self._common.files()
        examined = await self._common.call(files.examine(path))
        return dict(examined.xattrs)

    async def set_xattr(self, path: str, name: str, value: bytes) -> None:
        """Set one extended attribute.

        Raises:
            RemoteError: ``not_stored`` where the disk there has none.
        """
        edited = self._open.get(path)
        if edited is not None:
            await self._saving.save(edited)
        await self._set(path, None, None, ((name, value),))

    async def remove_xattr(self, path: str, name: str) -> None:
        """Extended attributes cannot be removed yet: RemoteError ``unsupported``, or ``not_found`` where it is none."""
        if name not in await self.xattrs(path):
            raise error_of_code(Code.NOT_FOUND, shown(path))
        raise error_of_code(Code.UNSUPPORTED, shown(path))


__all__ = ["EditedTree", "OpenFile"]
