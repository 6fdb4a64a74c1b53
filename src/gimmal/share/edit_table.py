"""Edits held open: by one session, and by all of one side."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator

from gimmal.base.fair_budget import FairBudget, FairShare
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import EDITS_MAX
from gimmal.protocol.messages import Replace, Version
from gimmal.share.edit_file import EditFile, begin_file
from gimmal.share.edit_spares import EditSpares
from gimmal.share.places import Place
from gimmal.share.refused import RefusedError

EDITS_OF_ALL, EDITS_OF_EACH = 192, 2
"""Edits of all sessions together, beside those that each session may always have; each is an open file."""


class OpenEdits:
    """All edits that this side's sessions hold open."""

    def __init__(self) -> None:
        self._budget = FairBudget(EDITS_OF_ALL, EDITS_OF_EACH)
        self._tables: weakref.WeakSet[EditTable] = weakref.WeakSet()

    def table(self) -> EditTable:
        """For a new session."""
        table = EditTable(self._budget.share())
        self._tables.add(table)
        return table

    def end_shares(self) -> None:
        """Give up what is open in shares that have ended; their folders must still be open."""
        for table in list(self._tables):
            table.end_shares()


class Edit:
    """One open edit. Safe for several threads: what cannot be done beside what is being done is refused at once.

    Args:
        place: final place.
        replace: what its commit may replace.
        base: the version expected there.
        file: what is written to.
        spares: of the session.
    """

    def __init__(
        self, place: Place, replace: Replace, base: Version | None, file: EditFile, spares: EditSpares
    ) -> None:
        self._spares = spares
        self.place = place
        self.replace = replace
        self.base = base
        self._file: EditFile | None = file
        self._lock = threading.Lock()
        self._users = 0
        self._alone = False
        self._over = False

    @contextlib.contextmanager
    def using(self) -> Iterator[EditFile]:
        """The file, for as long as the block lasts; others may use it beside.

        Where the edit rests after a commit, its file is made anew first.

        Raises:
            RefusedError: UNKNOWN_PART, it is over; LIMIT, it is being committed; as `begin_file`.
            OSError: as `begin_file`.
        """
        with self._lock:
            file = self._file
            if file is not None:
                self._enter(alone=False)
        if file is None:
            with self.alone() as file:
                yield file
            return
        try:
            yield file
        finally:
            self._leave()

    @contextlib.contextmanager
    def alone(self) -> Iterator[EditFile]:
        """As `using`, with nobody beside.

        Raises:
            RefusedError: as `using`; LIMIT also where others use it.
        """
        with self._lock:
            self._enter(alone=True)
        try:
            if self._file is None:
                base = self.base
                assert base is not None  # known since the commit that it rests after
                self._file = begin_file(self.place, base, base.size, base.size, Replace.EXPECTED, self._spares)
            yield self._file
        finally:
            self._leave()

    def rest(self, base: Version) -> None:
        """It was committed, as this version, and goes on as an edit of that; called inside `alone`."""
        if self._file is not None:
            self._file.close()
        self._file, self.base, self.replace = None, base, Replace.EXPECTED

    def end(self, *, placed: bool) -> None:
        """It is over; its file goes unless it was ``placed``: now, or when the last who uses it has left."""
        with self._lock:
            self._over = True
            if placed and self._file is not None:
                self._file.close()
                self._file = None
            file = self._unused()
        if file is not None:
            file.remove(self.place)

    def _enter(self, *, alone: bool) -> None:
        if self._over or self.place.share.ended:
            raise RefusedError(Code.UNKNOWN_PART)
        if self._alone or (alone and self._users):
            raise RefusedError(Code.LIMIT)
        self._users += 1
        self._alone = alone

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            self._alone = False
            file = self._unused()
        if file is not None:
            file.remove(self.place)

    def _unused(self) -> EditFile | None:
        """The file of an edit that is over, once nobody uses it."""
        if not self._over or self._users:
            return None
        file, self._file = self._file, None
        return file


class EditTable:
    """Edits that one session holds open, by their numbers. Safe for several threads.

    Args:
        share: what the session has of the edits of all.
    """

    def __init__(self, share: FairShare | None = None) -> None:
        self._share = share or FairBudget(EDITS_OF_ALL, EDITS_OF_EACH).share()
        self._lock = threading.Lock()
        self._edits: dict[int, Edit] = {}
        self._next = 1
        self._closed = False
        self.spares = EditSpares()

    def check_room(self) -> None:
        """Raise RefusedError(LIMIT) where there is no room for one more: asked before a file is copied for it."""
        if len(self._edits) >= EDITS_MAX:
            raise RefusedError(Code.LIMIT)

    def add(self, edit: Edit) -> int:
        """The number of an edit just opened.

        Raises:
            RefusedError: LIMIT; UNKNOWN_PART where the session is over.
        """
        with self._lock:
            if self._closed:
                raise RefusedError(Code.UNKNOWN_PART)
            if len(self._edits) >= EDITS_MAX or not self._share.try_take(1):
                raise RefusedError(Code.LIMIT)
            number = self._next
            self._next += 1
            self._edits[number] = edit
            return number

    def get(self, number: int) -> Edit:
        """The edit of a number.

        Raises:
            RefusedError: UNKNOWN_PART.
        """
        with self._lock:
            edit = self._edits.get(number)
        if edit is not None and edit.place.share.ended:
            self.drop(number, placed=False)
            edit = None
        if edit is None:
            raise RefusedError(Code.UNKNOWN_PART)
        return edit

    def drop(self, number: int, *, placed: bool) -> None:
        """An edit is over; its file is removed unless it was ``placed``."""
        with self._lock:
            edit = self._edits.pop(number, None)
            if edit is None:
                return
            self._share.give(1)
        edit.end(placed=placed)

    def end_shares(self) -> None:
        """Give up the edits of shares that have ended."""
        with self._lock:
            ended = [number for number, edit in self._edits.items() if edit.place.share.ended]
        for number in ended:
            self.drop(number, placed=False)
        self.spares.end_shares()

    def close(self) -> None:
        """The session is over, and all its edits with it."""
        with self._lock:
            self._closed = True
            numbers = list(self._edits)
        for number in numbers:
            self.drop(number, placed=False)
        self.spares.close()

    def __len__(self) -> int:
        return len(self._edits)
