"""What waited in a journal is done on the other side, in order; each operation may be done twice without harm.

A process may be killed between what it did over there and its note of that, and a stick pulled before the note is on
it. So before anything is taken for a conflict it is looked whether what stands there is what this operation made: by
size, time, and the bytes that it wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from gimmal.base.errors import DeadlinePassed, GimmalError, LocalError, RemoteError
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import EDIT_DATA_MAX, EDIT_RANGES_MAX
from gimmal.protocol.messages import Attributes, FolderTimes, Kind, Replace, Version
from gimmal.remote.edits.beside import local_time, note_conflict
from gimmal.remote.edits.common import SLOWEST_LINE
from gimmal.remote.edits.conflict_list import Conflict, ConflictList, new_identifier
from gimmal.remote.edits.conflict_names import TRIES, conflict_path
from gimmal.remote.edits.journal import JournalFile
from gimmal.remote.edits.meant import file_of, has_time, is_meant, missed, moved
from gimmal.remote.edits.not_durable import make_folders_durable, make_operation_durable
from gimmal.remote.edits.operations import (
    Data,
    Gone,
    MakeFolder,
    Move,
    Operation,
    Remove,
    Save,
    SetTimes,
    places,
)
from gimmal.remote.edits.saved_version import SavedVersion
from gimmal.remote.edits.sending import TIME_STEP_NS
from gimmal.remote.files import Files, shown, version_of
from gimmal.remote.patching import open_patch, save_ranges
from gimmal.remote.tree.records import split

logger = logging.getLogger("gimmal.remote")

BATCH_BYTES = 1 << 20
"""Bytes that are read from the journal at a time."""

_OTHER_VERSION = frozenset(code.name.lower() for code in (Code.CHANGED, Code.EXISTS, Code.NOT_FOUND))

TOUCHED_MAX = 256
"""Paths of operations that a pull may make undone, as far as the journal knows."""

ANSWER_SECONDS = 30.0
"""What one step of a save may take besides the bytes that move with it."""

SLOWEST_DISK = 1 << 20
"""Bytes a second that a disk there is expected to copy at least."""

Range = tuple[int, bytes]

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Refused:
    """An operation that the other side does not do, and why; it stays in the journal, and is tried again."""

    operation: Operation
    reason: GimmalError


class GoingHome:
    """Sends one journal home.

    Args:
        files: the other side.
        journal: is noted in what was done; the caller owns it.
        workers: threads for this computer's disk.
        computer: what this one is called, for names of conflicts where the journal does not say whose they are.
        conflicts: where conflicts are noted; None for nowhere.
        tell: called after each operation, with what came of it.
    """

    def __init__(
        self,
        files: Files,
        journal: JournalFile,
        workers: Workers,
        computer: str,
        conflicts: ConflictList | None,
        tell: Callable[[Operation, Gone], None] = lambda _operation, _gone: None,
    ) -> None:
        self._files = files
        self._journal = journal
        self._workers = workers
        self._computer = journal.computer or computer
        self._conflicts = conflicts
        self._tell = tell
        self._touched: set[str] = set()
        """Paths of operations that were done, and whose notes a pull may lose."""
        self.conflicts = 0
        """How many files were put beside others."""
        self.refused: list[Refused] = []
        """What the other side did not do at the last run."""

    async def run(self) -> list[Refused]:
        """Do all that is pending, also what comes meanwhile. Returns what the other side does not do.

        That holds up what concerns the same paths. Where its disk is full, all for the same share waits.

        Raises:
            UnreachableError: the line fell; what is not noted as done is still pending.
            RemoteError: ``no_space``, when all else was done; what it does not do is in ``refused``.
            LocalError: the journal cannot be read or written.
            ProtocolViolation: the other side's answer makes no sense.
        """
        self.refused = []
        skipped: set[int] = set()
        blocked: set[str] = set()
        full: dict[str, RemoteError] = {}
        while left := [number for number in self._journal.pending if number not in skipped]:
            operation = self._journal.pending[left[0]]
            share = operation.path.partition("/")[0]
            if share in full or blocked.intersection(places(operation)):
                skipped.add(operation.number)
                blocked.update(places(operation))
                continue
            try:
                await self._settle(operation)
                gone = await self._do(operation)
                await make_operation_durable(self._files, operation, gone.path)
            except RemoteError as error:
                logger.warning("an edit cannot go home: %s", error.message)
                with contextlib.suppress(LocalError):  # it waits all the same
                    await self._workers.call(self._journal.note_not_done, operation.number, error.message)
                if error.code == "no_space":
                    full[share] = error
                else:
                    self.refused.append(Refused(operation, error))
                skipped.add(operation.number)
                blocked.update(places(operation))
                continue
            try:
                await self._workers.call(self._journal.note_home, gone)
            finally:
                self._touched.update((*places(operation), gone.path))
                self._tell(operation, gone)  # it is at home, noted or not
        if self._touched and self._journal.pending:
            await self._sync()
        for reason in full.values():
            raise reason
        return self.refused

    async def _settle(self, operation: Operation) -> None:
        """What was done with the same files is durable in the journal before more is done with them.

        An operation that is done a second time finds what it made, but not what the next one made of that.
        """
        before = self._journal.results.get(getattr(operation, "after", 0))
        touches = {*places(operation), *(() if before is None else (before.path,))}
        if touches & self._touched or len(self._touched) >= TOUCHED_MAX:
            await self._sync()

    async def _sync(self) -> None:
        await self._workers.call(self._journal.sync)
        self._touched.clear()

    async def _do(self, operation: Operation) -> Gone:
        if isinstance(operation, Save):
            return await self._save(operation)
        if isinstance(operation, Move):
            return await self._move(operation)
        if isinstance(operation, Remove):
            return await self._remove(operation)
        if isinstance(operation, SetTimes):
            return await self._set_times(operation)
        return await self._make_folder(operation)

    def _meant(self, path: str, base: Version | None, after: int) -> tuple[str, Attributes | None]:
        """Where the entry of an operation is now, and what it was when that was done; None where that is not known."""
        before = self._journal.results.get(after) if after else None
        if before is not None:
            return before.path, before.attributes
        return path, file_of(base)

    def _base(self, path: str, base: Version | None, after: int) -> tuple[str, Version | None]:
        """The same, as which version of it."""
        path, meant = self._meant(path, base, after)
        return path, None if meant is None else version_of(meant)

    # Saves -----------------------------------------------------------------------------------------------------------

    async def _save(self, save: Save) -> Gone:
        path, base = self._base(save.path, save.base, save.after)
        if base is not None or not save.after:  # else what it builds on is not there
            try:
                return Gone(save.number, path, await self._send(save, path, base))
            except RemoteError as error:
                if error.code not in _OTHER_VERSION:
                    raise
        theirs = await self._standing(path)
        if theirs is not None and await self._is_ours(save, path, theirs):
            return Gone(save.number, path, theirs)
        return await self._save_beside(save, path)

    async def _send(self, save: Save, path: str, base: Version | None) -> Attributes:
        """The save as it was meant: over its base and nothing else."""
        kept = min(save.kept, base.size, save.size) if base is not None else 0
        how = Replace.EXPECTED if base is not None else Replace.NEVER
        ranges = self._batches(save.number)
        first = await self._next(ranges)
        more = await self._next(ranges)
        if not more and _length(first) <= EDIT_DATA_MAX and len(first) <= EDIT_RANGES_MAX:
            saving = save_ranges(
                self._files,
                path,
                base=base,
                kept=kept,
                size=save.size,
                replace=how,
                ranges=first,
                mtime_ns=save.mtime_ns,
                mode=save.mode,
                durable=True,
            )
            return await _in_time(saving, _length(first), save.size)
        opening = open_patch(self._files, path, base=base, kept=kept, size=save.size, replace=how)
        patch = await _in_time(opening, copied=kept)
        try:
            for batch in (first, more):
                await _in_time(patch.write_many(batch), _length(batch))
            while batch := await self._next(ranges):
                await _in_time(patch.write_many(batch), _length(batch))
            committing = patch.commit(mtime_ns=save.mtime_ns, mode=save.mode, durable=True)
            return await _in_time(committing, copied=save.size)
        finally:
            await _quietly(patch.discard())

    async def _save_beside(self, save: Save, path: str) -> Gone:
        """Both are kept; where nothing stands there any more, it comes back."""
        moment = local_time(save.mtime_ns / 1e9)
        for number in range(1, TRIES + 1):
            theirs = await self._standing(path)
            at = path if theirs is None else conflict_path(path, self._computer, moment, number)
            there = await self._standing(at) if at != path else None
            if there is not None and await self._is_ours(save, at, there):
                # Done before, and perhaps not noted.
                if theirs is not None and not await self._is_noted(at):
                    await self._note(path, at, theirs, there, save.mtime_ns / 1e9, whole=True)
                return Gone(save.number, at, there)
            try:
                attributes, whole = await self._send_beside(save, path, at, theirs)
            except RemoteError as error:
                if error.code == "not_found":
                    await self._make_way(at)
                elif error.code not in _OTHER_VERSION:
                    raise
                continue
            if theirs is not None:
                await self._note(path, at, theirs, attributes, save.mtime_ns / 1e9, whole=whole)
            return Gone(save.number, at, attributes)
        raise error_of_code(Code.CHANGED, shown(path))

    async def _send_beside(self, save: Save, path: str, at: str, theirs: Attributes | None) -> tuple[Attributes, bool]:
        """All that is known of the version that was saved, under a name at which nothing stands."""
        version = SavedVersion(self._journal, save)
        whole = await self._workers.bulk(version.is_whole)
        over = theirs if not whole and theirs is not None and theirs.kind is Kind.FILE else None
        base = version_of(over) if over is not None else None
        kept = min(over.size, version.kept) if over is not None else 0
        how = Replace.EXPECTED if base is not None else Replace.NEVER
        opening = open_patch(
            self._files, path if base is not None else at, base=base, kept=kept, size=save.size, replace=how
        )
        patch = await _in_time(opening, copied=kept)
        try:
            ranges = _in_batches(version.ranges())
            while batch := await self._next(ranges):
                await _in_time(patch.write_many(batch), _length(batch))
            named = at if base is not None else ""
            committing = patch.commit(mtime_ns=save.mtime_ns, mode=save.mode, durable=True, path=named)
            return await _in_time(committing, copied=save.size), whole
        finally:
            await _quietly(patch.discard())

    async def _is_ours(self, save: Save, path: str, theirs: Attributes) -> bool:
        """Whether what stands there is what this save made."""
        if theirs.kind is not Kind.FILE or theirs.size != save.size:
            return False
        if abs(theirs.mtime_ns - save.mtime_ns) >= TIME_STEP_NS:
            return False
        ranges = self._batches(save.number)
        while batch := await self._next(ranges):
            for offset, content in batch:
                if offset >= save.size:
                    continue
                wanted = content[: save.size - offset]
                reading = self._files.read_block(path, offset, len(wanted), version_of(theirs))
                block = await _in_time(reading, len(wanted))
                try:
                    found = b"".join(piece.body for piece in block.pieces)
                finally:
                    self._files.release(block)
                if found != wanted:
                    return False
        return True

    def _batches(self, number: int) -> Iterator[list[Range]]:
        """The bytes that were written for a save, in portions; for a worker thread."""
        pieces = self._journal.bytes_of(number)
        return _in_batches((piece.offset, piece.content) for piece in pieces if isinstance(piece, Data))

    async def _is_noted(self, at: str) -> bool:
        if self._conflicts is None:
            return True
        return any(conflict.mine == at for conflict in await self._workers.call(self._conflicts.read))

    async def _next(self, ranges: Iterator[list[Range]]) -> list[Range]:
        """The next portion; empty where there is none."""
        none: list[Range] = []
        return await self._workers.bulk(next, ranges, none)

    async def _note(
        self, path: str, at: str, theirs: Attributes, ours: Attributes | None, moment: float, *, whole: bool
    ) -> None:
        self.conflicts += 1
        conflict = Conflict(
            new_identifier(),
            path,
            at,
            self._computer,
            moment,
            version_of(theirs),
            None if ours is None else version_of(ours),
            whole,
        )
        await note_conflict(self._conflicts, self._workers, conflict)

    # Names -----------------------------------------------------------------------------------------------------------

    async def _move(self, move: Move) -> Gone:
        source, meant = self._meant(move.path, move.base, move.after)
        _path, expected = self._base(move.target, move.expected, move.expected_after)
        if not is_meant(await self._standing(source), meant):
            return await self._not_moved(move, source, meant)
        # Where nothing was known to stand there, nothing is replaced.
        how = Replace.EXPECTED if move.replaces and expected is not None else Replace.NEVER
        try:
            await self._files.rename(source, move.target, how, expected if how is Replace.EXPECTED else None)
        except RemoteError as error:
            if error.code not in _OTHER_VERSION:
                raise
        else:
            return moved(move, move.target, await self._standing(move.target), meant)
        if await self._standing(source) is None:
            return await self._not_moved(move, source, meant)
        return await self._move_beside(move, source, meant)

    async def _not_moved(self, move: Move, source: str, meant: Attributes | None) -> Gone:
        """Nothing stands under its old name, or another version than was moved here: that one stays where it is."""
        there = await self._standing(move.target)
        if is_meant(there, meant):  # done before, and not noted
            return Gone(move.number, move.target, there)
        at = move.target if await self._standing(source) is None else source
        return missed(move, at, meant)

    async def _move_beside(self, move: Move, source: str, meant: Attributes | None) -> Gone:
        for number in range(1, TRIES + 1):
            theirs = await self._standing(move.target)
            ours = await self._standing(source)
            if not is_meant(ours, meant):
                return await self._not_moved(move, source, meant)
            moment = (ours.mtime_ns if ours is not None else 0) / 1e9
            at = move.target
            if theirs is not None:
                at = conflict_path(move.target, self._computer, local_time(moment), number)
            try:
                await self._files.rename(source, at, Replace.NEVER)
            except RemoteError as error:
                if error.code not in _OTHER_VERSION:
                    raise
                if error.code == "not_found":
                    await self._make_way(at)
                continue
            if theirs is not None:
                await self._note(move.target, at, theirs, ours, moment, whole=True)
            return moved(move, at, await self._standing(at), meant)
        raise error_of_code(Code.CHANGED, shown(move.target))

    async def _remove(self, remove: Remove) -> Gone:
        path, meant = self._meant(remove.path, remove.base, remove.after)
        if is_meant(await self._standing(path), meant):
            code = (await self._files.remove_many([path]))[0]
            if code not in (0, Code.NOT_FOUND, Code.NOT_EMPTY):
                raise error_of_code(code, shown(path))
        # A file that the other side has changed meanwhile stays, and so does a folder in which it has put something.
        return Gone(remove.number, path, None)

    async def _make_folder(self, operation: MakeFolder) -> Gone:
        code = (await self._files.make_directories([operation.path], parents=True, exist_ok=True, mode=operation.mode))[
            0
        ]
        if code:
            raise error_of_code(code, shown(operation.path))
        return Gone(operation.number, operation.path, await self._standing(operation.path))

    async def _set_times(self, times: SetTimes) -> Gone:
        path, meant = self._meant(times.path, times.base, times.after)
        there = await self._standing(path)
        if not is_meant(there, meant) and not has_time(there, meant, times):
            return missed(times, path, meant)
        code = (await self._files.set_attributes([FolderTimes(path, times.mtime_ns, times.mode)]))[0]
        if code not in (0, Code.NOT_FOUND):
            raise error_of_code(code, shown(path))
        there = await self._standing(path)
        if meant is not None and meant.kind is Kind.FILE and not has_time(there, meant, times):
            return missed(times, path, meant)  # changed in the moment between
        return Gone(times.number, path, there)

    async def _make_way(self, path: str) -> None:
        """The folder that the other side has removed comes back for what was put into it."""
        folder = split(path)[0]
        code = (await self._files.make_directories([folder], parents=True, exist_ok=True))[0]
        if code:
            raise error_of_code(code, shown(folder))
        await make_folders_durable(self._files, folder)

    async def _standing(self, path: str) -> Attributes | None:
        try:
            return await self._files.stat(path)
        except RemoteError as error:
            if error.code not in ("not_found", "not_a_directory"):
                raise
        return None


def _in_batches(ranges: Iterable[Range]) -> Iterator[list[Range]]:
    batch: list[Range] = []
    for piece in ranges:
        batch.append(piece)
        if _length(batch) >= BATCH_BYTES - 65_536 or len(batch) >= EDIT_RANGES_MAX:
            yield batch
            batch = []
    if batch:
        yield batch


def _length(ranges: list[Range]) -> int:
    return sum(len(content) for _offset, content in ranges)


async def _in_time(work: Awaitable[ResultT], length: int = 0, copied: int = 0) -> ResultT:
    """An answer with which ``length`` bytes move on the line, and ``copied`` ones on the disk there.

    Raises:
        DeadlinePassed: none came; whether it was done is found out by whoever tries again.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS + length / SLOWEST_LINE + copied / SLOWEST_DISK) as timeout:
            return await work
    except TimeoutError:
        if not timeout.expired():
            raise
        raise DeadlinePassed("the other side did not answer in time", "`gimmal status` shows the connection") from None


async def _quietly(work: Awaitable[None]) -> None:
    with contextlib.suppress(GimmalError):
        await work
