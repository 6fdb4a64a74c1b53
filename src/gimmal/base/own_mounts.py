"""Where gimmal itself has mounted the other side's files: nothing there is shared or copied again."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import UsageError

SUBTYPE = "gimmal"
TYPE = f"fuse.{SUBTYPE}"
"""What the system calls a file system that gimmal mounted."""

MOUNTS = Path("/proc/self/mountinfo")

_OCTAL = re.compile(rb"\\([0-7]{3})")


def own_mounts(table: Path = MOUNTS) -> list[Path]:
    """The folders on which gimmal has mounted something, of any user and any process.

    Args:
        table: of the system's mounts; where there is none, nothing is mounted.
    """
    try:
        lines = table.read_bytes().splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        before, _dash, after = line.partition(b" - ")
        words = before.split(b" ")
        if len(words) > 4 and after.split(b" ")[0] == TYPE.encode():
            found.append(Path(os.fsdecode(_OCTAL.sub(lambda octal: bytes([int(octal[1], 8) & 255]), words[4]))))
    return found


def refuse_own_mount(path: Path, shown: str, *, below: bool = False, table: Path = MOUNTS) -> None:
    """Refuse a place that is the other side's already: shared or copied again it would go round in circles.

    Args:
        path: of the place.
        shown: as the person named it.
        below: refuse it also where a mount lies in it.
        table: of the system's mounts.

    Raises:
        UsageError: it lies in a mount of gimmal's, or one in it.
    """
    mounts = own_mounts(table)
    if not mounts:
        return
    try:
        real = Path(os.path.realpath(path))
    except (OSError, ValueError):
        return  # it is no place at all: who opens it says so
    if any(real == mount or mount in real.parents for mount in mounts):
        raise UsageError(
            f"{displayable(shown)} lies in a mount of gimmal's: it is on the other side",
            "name it there, with `:` in front, or choose another folder",
        )
    inner = next((mount for mount in mounts if real in mount.parents), None)
    if below and inner is not None:
        raise UsageError(
            f"{displayable(shown)} holds a mount of gimmal's: {displayable(str(inner))} is on the other side",
            "unmount that first, or choose another folder",
        )
