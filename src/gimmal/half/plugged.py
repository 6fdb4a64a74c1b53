"""Halves that are plugged in, for commands called without ``--half``."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import GimmalError, HalfMissing, UsageError
from gimmal.base.persistence import exists
from gimmal.half.places import FOLDER, HALF_FILE, find_half_folder

ENVIRONMENT = "GIMMAL_HALF"
_MOUNTS_MAX = 256


def find_plugged() -> list[Path]:
    """The ``GIMMAL`` folders at the top of mounted disks, in order of path."""
    return plugged_at(mounted_disks())


def mounted_disks() -> list[Path]:
    """Where disks are mounted now."""
    import psutil

    return [Path(partition.mountpoint) for partition in psutil.disk_partitions(all=False)[:_MOUNTS_MAX]]


def plugged_at(disks: Iterable[Path]) -> list[Path]:
    """The ``GIMMAL`` folders at the top of these disks, in order of path."""
    found = set()
    for disk in disks:
        location = disk / FOLDER
        try:
            if exists(location / HALF_FILE):
                found.add(location)
        except GimmalError:
            # A disk that cannot be looked at holds no half that could be used.
            continue
    return sorted(found)


def choose_half(given: Path | str | None) -> Path:
    """The half a command works with: the one named, else GIMMAL_HALF, else the only one plugged in.

    Raises:
        HalfMissing: none is named or plugged in, or the one named is not there.
        UsageError: several are plugged in.
    """
    named = given or os.environ.get(ENVIRONMENT)
    if named:
        return find_half_folder(named)
    plugged = find_plugged()
    if not plugged:
        raise HalfMissing("no half is plugged in", f"plug one in, or name its folder with --half or {ENVIRONMENT}")
    if len(plugged) > 1:
        listed = ", ".join(displayable(str(location.parent)) for location in plugged)
        raise UsageError(f"several halves are plugged in: {listed}", "name one with --half")
    return plugged[0]
