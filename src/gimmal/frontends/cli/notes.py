"""What a person should know of a copy that went well."""

from __future__ import annotations

from typing import Protocol

from gimmal.frontends.cli.output import counted


class Counted(Protocol):
    """What notes tell of; see Progress."""

    @property
    def links_out(self) -> int: ...

    @property
    def plain_links(self) -> int: ...

    @property
    def bare(self) -> int: ...


def notes_of(counts: Counted) -> list[str]:
    """What stands in the target otherwise than in the source, or is not what it looks like."""
    notes = []
    if counts.links_out:
        notes.append(f"{counted(counts.links_out, 'symbolic link')} lead out of what was copied; look before following")
    if counts.plain_links:
        notes.append(f"{counted(counts.plain_links, 'hard link')} became files of their own: the target takes none")
    if counts.bare:
        notes.append(f"{counted(counts.bare, 'file or folder', 'files or folders')} lack extended attributes")
    return notes
