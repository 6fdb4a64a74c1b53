"""Listing cursors of one session: numbers for places in a listing or tree.

A cursor is a position and may be asked for again, as when an answer was lost with its link. What was read ahead
at a position is kept for the newest few only; an older one reads its folders again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from gimmal.base.fair_budget import FairShare
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import CURSORS_MAX
from gimmal.share.places import OpenShare
from gimmal.share.refused import RefusedError

READ_AHEAD_CURSORS = 4
"""Cursors that keep the names read ahead."""

_NUMBER_MAX = (1 << 32) - 1


@dataclass(slots=True)
class Frame:
    """A folder being read: where it is, the last name given out, and names read ahead (last first)."""

    names: tuple[bytes, ...]
    prefix: str
    after: bytes | None = None
    ahead: list[bytes] = field(default_factory=list)
    complete: bool = False
    """``ahead`` reaches to the end of the folder."""
    too_long_told: bool = False

    def bare(self) -> Frame:
        """The position alone."""
        return Frame(self.names, self.prefix, self.after, too_long_told=self.too_long_told)


@dataclass(slots=True)
class Walk:
    """A listing (one frame, not descending) or a tree (one frame for each folder on the way down)."""

    path: str
    descending: bool
    share: OpenShare
    """The share being walked."""
    shares_left: tuple[OpenShare, ...]
    """Shares still to come in a tree of all of them."""
    frames: list[Frame]
    xattrs: bool = False
    """Whether extended attributes of folders are wanted."""
    page_bytes: int = 0
    """How long its last page was allowed to be."""


CURSORS_OF_ALL, CURSORS_OF_EACH = 256, 8
"""Cursors of all sessions together, beside those that each session may always have."""


class Cursors:
    """At most CURSORS_MAX, and as many as the session's share; the oldest are dropped. Safe for several threads.

    Args:
        share: of the cursors of all sessions.
    """

    def __init__(self, share: FairShare) -> None:
        self._share = share
        self._lock = threading.Lock()
        self._walks: OrderedDict[int, Walk] = OrderedDict()
        self._next = 1

    def take(self, number: int, path: str, *, descending: bool) -> Walk:
        """The walk at a cursor, with what was read ahead the first time it is asked for.

        Raises:
            RefusedError: UNKNOWN_CURSOR, also where it belongs to another path or kind of listing.
        """
        with self._lock:
            walk = self._walks.get(number)
            if walk is None or (walk.path, walk.descending) != (path, descending):
                raise RefusedError(Code.UNKNOWN_CURSOR)
            if walk.share.ended or any(share.ended for share in walk.shares_left):
                raise RefusedError(Code.UNKNOWN_CURSOR)  # it is to be listed again, as it is now
            self._walks[number] = _bare(walk)
            return walk

    def put(self, walk: Walk) -> int:
        """A new cursor for the place a walk has come to."""
        with self._lock:
            number = self._next
            self._next = self._next + 1 if self._next < _NUMBER_MAX else 1
            self._walks[number] = walk
            self._share.take(1)
            while len(self._walks) > CURSORS_MAX or not self._share.may_take(0):
                self._walks.popitem(last=False)
                self._share.give(1)
            for old in list(self._walks)[:-READ_AHEAD_CURSORS]:
                self._walks[old] = _bare(self._walks[old])
            return number

    def close(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._walks.clear()
            self._share.give_all()

    def __len__(self) -> int:
        return len(self._walks)


def _bare(walk: Walk) -> Walk:
    frames = [frame.bare() for frame in walk.frames]
    return Walk(walk.path, walk.descending, walk.share, walk.shares_left, frames, page_bytes=walk.page_bytes)
