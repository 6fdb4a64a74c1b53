"""Whether filters leave out an entry, under whatever name its path stands for (docs/spec/names.md, section 3).

A name that cannot travel travels mapped; received, it stands on the disk letter for letter, and is mapped once more
when listed. A pattern may be written for any of these, and protects under each: what is left out is never deleted.
"""

from __future__ import annotations

import itertools

from gimmal.base.errors import BadName
from gimmal.base.paths import is_mapped, wire_name_to_local
from gimmal.remote.filters import Filters

FORMS_MAX = 256
"""Spellings of one path that are tried; what has more is tried with all of its names spelt alike."""

_DEEPEST = 2
"""How often a name may have been mapped: where it was, and where it was received."""


def left_out(filters: Filters, path: str, *, folder: bool) -> bool:
    """Whether filters leave out an entry.

    Args:
        filters: what is left out.
        path: as listed, below the root of what is synced.
        folder: whether it is a folder.
    """
    if not is_mapped(path):
        return filters.excluded(path, folder=folder)
    return any(filters.excluded(form, folder=folder) for form in forms(path))


def forms(path: str) -> list[str]:
    """The path as it is, and with names in it as they were before they were mapped."""
    names = [_forms_of_name(name) for name in path.split("/")]
    count = 1
    for some in names:
        count *= len(some)
    if count <= FORMS_MAX:
        return ["/".join(chosen) for chosen in itertools.product(*names)]
    return ["/".join(some[min(depth, len(some) - 1)] for some in names) for depth in range(_DEEPEST + 1)]


def _forms_of_name(name: str) -> list[str]:
    found = [name]
    while len(found) <= _DEEPEST and is_mapped(found[-1]):
        try:
            found.append(wire_name_to_local(found[-1]).decode("utf-8", "surrogateescape"))
        except BadName:
            break
    return found
