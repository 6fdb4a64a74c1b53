"""What a copy does with a file where something is already there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gimmal.base.errors import BadName
from gimmal.base.paths import wire_name_to_local
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Attributes, Entry, Kind, Replace

_GRAINS = (2_000_000_000, 1_000_000_000, 10_000_000, 1_000_000, 1_000, 100)
"""Steps in which FAT, exFAT by FUSE, exFAT, and others keep times, in nanoseconds."""


class Existing(Enum):
    """What to do with a file that is already under the final name and differs; transfer queues keep the values."""

    REFUSE = "refuse"
    UPDATE = "update"
    OVERWRITE = "overwrite"


@dataclass(frozen=True)
class CopyOptions:
    """How to copy.

    Attributes:
        existing: what to do where something is already there.
        dry_run: change nothing; ``would`` hears of every file and folder.
        would: told the displayable target and what would be done.
        xattrs: copy extended attributes.
        safe_links: leave out symbolic links that lead out of what is copied.
        verify: read every file again from the target's disk.
        whole_files: send files whole, also where an older version of them is there.
    """

    existing: Existing = Existing.REFUSE
    dry_run: bool = False
    would: Callable[[str, str], None] | None = None
    xattrs: bool = True
    safe_links: bool = False
    verify: bool = False
    whole_files: bool = False


def decide(source: Attributes, there: Attributes | None, existing: Existing, grain: int = 0) -> Replace | None:
    """How to place a file or link; None where it is there already, or may stay as it is.

    Args:
        source, there: what is to be placed, and what has its name.
        existing: what may happen to it.
        grain: see `same_content`.

    Raises:
        RemoteError: something is there that may not be replaced.
    """
    if there is None:
        return Replace.NEVER
    if there.kind is Kind.DIRECTORY:
        raise error_of_code(Code.IS_A_DIRECTORY, "")
    if source.kind is there.kind is Kind.FILE and same_content(source, there, grain):
        return None
    if existing is Existing.REFUSE:
        raise error_of_code(Code.EXISTS, "")
    if existing is Existing.UPDATE and source.mtime_ns <= there.mtime_ns:
        return None
    return Replace.EXPECTED if there.kind is Kind.FILE else Replace.ALWAYS


def same_content(source: Attributes, there: Attributes, grain: int = 0) -> bool:
    """Whether a file already there counts as the source's copy: same size and same time of change.

    Args:
        grain: steps, in nanoseconds, in which the target keeps times; 0 where it keeps all of a time.
    """
    apart = abs(source.mtime_ns - there.mtime_ns)
    return source.size == there.size and (apart == 0 or apart < grain)


def grain_of(time_ns: int) -> int:
    """The coarsest steps, in nanoseconds, that a time fits; 0 for a fine one."""
    return next((grain for grain in _GRAINS if time_ns % grain == 0), 0)


def names_of(entry: Entry) -> list[str]:
    """The names under which a target's entry may be met in the source.

    A mapped name that was received stands in the target letter for letter, and is mapped once more when listed.
    """
    if not entry.mapped:
        return [entry.name]
    with contextlib.suppress(UnicodeDecodeError, BadName):
        parts = [wire_name_to_local(component).decode() for component in entry.name.split("/")]
        return [entry.name, "/".join(parts)]
    return [entry.name]
