"""Patterns in paths of the other side, ``:Pictures/*.jpg``, which no shell can fill in (docs/decisions/0064)."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Kind
from gimmal.remote.files import ENTRIES_MAX, Files, shown, too_many_entries

_SIGNS = frozenset("*?[")


async def matching(files: Files, path: str) -> list[str]:
    """The wire paths that a path as typed means, in order of names.

    A path without ``*``, ``?`` or ``[`` means itself; so does one that is there letter for letter, or fits nothing.
    A sign stands for no ``/``, and for a dot at the beginning of a name only where it is typed.

    Raises:
        RemoteError: more than ENTRIES_MAX entries fit.
        UnreachableError: the other side cannot be asked.
    """
    if not _SIGNS & set(path) or await _is_there(files, path):
        return [path]
    found = [""]
    parts = path.split("/")
    for place, part in enumerate(parts):
        if not _SIGNS & set(part):
            found = [_below(above, part) for above in found]
            continue
        last = place == len(parts) - 1
        fitting: list[str] = []
        for above in found:
            fitting += await _fitting(files, above, part, folders_only=not last)
            if len(fitting) > ENTRIES_MAX:
                raise too_many_entries(shown(path))
        found = fitting
    if not _SIGNS & set(parts[-1]):
        found = [each for each in found if await _is_there(files, each)]
    return found or [path]


async def all_matching(files: Files, paths: list[str]) -> list[str]:
    """What several paths as typed mean, in the order typed."""
    return [found for path in paths for found in await matching(files, path)]


async def _fitting(files: Files, above: str, pattern: str, *, folders_only: bool) -> list[str]:
    fitting = []
    try:
        async for entries in files.entries(above):
            for entry in entries:
                hidden = entry.name.startswith(".") and not pattern.startswith(".")
                if hidden or (folders_only and entry.attributes.kind is not Kind.DIRECTORY):
                    continue
                if "/" not in entry.name and entry.name not in ("", ".", "..") and fnmatchcase(entry.name, pattern):
                    fitting.append(_below(above, entry.name))
    except RemoteError:
        # A folder that cannot be listed holds nothing that fits, as at a shell.
        return []
    return fitting


async def _is_there(files: Files, path: str) -> bool:
    try:
        await files.stat(path)
    except RemoteError:
        return False
    return True


def _below(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name
