"""Edits that are not at home yet, as the journals of a half hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gimmal.remote.edits.journal import folders, not_done, waiting_operations
from gimmal.remote.edits.operations import places
from gimmal.remote.edits.unreadable import unreadable_journals


@dataclass(frozen=True)
class Unsent:
    """How many files have edits that are still going home.

    Attributes:
        on_half: files whose edits lie on the half itself: they go home from wherever it is plugged in next.
        on_computer: files whose edits lie on this computer, and go home only from here.
        unreadable: journals of which something cannot be read, so that nobody knows what is in them.
        not_done: what the other side said of those that it did not do when it was asked last.
    """

    on_half: int
    on_computer: int
    unreadable: tuple[Path, ...] = ()
    not_done: tuple[str, ...] = ()

    @property
    def files(self) -> int:
        """All of them."""
        return self.on_half + self.on_computer


def unsent_edits(half: Path, directory: Path, key: bytes) -> Unsent:
    """Count them; reads the journals, and may block on the disk.

    Args:
        half: the folder ``GIMMAL``.
        directory: where this computer keeps sealed things for the lineage.
        key: 32 bytes from the half, of the journals.
    """
    everywhere = folders(half, directory, key)
    here = folders(None, directory, key)
    on_half = [place for place in everywhere if place not in here]
    return Unsent(
        _files(on_half, key),
        _files(here, key),
        tuple(unreadable_journals(everywhere, key)),
        tuple(not_done(everywhere, key)),
    )


def _files(folders_: list[Path], key: bytes) -> int:
    return len({path for operation in waiting_operations(folders_, key) for path in places(operation)[-1:]})
