"""Destroying a half's keys: because its owner says so, or because the pair was disabled."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from gimmal.base.disk import disk
from gimmal.base.persistence import (
    exists,
    is_directory,
    overwrite_and_remove,
    overwrite_in_place,
    remove_durably,
    write_new_durably,
)
from gimmal.half import canonical
from gimmal.half.places import DISABLED_FILE, EDITS_FOLDER, HALF_FILE, KEY_FILES, MARK_FILE, NEW_FILE, PINNED_FOLDER
from gimmal.half.reading import DISABLED_FORMAT, DisabledNote, HalfHeader
from gimmal.half.switching import erase_keys


def erase_half(location: Path) -> tuple[str, ...]:
    """Overwrite and remove every file of the half, keys first. Best effort; needs no password.

    Returns:
        Names of files that could not be removed; empty when nothing is left.
    """
    erase_keys(location, KEY_FILES)
    names = (*KEY_FILES, MARK_FILE, DISABLED_FILE, *_edits(location))
    left = tuple(name for name in names if not overwrite_and_remove(location / name))
    with contextlib.suppress(OSError):
        disk().rmdir(os.fspath(location / EDITS_FOLDER))
    _remove_pinned(location)
    if not left:
        try:
            disk().rmdir(os.fspath(location))
        except OSError:
            # Something of the person's lies there too: the folder stays.
            return left
    return left


def _remove_pinned(location: Path) -> None:
    """Remove what is kept there of the other side: noise by now, and too much of it to be overwritten."""
    for folder in (location / PINNED_FOLDER / "files", location / PINNED_FOLDER):
        if not is_directory(folder.parent) or not is_directory(folder):
            continue
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                if entry.is_file(follow_symlinks=False):
                    disk().unlink(entry.path)
            disk().rmdir(os.fspath(folder))


def _edits(location: Path) -> list[str]:
    """Names of what waits there to go to the other side; without the keys it is noise."""
    folder = location / EDITS_FOLDER
    if not is_directory(folder):
        return []
    try:
        return [f"{EDITS_FOLDER}/{entry.name}" for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []


def mark_disabled(header: HalfHeader) -> None:
    """Erase the keys of a half whose pair was disabled, then note why (spec section 7).

    Raises:
        LocalError: the note could not be written; the keys are erased as far as the disk allowed.
    """
    location = header.location
    erase_keys(location, KEY_FILES)
    note = DisabledNote(
        format=DISABLED_FORMAT,
        generation=header.generation,
        pair_id=header.pair_id.hex(),
        pair_name=header.pair_name,
        side=header.side,
        version=1,
    )
    encoded = canonical.encode(note)
    if exists(location / DISABLED_FILE):
        overwrite_in_place(location / DISABLED_FILE, encoded)
    else:
        write_new_durably(location / DISABLED_FILE, encoded)
    remove_durably(location / HALF_FILE)
    remove_durably(location / NEW_FILE)
    remove_durably(location / MARK_FILE)
