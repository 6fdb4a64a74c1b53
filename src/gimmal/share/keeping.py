"""Files that an upload, bundle or copy replaces, kept in the trash of their share.

A file is linked into the trash before the new one takes its name, so that the name holds the old file or the new
one at any time. Where a disk has no such links it is moved there first, and the name is free for an instant.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from gimmal.protocol.codes import Code
from gimmal.share.places import Place
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState
from gimmal.share.trash_batches import Batch
from gimmal.share.trash_filling import TrashFilling


class Keeping:
    """What one request replaces in one share. Close it.

    Args:
        places: final places of the request's files; a file is meant by its number among them.
        filling: the session's batches.
        now: seconds since 1970.
    """

    def __init__(self, places: Sequence[Place], filling: TrashFilling, now: float) -> None:
        self._places = places
        self._filling = filling
        self._now = now
        self._batch: Batch | None = None

    def ahead(self, index: int, folder: int, name: bytes) -> None:
        """Link the file that stands under a name into the trash, where one stands and its disk can do that.

        Raises:
            RefusedError, OSError: the trash cannot take it.
        """
        try:
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISREG(state.st_mode):
            return
        batch = self._begun()
        with contextlib.suppress(OSError):
            batch.link(index, folder, name)

    def make_durable(self) -> None:
        """What was linked ahead stays in the trash through a power cut."""
        if self._batch is not None:
            self._batch.make_durable()

    def keep(self, index: int, folder: int, name: bytes) -> None:
        """The file under a name is about to be replaced: now it must be in the trash.

        Raises:
            RefusedError, OSError: it cannot be; then it must not be replaced.
        """
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
        batch = self._begun()
        there = batch.holds(index)
        if there is not None:
            if (there.st_dev, there.st_ino) == (state.st_dev, state.st_ino):
                return
            # Another file took the name since. The one linked may be nowhere else by now.
            if there.st_nlink < 2:
                raise RefusedError(Code.CHANGED)
            batch.drop(index)
        try:
            batch.link(index, folder, name)
        except OSError:
            batch.take(index, folder, name)

    def undo(self, index: int, folder: int, name: bytes) -> None:
        """The file was not replaced after all: it is in its old place, and nowhere else."""
        if self._batch is None:
            return
        with contextlib.suppress(OSError):
            there = self._batch.holds(index)
            if there is None:
                return
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == (state.st_dev, state.st_ino):
                self._batch.drop(index)

    def close(self) -> None:
        """Done; a batch that holds nothing is removed."""
        if self._batch is not None:
            self._filling.end(self._places[0].share, self._batch)

    def _begun(self) -> Batch:
        if self._batch is None:
            items = [place.names for place in self._places]
            self._batch = self._filling.begin(self._places[0].share, items, self._now)
        return self._batch


@contextlib.contextmanager
def keeping(state: SessionState, places: Sequence[Place], wanted: bool) -> Iterator[Keeping | None]:
    """A `Keeping` for the length of the block where the request wants one, else None."""
    if not wanted or not places:
        yield None
        return
    kept = Keeping(places, state.trash, state.clock())
    try:
        yield kept
    finally:
        kept.close()


def keeper_of(kept: Keeping | None, index: int) -> Callable[[int, bytes], None] | None:
    """What `placing.place_file` calls before it replaces the file of that number."""
    return partial(kept.keep, index) if kept is not None else None


@contextlib.contextmanager
def keeping_one(
    state: SessionState, place: Place, folder: int, name: bytes, wanted: bool
) -> Iterator[Callable[[int, bytes], None] | None]:
    """As `keeping`, for the only file of a request, linked ahead and durably; undone where the block fails.

    Yields what `placing.place_file` calls before it replaces the file.
    """
    with keeping(state, [place], wanted) as kept:
        try:
            if kept is not None:
                kept.ahead(0, folder, name)
                kept.make_durable()
            yield keeper_of(kept, 0)
        except (RefusedError, OSError):
            if kept is not None:
                kept.undo(0, folder, name)
            raise
