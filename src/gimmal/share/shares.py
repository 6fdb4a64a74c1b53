"""What this side shares, and with which rights (docs/spec/names.md, section 7)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from gimmal.base.display import displayable
from gimmal.base.errors import BadName, UsageError
from gimmal.base.own_mounts import refuse_own_mount
from gimmal.base.paths import collision_key, is_mapped, parse_wire_path

HALF_FOLDER = b"gimmal"
"""Folded name of the folder that holds a half."""

HALF_FILES = (b"half.json", b"half.new", b"state-0", b"state-1")
"""Any of these makes such a folder a half, also one that is just being joined."""

_FORM = "write PATH, PATH:ro, PATH:drop or NAME=PATH:ro"


class Rights(Enum):
    """What the peer may do in a share."""

    READ_WRITE = "rw"
    READ_ONLY = "ro"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Share:
    """One folder that the peer may see.

    Args:
        name: its name on the wire, one component.
        path: the folder, absolute, links resolved.
        rights: what the peer may do there.
        own: no peer asks, this side alone does: the mode shown is the folder's own, not one that tells the rights.
    """

    name: str
    path: Path
    rights: Rights
    own: bool = False


def parse_share(argument: str) -> Share:
    """A share as written on the command line: ``PATH[:ro|:rw|:drop]`` or ``NAME=PATH[:mode]``.

    Without a mode it is ``rw``; without a name, the last part of the folder's real path. A path that holds ``=``
    before its first ``/`` is written with ``./`` in front.

    Raises:
        UsageError: it is no folder, holds a half, or its name cannot travel.
    """
    rights = Rights.READ_WRITE
    rest = argument
    for choice in Rights:
        if argument.endswith(f":{choice.value}"):
            rights, rest = choice, argument.removesuffix(f":{choice.value}")
    head, equals, tail = rest.partition("=")
    name, place = (head, tail) if equals and "/" not in head else (None, rest)
    if not place:
        raise UsageError(f"the share {displayable(argument)} names no folder", _FORM)
    path = _folder(place)
    return _named_share(path.name if name is None else name, path, rights, argument)


def share_of(name: str, place: str, rights: Rights) -> Share:
    """A share of a folder that is known already, by an absolute path without links.

    Raises:
        UsageError: as ``parse_share``; or another folder lies there now.
    """
    path = _folder(place)
    if os.fspath(path) != place:
        raise UsageError(f"cannot share {displayable(place)}: a link lies there now", _FORM)
    return _named_share(name, path, rights, place)


def _named_share(name: str, path: Path, rights: Rights, shown: str) -> Share:
    _check_name(name, shown)
    return Share(name, path, rights)


class ShareTable:
    """The shares of one side, in order of their names.

    Raises:
        UsageError: two names are equal, or some disks would take them for one.
    """

    def __init__(self, shares: Sequence[Share]) -> None:
        seen: dict[str, Share] = {}
        for share in shares:
            other = seen.setdefault(collision_key(share.name), share)
            if other is not share:
                raise UsageError(
                    f"two shares are called {displayable(share.name)}"
                    if other.name == share.name
                    else f"the shares {displayable(other.name)} and {displayable(share.name)} look alike",
                    "give one of them another name: NAME=PATH",
                )
        self._shares = sorted(shares, key=lambda share: share.name.encode())

    def __iter__(self) -> Iterator[Share]:
        return iter(self._shares)

    def __len__(self) -> int:
        return len(self._shares)


def _folder(place: str) -> Path:
    refuse_own_mount(Path(place), place, below=True)
    try:
        path = Path(place).resolve(strict=True)
        state = path.stat()
    except (OSError, RuntimeError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it cannot be opened").lower()
        hint = f"make it first: mkdir -p DIR; or {_FORM}" if isinstance(error, FileNotFoundError) else _FORM
        raise UsageError(f"cannot share {displayable(place)}: {reason}", hint) from error
    if not stat.S_ISDIR(state.st_mode):
        raise UsageError(f"cannot share {displayable(place)}: it is no folder", "share the folder it lies in")
    if any(map(_is_half, (path, *path.parents))):
        raise UsageError(
            f"cannot share {displayable(place)}: it is a half, and a half holds keys",
            "share another folder; the half stays hidden in any",
        )
    return path


def _is_half(path: Path) -> bool:
    return os.fsencode(path.name).lower() == HALF_FOLDER and any(
        os.path.lexists(path / os.fsdecode(name)) for name in HALF_FILES
    )


def _check_name(name: str, argument: str) -> None:
    try:
        ok = parse_wire_path(name) == (name,) and not is_mapped(name)
    except BadName:
        ok = False
    if not ok:
        raise UsageError(
            f"the share {displayable(argument)} would have a name that cannot travel",
            "give it a name: NAME=PATH",
        )
