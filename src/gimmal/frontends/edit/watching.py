"""When a document was saved: what happens in its folder, and when it is time to look at the file."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from gimmal.base.inotify import Inotify, Mask

SETTLE_SECONDS = 0.05
"""From a save's end until it is looked at: programs that save by several renames are through by then."""

WRITING_SECONDS = 2.0
"""For so long nothing must have happened to a file that was written to and not closed."""

LOOK_SECONDS = 0.5
"""How often to look where the system does not tell what happens in a folder."""

_WATCHED = Mask.MODIFY | Mask.CLOSE_WRITE | Mask.MOVED_FROM | Mask.MOVED_TO | Mask.CREATE | Mask.DELETE
_ENDS_SAVE = Mask.CLOSE_WRITE | Mask.MOVED_TO


class SaveTimer:
    """Says when to look, by what happened; knows neither clock nor folder.

    Args:
        document: name of the file.
    """

    def __init__(self, document: bytes) -> None:
        self._document = document
        self.due: float | None = None
        """When to look; None while there is nothing to look for."""

    def happened(self, mask: int, name: bytes, now: float) -> None:
        """Take in one event of the folder; ``now`` in seconds."""
        if mask & Mask.Q_OVERFLOW:
            self.due = now + SETTLE_SECONDS
        elif name != self._document:
            # Beside it something moves on: a save of several steps may be under way.
            if self.due is not None and mask & (Mask.MOVED_FROM | Mask.MOVED_TO):
                self.due = max(self.due, now + SETTLE_SECONDS)
        elif mask & _ENDS_SAVE:
            self.due = now + SETTLE_SECONDS
        elif mask & (Mask.MODIFY | Mask.CREATE):
            self.due = now + WRITING_SECONDS
        elif mask & (Mask.DELETE | Mask.MOVED_FROM):
            self.due = None  # on its way: what follows makes it anew

    def looked(self) -> None:
        """It was looked at."""
        self.due = None


class FolderWatch:
    """Waits for saves of one document. Close it when done.

    Args:
        folder: where it lies.
        document: its name.
    """

    def __init__(self, folder: Path, document: str) -> None:
        self._timer = SaveTimer(os.fsencode(document))
        self._loop = asyncio.get_running_loop()
        self._stirred = asyncio.Event()
        self._inotify: Inotify | None = None
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._inotify = Inotify()
            self._inotify.add(descriptor, _WATCHED)
            self._loop.add_reader(self._inotify.fileno(), self._read)
        except OSError:
            # None on this system, or no more for this user: then looking every now and then has to do.
            if self._inotify is not None:
                self._inotify.close()
            self._inotify = None
        finally:
            os.close(descriptor)

    def _read(self) -> None:
        assert self._inotify is not None
        now = self._loop.time()
        for event in self._inotify.read():
            self._timer.happened(event.mask, event.name, now)
        self._stirred.set()

    async def until_due(self) -> None:
        """Return when it is time to look whether the document was saved."""
        if self._inotify is None:
            await asyncio.sleep(LOOK_SECONDS)
            return
        while True:
            due = self._timer.due
            left = None if due is None else due - self._loop.time()
            if left is not None and left <= 0:
                self._timer.looked()
                return
            self._stirred.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._stirred.wait()

    def close(self) -> None:
        """Watch no more."""
        if self._inotify is not None:
            self._loop.remove_reader(self._inotify.fileno())
            self._inotify.close()
            self._inotify = None
