"""The batches that one session fills: several requests share one, and a trash that is full lets its oldest go.

A batch that is not being filled is held by nobody: it is found again by its name, and may be gone by then.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from gimmal.base.beneath import Root
from gimmal.base.display import displayable
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import TRASH_ITEMS_MAX
from gimmal.share.places import OpenShare
from gimmal.share.refused import RefusedError
from gimmal.share.trash_batches import Batch, Names, begin_batch, continue_batch
from gimmal.share.trash_removing import FILLED_SECONDS, make_room

logger = logging.getLogger("gimmal.share")

_REMEMBERED_MAX = 16
"""Batches of one session that may be filled further; as many as its requests could fill at a time, and some."""


@dataclass(frozen=True, slots=True)
class _Begun:
    root: Root
    name: bytes
    items: tuple[Names, ...]
    since: float


class TrashFilling:
    """Gives out batches to one session's requests, each to one request at a time. Safe for several threads.

    Args:
        who: shown to people.
    """

    def __init__(self, who: str) -> None:
        self._who = who
        self._lock = threading.Lock()
        self._begun: list[_Begun] = []

    def begin(self, share: OpenShare, items: Sequence[Names], now: float) -> Batch:
        """A batch with a durable note on what is to come there; give it back with `end`.

        Args:
            share: whose trash it lies in.
            items: local names below the share.
            now: seconds since 1970.

        Raises:
            RefusedError: LIMIT, the trash is full and nothing of it could be destroyed.
            OSError: the disk refuses.
        """
        begun = self._take(share.root, len(items), now)
        if begun is not None:
            with contextlib.suppress(OSError):
                batch = continue_batch(share.root, begun.name, begun.items, items, self._who, begun.since)
                if batch is not None:
                    return batch
        try:
            return begin_batch(share.root, items, self._who, now)
        except RefusedError as refused:
            if refused.code is not Code.LIMIT or not make_room(share.root):
                raise
            name = displayable(share.share.name)
            logger.warning("the trash of %s is full: what was in it longest went before its 30 days", name)
        return begin_batch(share.root, items, self._who, now)

    def end(self, share: OpenShare, batch: Batch) -> None:
        """The request is done with a batch; the next may fill it further."""
        items, since = batch.items, batch.since
        if batch.close() and len(items) < TRASH_ITEMS_MAX:
            with self._lock:
                self._begun.append(_Begun(share.root, batch.name, items, since))
                del self._begun[:-_REMEMBERED_MAX]

    def _take(self, root: Root, count: int, now: float) -> _Begun | None:
        with self._lock:
            # A clock that was put back would give entries a wrong time.
            self._begun = [begun for begun in self._begun if 0 <= now - begun.since < FILLED_SECONDS]
            for begun in self._begun:
                if begun.root is root and len(begun.items) + count <= TRASH_ITEMS_MAX:
                    self._begun.remove(begun)
                    return begun
        return None
