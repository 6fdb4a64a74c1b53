"""The durable steps that put new content on one disk (docs/spec/half.md, section 8.2). Each is safe to repeat."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from gimmal.base.disk import disk
from gimmal.base.errors import LocalError
from gimmal.base.persistence import (
    exists,
    fsync_directory,
    make_directory,
    overwrite_and_remove,
    overwrite_in_place,
    overwrite_with_zeros,
    read_limited,
    remove_durably,
    restrict_directory,
    sync_file,
    write_new_durably,
)
from gimmal.half.format import FILE_LIMIT
from gimmal.half.new_pair import HalfContent
from gimmal.half.places import DISABLED_FILE, HALF_FILE, MARK_FILE, NEW_FILE, STATE_FILES
from gimmal.half.state import STATE_SIZE

_MARK_TEXT = b"A joining was cut short here. Run gimmal pair again with both halves in one computer.\n"


def is_marked(location: Path) -> bool:
    """Whether the half says JoinAgain."""
    return exists(location / MARK_FILE)


def settle(location: Path, from_new: bytes | None) -> None:
    """Finish or clear what an earlier cut left, so that ``half.new`` may be written anew.

    Args:
        from_new: the bytes of ``half.new`` when what carries over stands only there: they go over ``half.json``.
    """
    for name in (HALF_FILE, NEW_FILE, *STATE_FILES):
        sync_file(location / name)
    if from_new is not None:
        mark(location)
        put(location / HALF_FILE, from_new)
    if exists(location / NEW_FILE) and not overwrite_and_remove(location / NEW_FILE):
        remove_durably(location / NEW_FILE)


def prepare(location: Path, content: HalfContent) -> None:
    """Step 1: folder, room for the state files, and the new content beside the old."""
    make_directory(location)
    restrict_directory(location)
    for name in STATE_FILES:
        if not exists(location / name):
            write_new_durably(location / name, bytes(STATE_SIZE))
    prepare_file(location, content.half_file)


def prepare_file(location: Path, half_file: bytes) -> None:
    """Write the new half.json beside the old one."""
    write_new_durably(location / NEW_FILE, half_file)


def unprepare(location: Path, was_there: bool) -> None:
    """Undo `prepare` after a failure, as far as the disk allows; the old half is untouched."""
    overwrite_and_remove(location / NEW_FILE)
    if was_there:
        return
    for name in STATE_FILES:
        overwrite_and_remove(location / name)
    with contextlib.suppress(OSError):
        disk().rmdir(os.fspath(location))


def mark(location: Path) -> None:
    """From here on the half says JoinAgain."""
    if is_marked(location):
        # A program that was killed may have made it without a sync.
        fsync_directory(location)
    else:
        write_new_durably(location / MARK_FILE, _MARK_TEXT)


def switch(location: Path, content: HalfContent) -> None:
    """Under the mark: the new content goes over the old, and is read back.

    Raises:
        LocalError: the disk failed, or gives back something else than was written.
    """
    for name, state in zip(STATE_FILES, content.states, strict=True):
        put(location / name, state)
    put(location / HALF_FILE, content.half_file)


def unmark(location: Path) -> None:
    """The half comes to life with what `switch` wrote."""
    remove_durably(location / DISABLED_FILE)
    remove_durably(location / MARK_FILE)


def clean(location: Path) -> bool:
    """Erase ``half.new``; False when something of it is left."""
    return overwrite_and_remove(location / NEW_FILE)


def erase_keys(location: Path, names: tuple[str, ...]) -> None:
    """Zeros over files with keys, best effort, leaving them in place."""
    for name in names:
        with contextlib.suppress(LocalError):
            overwrite_with_zeros(location / name)


def put(path: Path, data: bytes) -> None:
    """Write over a file in place, or make it, and read it back."""
    if exists(path):
        overwrite_in_place(path, data)
    else:
        write_new_durably(path, data)
    if read_limited(path, FILE_LIMIT) != data:
        raise LocalError(f"the disk gives back something else than was written to {path.name}", "use another disk")
