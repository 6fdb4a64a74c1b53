"""What a file is called whose place was taken: a name that says whose it is and since when. No I/O.

``report.odt`` becomes ``report (conflict anna-laptop 2026-11-26 20.15.03).odt``: legal on every system on which its own
name is, and beside the file it belongs to in a sorted list.
"""

from __future__ import annotations

from datetime import datetime

from gimmal.remote.tree.records import joined, split

COMPUTER_MAX = 32
"""Characters of a computer's name in such a name."""

NAME_BYTES_MAX = 255
EXTENSION_BYTES_MAX = 16

TRIES = 20
"""Names that are tried where the first ones are taken."""


def conflict_path(path: str, computer: str, moment: datetime, number: int = 1) -> str:
    """Where the version goes that lost its place.

    Args:
        path: wire path of the file.
        computer: where that version was made.
        moment: when it was saved, in local time.
        number: 1 for the first try; more where that name is taken.
    """
    folder, name = split(path)
    again = f" {number}" if number > 1 else ""
    mark = f" (conflict {_plain(computer)} {moment:%Y-%m-%d %H.%M.%S}{again})"
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > EXTENSION_BYTES_MAX:
        stem, dot, extension = name, "", ""
    room = NAME_BYTES_MAX - len((mark + dot + extension).encode())
    return joined(folder, _shortened(stem, room) + mark + dot + extension)


def _plain(computer: str) -> str:
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in computer).strip("-")
    return plain[:COMPUTER_MAX] or "computer"


def _shortened(stem: str, room: int) -> str:
    """As many whole characters as fit."""
    return stem.encode()[:room].decode(errors="ignore").rstrip()
