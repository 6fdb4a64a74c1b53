"""Changes in folders, as Linux tells them (inotify): numbers and masks, without a view of what they mean."""

from __future__ import annotations

import array
import fcntl
import os
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag

from gimmal.base.system_calls import add_inotify_watch, open_inotify, remove_inotify_watch

_HEADER = struct.Struct("=iIII")
_READ_BYTES = 64 << 10


class Mask(IntFlag):
    """What happened, as in <sys/inotify.h>."""

    MODIFY = 0x2
    ATTRIB = 0x4
    CLOSE_WRITE = 0x8
    MOVED_FROM = 0x40
    MOVED_TO = 0x80
    CREATE = 0x100
    DELETE = 0x200
    DELETE_SELF = 0x400
    MOVE_SELF = 0x800
    UNMOUNT = 0x2000
    Q_OVERFLOW = 0x4000
    IGNORED = 0x8000
    ONLYDIR = 0x01000000
    MASK_ADD = 0x20000000
    ISDIR = 0x40000000


@dataclass(frozen=True, slots=True)
class Event:
    """One event: the number of its watch (-1: of none), what happened, and to which entry (empty: to the folder)."""

    watch: int
    mask: int
    name: bytes


class Inotify:
    """One queue of events. Reading never waits; the limits are the system's.

    Raises:
        OSError: the system has none, or no more for this user.
    """

    def __init__(self) -> None:
        self._descriptor = open_inotify()
        self.taken = 0
        """Bytes read so far."""

    def fileno(self) -> int:
        """The descriptor: readable when there are events."""
        return self._descriptor

    def add(self, descriptor: int, mask: int) -> int:
        """Watch a folder, known by a descriptor; what is watched already keeps its number, and what it was watched for.

        Raises:
            OSError: it cannot be watched.
        """
        return add_inotify_watch(self._descriptor, descriptor, mask | Mask.ONLYDIR | Mask.MASK_ADD)

    def remove(self, watch: int) -> None:
        """Watch a folder no more."""
        remove_inotify_watch(self._descriptor, watch)

    def read(self) -> list[Event]:
        """The events that wait now; empty where there are none."""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return []
        self.taken += len(data)
        return list(parse_events(data))

    @property
    def waiting(self) -> int:
        """Bytes of the events that wait now."""
        size = array.array("i", [0])
        fcntl.ioctl(self._descriptor, termios.FIONREAD, size)
        return size[0]

    def close(self) -> None:
        """End all watches."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def parse_events(data: bytes) -> Iterator[Event]:
    """Events as the kernel writes them, whole ones only."""
    at = 0
    while at < len(data):
        watch, mask, _cookie, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        yield Event(watch, mask, data[at : at + length].rstrip(b"\0"))
        at += length


def watches_allowed() -> int:
    """How many watches the system gives this user in all; 0 where it does not say."""
    try:
        with open("/proc/sys/fs/inotify/max_user_watches", encoding="ascii") as limit:
            return int(limit.read())
    except (OSError, ValueError):
        return 0
