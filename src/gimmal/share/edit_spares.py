"""The version before the last, kept for the next edit of the same file.

Where a file system cannot share bytes between files, an edit has to copy its base, however little it changes: a
database that is saved every second would be written whole every second. The version that a commit replaced differs
from the new one only in what was written, and both are known: the next edit takes it, brings over those stretches,
and need not copy the rest. So an edit costs what it changes, from the second one on.

The old version is taken only where nobody else has it open and it has no other name: who reads it goes on reading what
was there. It lies under a name nobody sees, for SPARE_SECONDS at most.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from gimmal.base.system_calls import exchange_names
from gimmal.protocol.messages import Version
from gimmal.share.attributes import version_of
from gimmal.share.part import is_same
from gimmal.share.places import Place

SPARES_MAX = 2
"""Of one session; each takes as much room as its file."""

SPARE_SECONDS = 60.0
"""How long one is kept that no edit takes."""

SPARE_BYTES_MIN, SPARE_BYTES_MAX = 1 << 20, 64 << 30
"""Sizes of files of which one is kept: smaller ones are copied as fast."""

SPARE_ROOM = 4
"""One is kept only where so many times its size is free: what others want to write comes first."""

STRETCHES_MAX = 4096
"""Stretches in which two versions may differ; where there are more the file is copied."""

FORMER_MAX = 1024
"""Versions that one file may have been; then another takes its place."""

_OLD = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Stretch = tuple[int, int]
"""Place of the first byte, and behind the last."""


@dataclass(slots=True)
class Spare:
    """A file that was the version before.

    Attributes:
        place: of the file.
        name: its own, in the same folder.
        descriptor: opened for reading and writing.
        current: the version that stands.
        differing: where it differs from that, in any order.
        former: versions that it was under the file's name; it must never be one of them again.
        current_former: the same of the file that stands.
        since: when it was kept, on the monotonic clock.
    """

    place: Place
    name: bytes
    descriptor: int
    current: Version
    differing: Sequence[Stretch]
    former: frozenset[Version]
    current_former: frozenset[Version]
    since: float

    def remove(self) -> None:
        """Remove it, if it is still this one that has its name."""
        with contextlib.suppress(OSError), self.place.parent() as (folder, _final):
            if is_same(self.descriptor, self.name, folder):
                os.unlink(self.name, dir_fd=folder)
        os.close(self.descriptor)


class EditSpares:
    """The spares of one session. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spares: dict[Place, Spare] = {}
        self._closed = False

    def keep(self, spare: Spare) -> None:
        """Keep one for the next edit of its file, in place of the one used longest ago where there are too many."""
        gone: list[Spare] = []
        with self._lock:
            if (before := self._spares.pop(spare.place, None)) is not None:
                gone.append(before)
            self._spares[spare.place] = spare
            while len(self._spares) > (0 if self._closed else SPARES_MAX):
                gone.append(self._spares.pop(next(iter(self._spares))))
        for one in gone:
            one.remove()

    def take(self, place: Place, base: Version) -> Spare | None:
        """The spare of a file, which is the caller's now; None where there is none or another version stands."""
        with self._lock:
            spare = self._spares.pop(place, None)
        if spare is not None and spare.current != base:
            spare.remove()
            return None
        return spare

    def drop_old(self) -> bool:
        """Remove those that no edit took for long; whether there are others."""
        before = time.monotonic() - SPARE_SECONDS
        with self._lock:
            old = [place for place, spare in self._spares.items() if spare.since <= before or place.share.ended]
            gone = [self._spares.pop(place) for place in old]
            more = bool(self._spares)
        for spare in gone:
            spare.remove()
        return more

    def end_shares(self) -> None:
        """Remove those of shares that have ended."""
        with self._lock:
            gone = [self._spares.pop(place) for place in list(self._spares) if place.share.ended]
        for spare in gone:
            spare.remove()

    def close(self) -> None:
        """Remove all, and keep none any more."""
        with self._lock:
            self._closed = True
            gone = list(self._spares.values())
            self._spares.clear()
        for spare in gone:
            spare.remove()

    def __len__(self) -> int:
        return len(self._spares)


def may_keep(folder: int, size: int) -> bool:
    """Whether a file of so many bytes may be kept, by its size and the room there is.

    Args:
        folder: descriptor of the folder it lies in.
        size: in bytes.
    """
    if not SPARE_BYTES_MIN <= size <= SPARE_BYTES_MAX:
        return False
    room = os.fstatvfs(folder)
    return room.f_bavail * (room.f_frsize or room.f_bsize) >= SPARE_ROOM * size


def open_old(name: bytes, folder: int, standing: os.stat_result) -> int | None:
    """The version that stands, opened to become a spare; None where it may not be one.

    Args:
        name: final name.
        folder: descriptor of its folder.
        standing: its state.
    """
    if standing.st_nlink != 1:
        return None
    try:
        if not may_keep(folder, standing.st_size):
            return None
        descriptor = os.open(name, _OLD, dir_fd=folder)
    except OSError:
        return None
    if version_of(os.fstat(descriptor)) != version_of(standing):
        os.close(descriptor)
        return None
    return descriptor


def exchange(name: bytes, final: bytes, folder: int, old: int) -> bool | None:
    """Let a file and the one that stands change names, in one step.

    Args:
        name: of the file to be placed.
        final: the name it gets.
        folder: descriptor of the folder of both.
        old: descriptor of the file that stands.

    Returns:
        True where it was done; False where another file stands there by now, and nothing has changed; None where
        the file system has no such call.

    Raises:
        OSError: the system refuses.
    """
    if not exchange_names(name, final, folder):
        return None
    if is_same(old, name, folder):
        return True
    exchange_names(name, final, folder)
    return False


def is_nobodys(descriptor: int) -> bool:
    """Whether nobody else has a file open, for reading or writing; no where the system does not tell.

    A lease for writing is given to none but the only one who has a file open (fcntl(2)); it is given back at once.
    """
    try:
        if os.fstat(descriptor).st_nlink != 1:
            return False
        # Whoever opens it in this instant makes the system send a signal, which by itself would end the program.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except (OSError, AttributeError):
        return False
    return True
