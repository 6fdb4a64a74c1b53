"""Saves of one document that wait for the other side: sealed in a journal on the half, or on this computer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from gimmal.agent.plugged import computer_name
from gimmal.agent.reach import Reach
from gimmal.base.errors import GimmalError, LocalError
from gimmal.remote.edits.conflict_list import Conflict, ConflictList
from gimmal.remote.edits.going_home import GoingHome
from gimmal.remote.edits.journal import JournalFile, choose_folder, folders
from gimmal.remote.edits.left_over import send_left_over
from gimmal.remote.edits.operations import Gone, Operation, Save
from gimmal.remote.files import Files


class KeptSaves:
    """The journal of one editing; begun with its first save that waits.

    Args:
        reach: whose half seals it; a session was opened, or its keys are known.
    """

    def __init__(self, reach: Reach) -> None:
        self._workers = reach.workers
        self._key = reach.journal_key
        self._half = reach.location
        self._places = folders(reach.location, reach.journal_directory, reach.journal_key)
        self._conflicts = ConflictList(tuple(self._places), reach.journal_key)
        self._journal: JournalFile | None = None

    @property
    def last(self) -> int:
        """Number of the newest save that waits; 0 for none."""
        return max(self._journal.pending, default=0) if self._journal is not None else 0

    @property
    def on_half(self) -> bool:
        """Whether what waits lies on the half itself."""
        return self._journal is not None and self._half in self._journal.path.parents

    async def keep(self, save: Save, written: Iterable[tuple[int, bytes]], old: Iterable[tuple[int, bytes]]) -> int:
        """Keep a save, whose number counts for nothing; durable on return. Returns the number that it got.

        Args:
            save: its head.
            written: places and bytes.
            old: those of the version before, as far as they stay.

        Raises:
            LocalError: no disk takes it.
            ValueError: the document is another one by now.
        """
        return await self._workers.long(self._keep, save, written, old)

    def _keep(self, save: Save, written: Iterable[tuple[int, bytes]], old: Iterable[tuple[int, bytes]]) -> int:
        journal = self._journal
        if journal is None:
            try:
                journal = JournalFile.begin(choose_folder(self._places), self._key)
            except LocalError:
                journal = JournalFile.begin(self._places[-1], self._key)
            self._journal = journal
        number = journal.next_number
        head = Save(number, save.path, save.base, save.after, save.kept, save.size, save.mtime_ns, save.mode)
        journal.add_save(head, written, old)
        return number

    async def send(self, home: Files) -> Gone | None:
        """Send what waits, in order; what came of the newest save.

        Raises:
            UnreachableError: the line fell; the rest waits on.
            RemoteError: the other side refuses it; it waits on.
        """
        journal = self._journal
        if journal is None:
            return None
        newest: list[Gone] = []

        def tell(_operation: Operation, gone: Gone) -> None:
            newest[:] = [gone]

        going = GoingHome(home, journal, self._workers, computer_name(), self._conflicts, tell)
        refused = await going.run()
        if refused:
            raise refused[0].reason
        await self._end()
        return newest[0] if newest else None

    async def is_home(self, gone: Gone) -> None:
        """The save that waits was done by another way."""
        if self._journal is not None:
            await self._workers.call(self._journal.note_home, gone)
            if not self._journal.pending:
                await self._end()

    async def note_conflict(self, conflict: Conflict) -> None:
        """Put a conflict on the list.

        Raises:
            LocalError: no disk takes it.
        """
        await self._workers.call(self._conflicts.note, conflict)

    async def _end(self) -> None:
        journal, self._journal = self._journal, None
        if journal is not None:
            await self._workers.call(journal.remove)

    async def close(self) -> None:
        """Leave what waits to whoever connects next."""
        if self._journal is not None:
            await self._workers.call(self._journal.close)
            self._journal = None


async def send_earlier(reach: Reach, home: Files) -> int:
    """Send home what earlier commands left, before a document is opened that may be one of theirs; how many files.

    What cannot be sent waits on: by the agent, or the next command.
    """
    places = folders(reach.location, reach.journal_directory, reach.journal_key)
    conflicts = ConflictList(tuple(places), reach.journal_key)
    sent: set[str] = set()

    def tell(operation: Operation, gone: Gone) -> None:
        if isinstance(operation, Save):
            sent.add(gone.path)

    with contextlib.suppress(GimmalError):
        await send_left_over(home, places, reach.journal_key, reach.workers, computer_name(), conflicts, tell)
    return len(sent)
