"""Names and places of a half's files (docs/spec/half.md, section 2)."""

from __future__ import annotations

from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import HalfMissing
from gimmal.base.persistence import is_directory

FOLDER = "GIMMAL"
HALF_FILE = "half.json"
NEW_FILE = "half.new"
STATE_FILES = ("state-0", "state-1")
MARK_FILE = "joining"
DISABLED_FILE = "disabled.json"
EDITS_FOLDER = "edits"
"""What was saved on some computer and is not yet at the other side, sealed; for whoever sends it home."""

PINNED_FOLDER = "pinned"
"""Files of the other side that its owner keeps with the half, sealed, in its folder ``files``, and lists of them."""

KEY_FILES = (HALF_FILE, NEW_FILE, *STATE_FILES)
"""Every file that may hold a key."""


def find_half_folder(directory: Path | str) -> Path:
    """The absolute path of the folder ``GIMMAL``, given it or the folder that holds it.

    Raises:
        HalfMissing: neither is there. That the folder holds a half is not checked here.
    """
    location = intended_location(directory)
    if not is_directory(location):
        raise HalfMissing(
            f"there is no half in {displayable(str(directory))}",
            "name the folder that holds GIMMAL, or plug in the stick",
        )
    return location


def intended_location(directory: Path | str) -> Path:
    """Where the half of ``directory`` is or would be made; its parent is a folder that exists.

    Raises:
        HalfMissing: there is no such folder.
    """
    given = Path(directory).absolute()
    inside = given / FOLDER
    if is_directory(inside):
        return inside
    if given.name == FOLDER and (is_directory(given) or (given.parent.is_dir() and not given.is_symlink())):
        return given
    if is_directory(given):
        return inside
    resolved = given.resolve()
    if not resolved.is_dir():
        raise HalfMissing(
            f"there is no folder {displayable(str(directory))}",
            "name the folder that holds GIMMAL, or plug in the stick",
        )
    return resolved if resolved.name == FOLDER else resolved / FOLDER
