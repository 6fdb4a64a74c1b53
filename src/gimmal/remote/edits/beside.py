"""Where a file goes that both sides changed: what the other side has stays, ours is put beside it and noted.

An editor that does not know of it saves again and again: all that goes into the same file, for as long as the other
side's version is the one that it did not see.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime

from gimmal.base.errors import LocalError, RemoteError
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes, Replace, Version
from gimmal.remote.edits.common import Common
from gimmal.remote.edits.conflict_list import Conflict, ConflictList, new_identifier
from gimmal.remote.edits.conflict_names import TRIES, conflict_path
from gimmal.remote.edits.edited_file import EditedFile
from gimmal.remote.edits.elsewhere import send_elsewhere
from gimmal.remote.files import Files, shown, version_of
from gimmal.remote.tree.records import split

logger = logging.getLogger("gimmal.remote")

DIVERTED_MAX = 1024
"""Files of which it is remembered where ours was put."""


class Beside:
    """Puts files beside those whose place they lost.

    Args:
        common: shared by all open files of the process.
        conflicts: where it is noted; None for nowhere.
        workers: threads for the disk.
    """

    def __init__(self, common: Common, conflicts: ConflictList | None, workers: Workers) -> None:
        self._common = common
        self._conflicts = conflicts
        self._workers = workers
        self._diverted: OrderedDict[str, tuple[Version, str, Version]] = OrderedDict()
        """By path: the version that stood there, where ours was put, and what it was then."""
        self.on_conflict: Callable[[Conflict], None] | None = None
        """Is told of each."""

    async def save(self, edited: EditedFile) -> str:
        """Save a file whose place another version has; the caller holds its lock. Returns where it is now.

        Raises:
            GimmalError: it cannot be saved; nothing is lost by that.
        """
        path, moment = edited.path, self._moment(edited.mtime_ns)
        for number in range(1, TRIES + 1):
            theirs = await standing(await self._common.files(), path, self._common.step)
            at, replaces = self._place(path, theirs, moment, number)
            try:
                attributes, whole = await send_elsewhere(self._common, edited, at, theirs, replaces)
            except RemoteError as error:
                if error.code == "not_found" and number < 3:
                    await self._make_way(at)
                    if number > 1:  # what was sent ahead went with the folder
                        edited.sending.give_up()
                        edited.check()
                elif error.code not in ("exists", "changed"):
                    raise
                self._diverted.pop(path, None)
                continue
            edited.path = at
            edited.saved(attributes)
            if theirs is not None:
                await self._note(path, at, theirs, attributes, moment, whole=whole, known=replaces is not None)
            return at
        raise error_of_code(Code.CHANGED, shown(path))

    async def rename(self, source: str, target: str) -> str:
        """Give a file a name beside the one whose place another version has. Returns where it is now.

        Raises:
            GimmalError: it has its old name still.
        """
        moment = self._moment(None)
        view, step = self._common.view, self._common.step
        for number in range(1, TRIES + 1):
            theirs = await standing(await self._common.files(), target, step)
            at, replaces = self._place(target, theirs, moment, number)
            how = Replace.NEVER if replaces is None else Replace.EXPECTED
            try:
                await step(view.rename(source, at, how, replaces))
            except RemoteError as error:
                if error.code not in ("exists", "changed"):
                    raise
                self._diverted.pop(target, None)
                continue
            if theirs is not None:
                ours = await standing(await self._common.files(), at, step)
                await self._note(target, at, theirs, ours, moment, whole=True, known=replaces is not None)
            return at
        raise error_of_code(Code.CHANGED, shown(target))

    async def _make_way(self, path: str) -> None:
        """The folder that the other side has removed comes back for what is saved in it."""
        folder = split(path)[0]
        files, view = await self._common.files(), self._common.view
        async with view.changing(folder):
            code = (await self._common.step(files.make_directories([folder], parents=True, exist_ok=True)))[0]
        if code:
            raise error_of_code(code, shown(folder))

    @property
    def _name(self) -> str:
        return self._common.computer

    def _moment(self, mtime_ns: int | None) -> float:
        return (self._common.clock() if mtime_ns is None else mtime_ns) / 1e9

    def _place(self, path: str, theirs: Attributes | None, moment: float, number: int) -> tuple[str, Version | None]:
        """Where ours goes at the next try, and which version of it may be replaced there."""
        if theirs is None:
            return path, None
        known = self._diverted.get(path)
        if known is not None and known[0] == version_of(theirs):
            return known[1:]
        return conflict_path(path, self._name, local_time(moment), number), None

    async def _note(
        self,
        path: str,
        at: str,
        theirs: Attributes,
        ours: Attributes | None,
        moment: float,
        *,
        whole: bool,
        known: bool,
    ) -> None:
        if ours is not None:
            self._diverted[path] = (version_of(theirs), at, version_of(ours))
            if len(self._diverted) > DIVERTED_MAX:
                self._diverted.popitem(last=False)
        if known:
            return
        conflict = Conflict(
            new_identifier(),
            path,
            at,
            self._name,
            moment,
            version_of(theirs),
            None if ours is None else version_of(ours),
            whole,
        )
        await note_conflict(self._conflicts, self._workers, conflict)
        if self.on_conflict is not None:
            self.on_conflict(conflict)


async def note_conflict(conflicts: ConflictList | None, workers: Workers, conflict: Conflict) -> None:
    """Put a conflict on the list. Both files stand, whatever becomes of the note: it does not undo the save."""
    if conflicts is None:
        return
    try:
        await workers.call(conflicts.note, conflict)
    except LocalError as error:
        logger.warning("a conflict could not be noted, see %s: %s", shown(conflict.mine), error)


async def standing(
    files: Files, path: str, step: Callable[[Awaitable[Attributes]], Awaitable[Attributes]]
) -> Attributes | None:
    """What stands at a path; None where nothing does."""
    try:
        return await step(files.stat(path))
    except RemoteError as error:
        if error.code not in ("not_found", "not_a_directory"):
            raise
    return None


def local_time(moment: float) -> datetime:
    """A moment in seconds since 1970 by the clock on the wall, also where no calendar has it."""
    try:
        return datetime.fromtimestamp(moment).astimezone()
    except (OverflowError, OSError, ValueError):
        return datetime(1970, 1, 1).astimezone()
