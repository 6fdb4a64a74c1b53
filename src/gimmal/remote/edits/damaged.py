"""Copies of journals of edits of which something cannot be read: bytes of a person that are on no other disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from gimmal.base.primitives import random_bytes

DAMAGED = ".damaged"
"""How the name of such a copy ends; nothing but a person removes it."""


def name_of_copy(journal: Path) -> Path:
    """A free name beside a journal."""
    return journal.with_name(f"{journal.name}-{random_bytes(4).hex()}{DAMAGED}")


def copies(places: list[Path]) -> list[Path]:
    """Those that lie in some folders."""
    found: list[Path] = []
    for place in places:
        with contextlib.suppress(OSError):
            found += sorted(Path(entry.path) for entry in os.scandir(place) if entry.name.endswith(DAMAGED))
    return found


def copy_to(source: int, target: Path) -> None:
    """All of a file, durable but for its name, or none of it; OSError."""
    try:
        with os.fdopen(os.dup(source), "rb") as reading, open(target, "xb", opener=_private) as writing:
            reading.seek(0)
            shutil.copyfileobj(reading, writing, 1 << 20)
            writing.flush()
            os.fsync(writing.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            target.unlink()
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
