"""What a disk can keep: holes, and how exactly times. Tried once for each device of a share, with a file of our own.

What cannot be tried is taken for the common case, a disk with holes and exact times, and tried again the next time.
"""

from __future__ import annotations

import os

from gimmal.base.beneath import set_attributes_at
from gimmal.share.holes import is_hole
from gimmal.share.places import OpenShare
from gimmal.share.temporary import create_temporary, remove_temporary

_TRIED_BYTES = 1 << 20
_TRIED_TIME = 1_000_000_001_987_654_321
"""Nanoseconds since 1970: an odd second, and digits down to the last."""

GRAINS = (2_000_000_000, 1_000_000_000, 10_000_000, 1_000_000, 1_000, 100)
"""Steps, in nanoseconds, in which file systems keep times: FAT, exFAT by FUSE and old ones, exFAT, NTFS and others."""


def keeps_holes(share: OpenShare, folder: int) -> bool:
    """Whether what is never written of a file takes no room on the disk of a folder.

    Args:
        share: where the answer is remembered.
        folder: descriptor of a folder in which files may be made.
    """
    device = os.fstat(folder).st_dev
    known = share.holes.get(device)
    if known is None:
        try:
            known = share.holes[device] = _try_holes(folder)
        except OSError:
            return True
    return known


def time_grain(share: OpenShare, folder: int) -> int:
    """Steps, in nanoseconds, in which the disk of a folder keeps times of change; 0 where it keeps all of them.

    Args:
        share: where the answer is remembered.
        folder: descriptor of a folder in which files may be made.
    """
    device = os.fstat(folder).st_dev
    known = share.grains.get(device)
    if known is None:
        try:
            known = share.grains[device] = _try_times(folder)
        except OSError:
            return 0
    return known


def _try_holes(folder: int) -> bool:
    name, descriptor = create_temporary(folder)
    try:
        os.ftruncate(descriptor, _TRIED_BYTES)
        # Some disks keep holes and cannot say where they are.
        return is_hole(descriptor, 0, _TRIED_BYTES) or os.fstat(descriptor).st_blocks * 512 < _TRIED_BYTES // 2
    finally:
        os.close(descriptor)
        remove_temporary(name, folder)


def _try_times(folder: int) -> int:
    before = os.fstat(folder).st_mtime_ns
    name, descriptor = create_temporary(folder)
    try:
        os.utime(descriptor, ns=(_TRIED_TIME, _TRIED_TIME))
        # By its name: what is open may still be remembered as it was asked for.
        kept = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mtime_ns
    finally:
        os.close(descriptor)
        remove_temporary(name, folder)
        # Asked by who looks: the folder keeps the time of what its owner did.
        set_attributes_at(b".", folder, before, None)
    if kept == _TRIED_TIME:
        return 0
    return next((grain for grain in GRAINS if kept % grain == 0), 0)
