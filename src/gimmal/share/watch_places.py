"""Where changes can be noticed: on file systems known to be local, and as long as nothing is mounted anew.

A network share or a file system of another program changes without this system being told.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable

from gimmal.base.system_calls import file_system_type

_LOCAL = frozenset(
    (
        0xEF53,  # ext2, ext3, ext4
        0x58465342,  # XFS
        0x9123683E,  # Btrfs
        0x01021994,  # tmpfs
        0x858458F6,  # ramfs
        0xF2F52010,  # F2FS
        0xCA451A4E,  # bcachefs
        0x2FC12FC1,  # ZFS
        0x4D44,  # FAT
        0x2011BAB0,  # exFAT
        0x7366746E,  # NTFS
        0x482B,  # HFS+
        0x3153464A,  # JFS
        0x3434,  # NILFS
        0x15013346,  # UDF
        0x9660,  # ISO 9660
        0x73717368,  # SquashFS
        0x794C7630,  # overlay
    )
)
"""The numbers of file systems that nobody changes but through this system. One that is not here may be local too."""

_MOUNTS = "/proc/self/mountinfo"
_ESCAPED = re.compile(rb"\\([0-7]{3})")
_POINT = 4


def is_noticed(descriptor: int) -> bool:
    """Whether each change in a folder is one that this system makes itself."""
    return file_system_type(descriptor) in _LOCAL


def open_mounts() -> int | None:
    """A descriptor that wakes poll for POLLPRI when something is mounted or unmounted; None where there is none."""
    with contextlib.suppress(OSError):
        return os.open(_MOUNTS, os.O_RDONLY | os.O_CLOEXEC)
    return None


def mounts_below(folders: Iterable[bytes]) -> frozenset[bytes]:
    """What is mounted at or below some folders: the system's own lines, which differ where the mount does."""
    try:
        with open(_MOUNTS, "rb") as mounts:
            lines = mounts.read().splitlines()
    except OSError:
        return frozenset()
    tops = [folder.rstrip(b"/") for folder in folders]
    return frozenset(line for line in lines if any(_is_below(_point(line), top) for top in tops))


def _point(line: bytes) -> bytes:
    fields = line.split(b" ")
    return _ESCAPED.sub(lambda code: bytes((int(code[1], 8) & 0xFF,)), fields[_POINT]) if len(fields) > _POINT else b""


def _is_below(point: bytes, top: bytes) -> bool:
    return point == top or point.startswith(top + b"/")
