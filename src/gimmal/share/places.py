"""From a wire path to a place below a share, or a refusal: the one guard (docs/spec/names.md, section 6).

In this order: the path must be one that may travel, the share must be there, it must grant what is asked, and
the place must not be gimmal's own (part files, halves). Then mapped names find their local ones.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum

from gimmal.base.beneath import Root
from gimmal.base.errors import BadName
from gimmal.base.paths import is_mapped, parse_shared_path, wire_name_to_local
from gimmal.protocol.codes import Code
from gimmal.share.leaving import Leaving
from gimmal.share.refused import RefusedError
from gimmal.share.shares import HALF_FILES, HALF_FOLDER, Rights, Share, ShareTable
from gimmal.share.trash_names import is_trash_name

PART_PREFIX = b".gimmal-part-"
"""Names that begin so, in any case, are gimmal's own: never shown, never asked for."""


class Access(Enum):
    """What an operation does at a place."""

    LOOK = "look"
    """See that it is there, list it, read it."""
    CREATE = "create"
    """Make something new, and nothing else."""
    CHANGE = "change"
    """Replace, move, remove, set attributes."""


_GRANTED = {
    Rights.READ_WRITE: frozenset(Access),
    Rights.READ_ONLY: frozenset((Access.LOOK,)),
    Rights.DROP: frozenset((Access.CREATE,)),
}


@dataclass(slots=True, eq=False)
class OpenShare:
    """A share and the descriptor of its folder."""

    share: Share
    root: Root
    folding: dict[int, bool] = field(default_factory=dict)
    """Per device: whether it takes names that differ in case or form for one (`collisions`)."""
    holes: dict[int, bool] = field(default_factory=dict)
    """Per device: whether it keeps holes (`disk_traits`)."""
    grains: dict[int, int] = field(default_factory=dict)
    """Per device: in which steps it keeps times (`disk_traits`)."""
    ended: bool = False
    """It is shared no longer, or not with these rights: what was begun of it must not be gone on with."""

    def grants(self, access: Access) -> bool:
        """Whether the peer may do that here."""
        return access in _GRANTED[self.share.rights]


@dataclass(frozen=True, slots=True)
class Place:
    """A granted place: local names below the folder of a share; none means that folder itself."""

    share: OpenShare
    names: tuple[bytes, ...]

    @property
    def root(self) -> Root:
        """The share's folder."""
        return self.share.root

    @contextlib.contextmanager
    def parent(self) -> Iterator[tuple[int, bytes]]:
        """Descriptor of the folder and the last name; the share's folder itself is refused as NOT_GRANTED."""
        if not self.names:
            raise RefusedError(Code.NOT_GRANTED)
        with self.root.parent(self.names) as found:
            yield found

    def stat(self) -> os.stat_result:
        """State of what is there; a link is itself."""
        return self.root.stat(self.names)


class Places:
    """The shares of one side, opened.

    Raises:
        OSError: the folder of a share cannot be opened.
    """

    def __init__(self, shares: ShareTable) -> None:
        self._shares: dict[str, OpenShare] = {}
        self._leaving = Leaving()
        try:
            for share in shares:
                self._shares[share.name] = OpenShare(share, Root(share.path))
        except OSError:
            self.close()
            raise

    def using(self) -> AbstractContextManager[None]:
        """Held while a request is worked on: the folders that it found stay open until then."""
        return self._leaving.inside()

    def replace(self, shares: ShareTable) -> None:
        """Share these from now on. What was shared before with the same folder and rights goes on undisturbed.

        Raises:
            OSError: the folder of a new share cannot be opened; nothing has changed.
        """
        before = {opened.share: opened for opened in self._shares.values()}
        after: dict[str, OpenShare] = {}
        try:
            for share in shares:
                after[share.name] = before.get(share) or OpenShare(share, Root(share.path))
        except OSError:
            for opened in after.values():
                if opened.share not in before:
                    opened.root.close()
            raise
        self._shares = after
        for opened in before.values():
            if after.get(opened.share.name) is not opened:
                opened.ended = True
                self._leaving.close_later(opened.root)

    def close(self) -> None:
        """Let go of all folders."""
        for opened in self._shares.values():
            opened.root.close()

    def __iter__(self) -> Iterator[OpenShare]:
        for opened in self._shares.values():
            opened.root.renew(opened.share.path)
            yield opened

    def find(self, path: str, access: Access, *, share_itself: bool = False) -> Place:
        """The place that a wire path means.

        Args:
            path: as it came; not empty.
            access: what is to be done there.
            share_itself: what is asked is granted of the share's own folder in every share.

        Raises:
            RefusedError: BAD_NAME, NOT_FOUND or NOT_GRANTED.
            OSError: looking for a mapped name failed.
        """
        try:
            share_name, components = parse_shared_path(path)
        except BadName:
            raise RefusedError(Code.BAD_NAME) from None
        opened = self._shares.get(share_name)
        if opened is None:
            raise RefusedError(Code.NOT_FOUND if share_name else Code.NOT_GRANTED)
        if not opened.grants(access) and (components or not share_itself):
            raise RefusedError(Code.NOT_GRANTED)
        opened.root.renew(opened.share.path)
        return self._place(opened, (), components, access)

    def below(self, folder: Place, path: str, access: Access) -> Place:
        """As `find`, of a path relative to a place already found."""
        try:
            components = parse_shared_path("x/" + path)[1]
        except BadName:
            raise RefusedError(Code.BAD_NAME) from None
        if not folder.share.grants(access):
            raise RefusedError(Code.NOT_GRANTED)
        return self._place(folder.share, folder.names, components, access)

    def _place(self, opened: OpenShare, above: tuple[bytes, ...], components: tuple[str, ...], access: Access) -> Place:
        names = list(above)
        for component in components:
            if is_mapped(component):
                names.append(_local_of_mapped(opened.root, names, component))
            else:
                names.append(component.encode())
        place = Place(opened, tuple(names))
        refuse_own(place, access)
        return place


def refuse_own(place: Place, access: Access) -> None:
    """Raise RefusedError if a place is gimmal's own: part file, trash, half, what is in them, what makes a half."""
    for name in place.names:
        if is_own_name(name):
            raise RefusedError(Code.NOT_FOUND if access is Access.LOOK else Code.BAD_NAME)
    folders = (os.fsencode(place.share.share.path.name), *place.names)
    for depth, name in enumerate(folders):
        if name.lower() != HALF_FOLDER:
            continue
        if holds_half(place.root, place.names[:depth]):
            raise RefusedError(Code.NOT_FOUND)
        below = folders[depth + 1].lower() if depth + 1 < len(folders) else b""
        if access is not Access.LOOK and below in HALF_FILES:
            raise RefusedError(Code.NOT_GRANTED)


def is_own_name(name: bytes) -> bool:
    """Whether what is called so is gimmal's: a part file, or a trash."""
    return is_part_name(name) or is_trash_name(name)


def is_part_name(name: bytes) -> bool:
    """Whether gimmal keeps names like this for itself."""
    return name[:13].lower() == PART_PREFIX


def holds_half(root: Root, names: tuple[bytes, ...]) -> bool:
    """Whether a folder holds a file that makes it a half; what cannot be looked into is taken for none."""
    for name in HALF_FILES:
        with contextlib.suppress(OSError):
            root.stat((*names, name))
            return True
    return False


def _local_of_mapped(root: Root, above: list[bytes], component: str) -> bytes:
    # The name it stands for, where that is there; otherwise the characters themselves: a receiver keeps what it
    # was sent and never makes the refused name out of it.
    local = wire_name_to_local(component)
    for name in (local, component.encode()):
        with contextlib.suppress(OSError):
            root.stat((*above, name))
            return name
    return component.encode()
