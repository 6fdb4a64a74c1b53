"""Edits held open: by one session, and by all of one side."""

from __future__ import annotations

import threading
import weakref

from gimmal.base.fair_budget import FairBudget, FairShare
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import EDITS_MAX
from gimmal.share.edit import Edit
from gimmal.share.edit_spares import EditSpares
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
