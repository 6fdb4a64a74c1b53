"""Requests and answers about the trash of a share (docs/spec/protocol.md, section 10)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import TRASH_ITEMS_MAX
from gimmal.protocol.parts import Attributes, Path, Text, TrashName


class Trash(Struct, array_like=True, frozen=True, tag=20):
    """Move files, links and folders with all they hold into their share's trash, in order. Changes. Answer: Results."""

    paths: Annotated[list[Path], Meta(max_length=TRASH_ITEMS_MAX)]


class ListTrash(Struct, array_like=True, frozen=True, tag=21):
    """What the trash of one share holds, oldest first. Answer: TrashPage."""

    share: Path
    after: TrashName = ""
    """Empty to begin, then the name of the last entry of the page before."""


class RestoreTrash(Struct, array_like=True, frozen=True, tag=22):
    """Move entries of a trash back to where they were, in order; nothing is replaced. Changes. Answer: Results."""

    share: Path
    names: Annotated[list[TrashName], Meta(max_length=TRASH_ITEMS_MAX)]
    target: Path = ""
    """Where the one entry named goes instead, within the same share."""


class EmptyTrash(Struct, array_like=True, frozen=True, tag=23):
    """Destroy entries of a trash. Changes. Answer: Results; has no deadline."""

    share: Path
    names: Annotated[list[TrashName], Meta(max_length=TRASH_ITEMS_MAX)]


class TrashEntry(Struct, array_like=True, frozen=True):
    """One entry of a trash."""

    name: TrashName
    """Names it in the trash; 8 + 8 hexadecimal digits, a dot, a number."""
    path: Path
    """Where it was, below the share; mapped like a name where it must be."""
    attributes: Attributes
    trashed: Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
    """When it came there, seconds since 1970 UTC."""
    who: Text
    """Who moved it there, for people."""


class TrashPage(Struct, array_like=True, frozen=True, tag=75):
    """Part of a trash; ``more`` says that others follow."""

    entries: Annotated[list[TrashEntry], Meta(max_length=TRASH_ITEMS_MAX)]
    more: bool
