"""Requests for change notices, and what is pushed for them (docs/spec/protocol.md, section 11)."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from gimmal.protocol.limits import NOTICES_BYTES_MAX, NOTICES_CREDIT_MAX, NOTICES_ITEMS_MAX, WATCH_ITEMS_MAX
from gimmal.protocol.parts import Attributes, Counter, Path, Size


class OpenNotices(Struct, array_like=True, frozen=True, tag=52):
    """Open a stream of notices; its number is that of this request. Answer: Done."""

    credit: Annotated[int, Meta(ge=NOTICES_BYTES_MAX, le=NOTICES_CREDIT_MAX)]
    """Bytes granted to begin with."""


class Watch(Struct, array_like=True, frozen=True, tag=53):
    """Tell on a stream what changes in folders from now on. Answer: Watched.

    Without paths it asks for nothing but the answer, which comes behind all that changed before.
    """

    stream: Counter
    paths: Annotated[list[Path], Meta(max_length=WATCH_ITEMS_MAX)]


class Unwatch(Struct, array_like=True, frozen=True, tag=54):
    """Tell no more of these. Answer: Done."""

    stream: Counter
    watches: Annotated[list[Counter], Meta(max_length=WATCH_ITEMS_MAX)]


class Watched(Struct, array_like=True, frozen=True, tag=101):
    """One watch for each path of the request, 0 where none was granted."""

    watches: Annotated[list[Counter], Meta(max_length=WATCH_ITEMS_MAX)]
    pushed: Size
    """Bytes of the bodies of all NOTICES of the stream that tell what changed before this answer."""


class ChangeKind(IntEnum):
    """What a Change says."""

    ENTRY = 0
    """An entry is new, other, or gone."""
    AGAIN = 1
    """More changed than is told: the folder has to be listed again."""
    OVER = 2
    """The watch is over; watch 0 stands for all of the stream."""


class Change(Struct, array_like=True, frozen=True, gc=False):
    """One change in a watched folder."""

    watch: Counter
    what: ChangeKind
    name: Path = ""
    """Of an ENTRY; empty for the folder itself."""
    attributes: Attributes | None = None
    """As they were at or after the change; None where the entry is gone."""
    mapped: bool = False


class Notices(Struct, array_like=True, frozen=True):
    """Body of a NOTICES record."""

    changes: Annotated[list[Change], Meta(max_length=NOTICES_ITEMS_MAX)]
