"""Which halves are plugged in: at the top of mounted disks, and in folders that were named."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
from collections.abc import Callable, Sequence
from pathlib import Path

from gimmal.agent.service.machine import Seen
from gimmal.base.errors import GimmalError
from gimmal.half.places import HALF_FILE, MARK_FILE, find_half_folder
from gimmal.half.plugged import mounted_disks, plugged_at
from gimmal.half.reading import read_header

logger = logging.getLogger("gimmal.agent")

_MOUNTS = "/proc/self/mountinfo"


class Halves:
    """Looks for halves. May block on a disk: for worker threads, one at a time.

    Args:
        folders: that are looked into besides the tops of mounted disks.

    Attributes:
        told_of_mounts: whether somebody calls ``mounts_changed``; else each look asks which disks are mounted.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.told_of_mounts = False
        self._folders = folders
        self._known: dict[str, Seen] = {}
        self._disks: list[Path] = []
        self._stale = True

    def mounts_changed(self) -> None:
        """Something was mounted or unmounted: the next look that begins asks what. For any thread."""
        self._stale = True

    def look(self) -> list[Seen]:
        """All halves that are there now; each file is read again only where it has changed. Never raises."""
        locations: dict[str, Path] = {}
        with contextlib.suppress(OSError):
            locations = {os.fspath(location): location for location in plugged_at(self._mounted())}
        for folder in self._folders:
            with contextlib.suppress(GimmalError, OSError):
                location = find_half_folder(folder)
                locations[os.fspath(location)] = location
        found = {}
        for name, location in locations.items():
            seen = self._look_at(name, location)
            if seen is not None:
                found[name] = seen
        self._known = found
        return list(found.values())

    def _mounted(self) -> list[Path]:
        if self._stale or not self.told_of_mounts:
            self._stale = False  # first, so that what changes meanwhile is asked for again
            try:
                self._disks = mounted_disks()
            except OSError:
                self._stale = True
                raise
        return self._disks

    def _look_at(self, name: str, location: Path) -> Seen | None:
        identity = _identity(location)
        if identity is None:
            return None
        known = self._known.get(name)
        # A fault may pass without a trace in the file's state: a joining ends, a disk answers again.
        if known is not None and known.identity == identity and not known.fault:
            return known
        try:
            header = read_header(location)
        except GimmalError as exc:
            return Seen(name, identity, fault=exc.message)
        return Seen(name, identity, header.pair_id, header.side.value, header.pair_name, header.has_password)


def _identity(location: Path) -> tuple[int, ...] | None:
    try:
        state = os.lstat(location / HALF_FILE)
    except OSError:
        return None
    joining = int(os.path.lexists(location / MARK_FILE))
    return (state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size, joining)


class MountEvents:
    """Calls back as soon as something is mounted or unmounted, where the system tells of it (Linux).

    Args:
        on_change: called on the event loop.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._file = -1
        self._poll: select.epoll | None = None
        try:
            self._file = os.open(_MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
            # The loop itself watches for reading and writing only; an epoll object may be watched in its turn.
            self._poll = select.epoll()
            self._poll.register(self._file, select.EPOLLPRI | select.EPOLLERR)
            self._loop.add_reader(self._poll.fileno(), self._changed)
        except (OSError, AttributeError):
            logger.debug("the system does not tell of mounts: they are looked for")
            self.close()

    @property
    def comes(self) -> bool:
        """Whether the system tells."""
        return self._poll is not None and not self._poll.closed

    def _changed(self) -> None:
        assert self._poll is not None
        self._poll.poll(0)  # asking is what makes the kernel take the news back
        self._on_change()

    def close(self) -> None:
        """Watch no more; a second call does nothing."""
        if self._poll is not None and not self._poll.closed:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
