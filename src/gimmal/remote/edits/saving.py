"""When what was written goes home: at a sync or close, ahead where it is much or old."""

from __future__ import annotations

import asyncio
import contextlib

from gimmal.base.errors import GimmalError, Interrupted, LocalError, RemoteError, UnreachableError
from gimmal.protocol.codes import Code
from gimmal.remote.edits.beside import Beside
from gimmal.remote.edits.common import Common
from gimmal.remote.edits.edited_file import EditedFile
from gimmal.remote.edits.keeping import Keeping
from gimmal.remote.edits.not_durable import NotDurable

HELD_MAX = 32 << 20
"""Bytes that were written and are held in memory, of all files; what is more is sent ahead and forgotten here."""

AHEAD_SECONDS = 5.0
"""After so long what was written and not saved is sent ahead, where it is too much for one round trip."""

AHEAD_BYTES = 1 << 20
"""What counts as too much for one round trip."""


_OTHER_VERSION = frozenset(code.name.lower() for code in (Code.CHANGED, Code.EXISTS, Code.NOT_FOUND))
"""What the other side says where it has another version than the one that was written over, or none any more."""


class Saving:
    """Saves the open files of one process.

    Args:
        common: shared by all of them.
        files: those that are open, by path; whoever opens and closes them owns it.
        beside: puts files beside those that the other side changed.
        keeping: keeps what cannot be sent; None where there is no journal.
        not_durable: what is perhaps not on the disk at home.
    """

    def __init__(
        self,
        common: Common,
        files: dict[str, EditedFile],
        beside: Beside,
        keeping: Keeping | None,
        not_durable: NotDurable,
    ) -> None:
        self._common = common
        self._files = files
        self._beside = beside
        self._keeping = keeping
        self._not_durable = not_durable
        self._saves: dict[EditedFile, asyncio.Task[GimmalError | None]] = {}
        self._aging: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Begin nothing more."""
        if self._aging is not None:
            self._aging.cancel()

    def needs(self, edited: EditedFile) -> bool:
        """Whether a file that nobody has open is still needed here."""
        return edited in self._saves or edited.last > 0

    # Saving ----------------------------------------------------------------------------------------------------------

    async def save(self, edited: EditedFile) -> None:
        """See OpenFile.sync."""
        if _is_done(edited):
            return
        task = self._saves.get(edited)
        if task is not None:
            await _wait(task)  # it may have begun before the last write
        if _is_done(edited):
            return
        task = self._saves.get(edited)
        if task is None:
            task = self._saves[edited] = self._common.start(self._saved(edited), "save a file")
            task.add_done_callback(lambda _done: self._saves.pop(edited, None))
        failure = await _wait(task)
        if failure is not None:
            raise failure

    async def sync(self, edited: EditedFile) -> None:
        """See OpenFile.sync: durable also where nothing was written."""
        await self.save(edited)
        if not (edited.removed or edited.last or edited.is_new):
            await self._not_durable.make_file_durable(edited.path)

    async def _saved(self, edited: EditedFile) -> GimmalError | None:
        try:
            if edited.content.unsent.total > AHEAD_BYTES and not self._common.is_down():
                with contextlib.suppress(GimmalError):  # then it is found out again below
                    await edited.sending.ahead(HELD_MAX)
            async with edited.lock:
                await self.save_locked(edited)
        except GimmalError as exc:
            return exc
        return None

    async def save_locked(self, edited: EditedFile) -> None:
        """As ``save``, for who holds the lock of the file."""
        edited.check()
        if not _is_done(edited):
            await self._save(edited)

    async def _save(self, edited: EditedFile) -> None:
        keeping = self._keeping
        whole = not edited.content.forgotten  # else it cannot be kept: some of it is on the other side only
        if keeping is not None and whole and (not await keeping.may_send() or edited.last):
            try:
                await keeping.keep_save(edited)
                return
            except LocalError:
                if edited.last:
                    raise
                # Here is no room for it: perhaps the line is back.
        try:
            await self._send(edited)
        except UnreachableError:
            if keeping is None or edited.content.forgotten:
                raise
            await keeping.keep_save(edited)

    async def _send(self, edited: EditedFile) -> None:
        marks = self._not_durable.marks(edited.path)
        try:
            edited.saved(await edited.sending.home())
            self._not_durable.done(marks)
        except RemoteError as error:
            if error.code not in _OTHER_VERSION:
                raise
            await self._save_beside(edited)

    async def _save_beside(self, edited: EditedFile) -> None:
        """Both are kept; who has the file open goes on with ours."""
        path = edited.path
        at = await self._beside.save(edited)
        if self._files.get(path) is edited:
            del self._files[path]
        self._files[at] = edited

    # Ahead -----------------------------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Bytes that were written and are held in memory."""
        return sum(edited.content.held.cost for edited in self._files.values())

    async def make_room(self) -> None:
        """Called before something is written: sends ahead what is more than may be held.

        Raises:
            GimmalError: it cannot be sent; what was written is still there, and saving may be tried again.
        """
        self._watch_ages()
        if self.held <= HELD_MAX:
            return
        for edited in sorted(self._files.values(), key=lambda file: -file.content.held.cost):
            await edited.sending.ahead(HELD_MAX // 4)
            if self.held <= HELD_MAX:
                return
        if self.held > 2 * HELD_MAX:  # what waits in the journal, or belongs to files that were removed
            raise Interrupted("no more can be kept here until the line is back", "try again then")

    def _watch_ages(self) -> None:
        if self._aging is None or self._aging.done():
            self._aging = self._common.start(self._send_old(), "send ahead what is old")

    async def _send_old(self) -> None:
        """Until nothing waits."""
        loop = asyncio.get_running_loop()
        while waiting := [edited for edited in self._files.values() if edited.dirty_since is not None]:
            for edited in waiting:
                since = edited.dirty_since
                old = since is not None and loop.time() - since > AHEAD_SECONDS
                if old and edited.content.unsent.total > AHEAD_BYTES and edited not in self._saves:
                    with contextlib.suppress(GimmalError):
                        await edited.sending.ahead(HELD_MAX)
            await asyncio.sleep(AHEAD_SECONDS / 5)


def _is_done(edited: EditedFile) -> bool:
    return edited.removed or not edited.differs


async def _wait(task: asyncio.Task[GimmalError | None]) -> GimmalError | None:
    """What became of a save, which has a deadline for each of its steps, and goes on where the caller does not."""
    await asyncio.wait({task})
    return task.result()
