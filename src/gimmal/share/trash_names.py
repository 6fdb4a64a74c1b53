"""Names in and of a trash (docs/spec/protocol.md, section 10)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gimmal.base.paths import collision_key
from gimmal.base.primitives import random_bytes

TRASH_FOLDER = b".gimmal-trash"
"""At the root of a share, and nobody's to see or to ask for in any folder."""

NOTE = b"note.json"
LOOKS, NEW_LOOKS = b"looks.json", b"looks.new"
GONE = b"gone-"
"""Begins the name of what is being destroyed."""

_TRASH_KEY = TRASH_FOLDER.decode()
_BATCH = re.compile(rb"[0-9a-f]{16}")
_ENTRY = re.compile(r"([0-9a-f]{16})\.(0|[1-9][0-9]{0,3})")
_TIME_MAX = (1 << 32) - 1


def is_trash_name(name: bytes) -> bool:
    """Whether a disk may take this name of one component for that of a trash."""
    if len(name) < len(TRASH_FOLDER) or not name.startswith((b".", b"\xe2\x80")):
        return False
    # Joiners may travel, and some disks do not see them.
    text = name.decode("utf-8", "surrogateescape").replace("\u200c", "").replace("\u200d", "")
    return collision_key(text) == _TRASH_KEY


@dataclass(frozen=True, slots=True)
class EntryName:
    """An entry: the batch it lies in, and its place there."""

    batch: bytes
    index: int

    def __str__(self) -> str:
        return f"{self.batch.decode()}.{self.index}"


def parse_entry_name(text: str) -> EntryName | None:
    """The entry that a name from the wire means; None where it is no such name."""
    match = _ENTRY.fullmatch(text)
    return EntryName(match[1].encode(), int(match[2])) if match is not None else None


def new_batch_name(now: float) -> bytes:
    """A name for a batch begun at ``now`` (seconds since 1970); those of later ones come after it."""
    return b"%08x" % min(max(int(now), 0), _TIME_MAX) + random_bytes(4).hex().encode()


def new_gone_name() -> bytes:
    """A name for what is in a batch and no entry: whoever finds it destroys it."""
    return GONE + random_bytes(12).hex().encode()


def is_batch_name(name: bytes) -> bool:
    """Whether a folder in a trash is a batch of ours."""
    return _BATCH.fullmatch(name) is not None


def time_of_batch(name: bytes) -> int:
    """When a batch was begun, seconds since 1970."""
    return int(name[:8], 16)


def is_item_name(name: bytes) -> bool:
    """Whether a name in a batch is that of an entry."""
    return name.isdigit() and len(name) <= 4 and (name == b"0" or not name.startswith(b"0"))
