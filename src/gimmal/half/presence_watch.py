"""One thread in a process that looks whether a half is still there, for all in it that want to know.

Nothing else of the process wakes for a look: an agent that waits costs next to nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Self

from gimmal.base.errors import HalfGone
from gimmal.half.presence import Presence

LOOK_SECONDS = 0.25
"""Between two looks."""

HANGS_SECONDS = 5.0
"""A look that takes longer counts as one that found the half gone."""

_lock = Lock()
_watches: dict[Path, PresenceWatch] = {}


class PresenceWatch:
    """Looks until the half is gone, or nobody wants to know any more; made by ``watch_half``.

    Attributes:
        gone: set when a look found it gone.
    """

    def __init__(self, location: Path) -> None:
        self.gone = Event()
        self.users = 0
        self._location = location
        self._presence = Presence(location)
        self._looking_since: float | None = None
        self._hearers: list[Callable[[], None]] = []
        self._over = False
        self._stirred = Event()
        self._thread = Thread(target=self._run, daemon=True, name="presence of the half")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def tell(self, hearer: Callable[[], None]) -> None:
        """Call ``hearer``, which neither waits nor raises, once it is gone: in the thread that looks, or at once."""
        with _lock:
            if not self.gone.is_set():
                self._hearers.append(hearer)
                return
        hearer()

    def stir(self) -> None:
        """There is reason to look at once: something was unmounted, for instance. For any thread."""
        self._stirred.set()

    def looks_gone(self) -> bool:
        """Look once, now, in the calling thread, which the disk may hold up."""
        with contextlib.suppress(HalfGone):
            Presence(self._location)
            return self.gone.is_set()
        return True

    def hangs(self) -> bool:
        """Whether the look that is under way takes so long that the half counts as gone."""
        since = self._looking_since
        return since is not None and time.monotonic() - since > HANGS_SECONDS

    def leave(self) -> None:
        """One who wanted to know does not any more; hearers are called no more when nobody does."""
        with _lock:
            self.users -= 1
            if self.users <= 0:
                self._over = True
                self._stirred.set()
                self._hearers.clear()
                if _watches.get(self._location) is self:
                    del _watches[self._location]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def _run(self) -> None:
        while not self._over:
            self._stirred.clear()
            self._looking_since = time.monotonic()
            there = self._presence.present()
            self._looking_since = None
            if not there:
                break
            self._stirred.wait(LOOK_SECONDS)
        with _lock:
            if self._over:
                return
            self.gone.set()
            hearers, self._hearers = self._hearers, []
        for hearer in hearers:
            hearer()


def watch_half(location: Path) -> PresenceWatch:
    """The watch of the half in ``location``, begun where this process has none yet.

    Use it as a context manager, or ``leave`` it afterwards.

    Raises:
        HalfGone: it is not there already.
    """
    with _lock:
        watch = _watches.get(location)
        if watch is not None and not watch.gone.is_set():
            watch.users += 1
            return watch
    made = PresenceWatch(location)  # it may take a while: the disk is asked
    with _lock:
        watch = _watches.get(location)
        if watch is None or watch.gone.is_set():
            watch = _watches[location] = made
            watch.start()
        watch.users += 1
        return watch
