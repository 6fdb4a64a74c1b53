"""What waited in a journal is done on the other side, in order; each operation may be done twice without harm.

A process may be killed between what it did over there and its note of that. So before anything is taken for a conflict
it is looked whether what stands there is what this operation made: by size, time, and the bytes that it wrote.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import EDIT_DATA_MAX, EDIT_RANGES_MAX
from gimmal.protocol.messages import Attributes, FolderTimes, Kind, Replace, Version
from gimmal.remote.edits.beside import local_time, note_conflict
from gimmal.remote.edits.conflict_list import Conflict, ConflictList, new_identifier
from gimmal.remote.edits.conflict_names import TRIES, conflict_path
from gimmal.remote.edits.journal import JournalFile
from gimmal.remote.edits.operations import (
    Data,
    Gone,
    MakeFolder,
    Move,
    Old,
    Operation,
    Remove,
    Save,
    SetTimes,
    places,
)
from gimmal.remote.edits.sending import TIME_STEP_NS
from gimmal.remote.files import Files, shown, version_of
from gimmal.remote.patching import open_patch, save_ranges
from gimmal.remote.tree.records import split

logger = logging.getLogger("gimmal.remote")

BATCH_BYTES = 1 << 20
"""Bytes that are read from the journal at a time."""

_OTHER_VERSION = frozenset(code.name.lower() for code in (Code.CHANGED, Code.EXISTS, Code.NOT_FOUND))

_LATER = frozenset(
    code.name.lower() for code in (Code.NO_SPACE, Code.INPUT_OUTPUT, Code.LIMIT, Code.UNKNOWN_PART, Code.CORRUPT)
)
"""What the other side says where the same may succeed later: all that follows waits then."""

Range = tuple[int, bytes]


@dataclass(frozen=True)
class Refused:
    """An operation that the other side refuses, and why; it stays in the journal."""

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
        self.conflicts = 0
        """How many files were put beside others."""

    async def run(self) -> list[Refused]:
        """Do all that is pending, also what comes meanwhile. Returns what the other side refuses for good.

        Raises:
            UnreachableError: the line fell; what is not noted as done is still pending.
            RemoteError: it cannot be done now, for instance ``no_space``; the same.
            LocalError: the journal cannot be read or written.
            ProtocolViolation: the other side's answer makes no sense.
        """
        refused: list[Refused] = []
        skipped: set[int] = set()
        blocked: set[str] = set()
        while left := [number for number in self._journal.pending if number not in skipped]:
            operation = self._journal.pending[left[0]]
            if blocked.intersection(places(operation)):
                skipped.add(operation.number)
                blocked.update(places(operation))
                continue
            try:
                gone = await self._do(operation)
            except RemoteError as error:
                if error.code in _LATER:
                    raise
                logger.warning("an edit cannot go home: %s", error.message)
                refused.append(Refused(operation, error))
                skipped.add(operation.number)
                blocked.update(places(operation))
                continue
            try:
                await self._workers.call(self._journal.note_home, gone)
            finally:
                self._tell(operation, gone)  # it is at home, noted or not
        return refused

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

    def _base(self, path: str, base: Version | None, after: int) -> tuple[str, Version | None]:
        """Where the file of an operation is now, and which version of it."""
        before = self._journal.results.get(after) if after else None
        if before is None:
            return path, base
        return before.path, None if before.attributes is None else version_of(before.attributes)

    # Saves -----------------------------------------------------------------------------------------------------------

    async def _save(self, save: Save) -> Gone:
        path, base = self._base(save.path, save.base, save.after)
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
        ranges = self._batches(save.number, Data)
        first = await self._next(ranges)
        more = await self._next(ranges)
        if not more and _length(first) <= EDIT_DATA_MAX and len(first) <= EDIT_RANGES_MAX:
            return await save_ranges(
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
        patch = await open_patch(self._files, path, base=base, kept=kept, size=save.size, replace=how)
        try:
            for batch in (first, more):
                await patch.write_many(batch)
            while batch := await self._next(ranges):
                await patch.write_many(batch)
            return await patch.commit(mtime_ns=save.mtime_ns, mode=save.mode, durable=True)
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
        written = await self._covered(save)
        whole = written >= min(save.kept, save.size)
        over = theirs if not whole and theirs is not None and theirs.kind is Kind.FILE else None
        base = version_of(over) if over is not None else None
        kept = min(over.size, save.kept, save.size) if over is not None else 0
        how = Replace.EXPECTED if base is not None else Replace.NEVER
        patch = await open_patch(
            self._files, path if base is not None else at, base=base, kept=kept, size=save.size, replace=how
        )
        try:
            for kind in (Old, Data):
                ranges = self._batches(save.number, kind)
                while batch := await self._next(ranges):
                    await patch.write_many(batch)
            named = at if base is not None else ""
            attributes = await patch.commit(mtime_ns=save.mtime_ns, mode=save.mode, durable=True, path=named)
            return attributes, whole
        finally:
            await _quietly(patch.discard())

    async def _covered(self, save: Save) -> int:
        """How many of the first bytes of a save are in the journal without a gap."""

        def count() -> int:
            spans = sorted((piece.offset, piece.offset + len(piece.content)) for piece in self._pieces(save.number))
            end = 0
            for start, stop in spans:
                if start > end:
                    break
                end = max(end, stop)
            return end

        return await self._workers.bulk(count)

    async def _is_ours(self, save: Save, path: str, theirs: Attributes) -> bool:
        """Whether what stands there is what this save made."""
        if theirs.kind is not Kind.FILE or theirs.size != save.size:
            return False
        if abs(theirs.mtime_ns - save.mtime_ns) >= TIME_STEP_NS:
            return False
        ranges = self._batches(save.number, Data)
        while batch := await self._next(ranges):
            for offset, content in batch:
                if offset >= save.size:
                    continue
                wanted = content[: save.size - offset]
                block = await self._files.read_block(path, offset, len(wanted), version_of(theirs))
                try:
                    found = b"".join(piece.body for piece in block.pieces)
                finally:
                    self._files.release(block)
                if found != wanted:
                    return False
        return True

    def _pieces(self, number: int) -> Iterator[Data | Old]:
        return self._journal.bytes_of(number)

    def _batches(self, number: int, kind: type[Data | Old]) -> Iterator[list[Range]]:
        """The bytes of a save in portions; for a worker thread."""
        batch: list[Range] = []
        for piece in self._pieces(number):
            if isinstance(piece, kind):
                batch.append((piece.offset, piece.content))
                if _length(batch) >= BATCH_BYTES - 65_536 or len(batch) >= EDIT_RANGES_MAX:
                    yield batch
                    batch = []
        if batch:
            yield batch

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
        source, base = self._base(move.path, move.base, move.after)
        _path, expected = self._base(move.target, move.expected, move.expected_after)
        how = Replace.NEVER
        if move.replaces:
            how = Replace.EXPECTED if expected is not None else Replace.ALWAYS
        try:
            await self._files.rename(source, move.target, how, expected)
            return Gone(move.number, move.target, await self._standing(move.target))
        except RemoteError as error:
            if error.code not in _OTHER_VERSION:
                raise
        if await self._standing(source) is None:
            there = await self._standing(move.target)
            ours = there is not None and base is not None and there.identity == base.identity
            # Otherwise the other side has removed or moved it: there is nothing to be done, and nothing of ours lost.
            return Gone(move.number, move.target, there if ours else None)
        return await self._move_beside(move, source)

    async def _move_beside(self, move: Move, source: str) -> Gone:
        for number in range(1, TRIES + 1):
            theirs = await self._standing(move.target)
            ours = await self._standing(source)
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
            return Gone(move.number, at, await self._standing(at))
        raise error_of_code(Code.CHANGED, shown(move.target))

    async def _remove(self, remove: Remove) -> Gone:
        path, base = self._base(remove.path, remove.base, remove.after)
        there = await self._standing(path)
        if there is not None and (there.kind is not Kind.FILE or version_of(there) == base):
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
        path, _version = self._base(times.path, None, times.after)
        code = (await self._files.set_attributes([FolderTimes(path, times.mtime_ns, times.mode)]))[0]
        if code not in (0, Code.NOT_FOUND):
            raise error_of_code(code, shown(path))
        return Gone(times.number, path, await self._standing(path))

    async def _make_way(self, path: str) -> None:
        """The folder that the other side has removed comes back for what was put into it."""
        folder = split(path)[0]
        code = (await self._files.make_directories([folder], parents=True, exist_ok=True))[0]
        if code:
            raise error_of_code(code, shown(folder))

    async def _standing(self, path: str) -> Attributes | None:
        try:
            return await self._files.stat(path)
        except RemoteError as error:
            if error.code not in ("not_found", "not_a_directory"):
                raise
        return None


def _length(ranges: list[Range]) -> int:
    return sum(len(content) for _offset, content in ranges)


async def _quietly(work: Awaitable[None]) -> None:
    with contextlib.suppress(GimmalError):
        await work
