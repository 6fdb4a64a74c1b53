"""Which inode the kernel knows an entry by: the view's numbers, held while the kernel knows them."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass

from pyfuse3 import EntryAttributes, InodeT

from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.files import version_of
from gimmal.remote.tree.view import Borne, TreeView

BORNE_SECONDS = 60.0
"""How long the kernel keeps what a notice would come of; it is told at once when one comes."""

FOLDER_SECONDS = 1.0
"""The same for the name of a folder, which cannot be told without turning out who works in it."""

_TYPES = {Kind.FILE: stat.S_IFREG, Kind.DIRECTORY: stat.S_IFDIR, Kind.LINK: stat.S_IFLNK}

BLOCK = 512
PREFERRED = 128 << 10
"""Bytes that programs are asked to read and write at once."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose all files are in the mount."""

    user: int
    group: int


class Inodes:
    """The inodes that the kernel knows.

    An entry's inode is its number in the view, which stays over renames and over what this mount itself saves.

    Args:
        view: of the other side's tree.
    """

    def __init__(self, view: TreeView) -> None:
        self._view = view
        self._looked_up: dict[InodeT, int] = {}
        self._told: dict[InodeT, Version] = {}

    def __contains__(self, inode: InodeT) -> bool:
        return inode in self._looked_up

    def __iter__(self) -> Iterator[InodeT]:
        return iter(list(self._looked_up))

    def path(self, inode: InodeT) -> str | None:
        """Where the entry is now; None where it is known no more."""
        return self._view.path_of(inode)

    def is_as_told(self, inode: InodeT, attributes: Attributes) -> bool:
        """Whether a file is opened in the version in which it was opened before: then the kernel may keep its pages."""
        version = version_of(attributes)
        before = self._told.get(inode)
        if inode in self._looked_up:
            self._told[inode] = version
        return before == version

    def looked_up(self, inode: InodeT) -> None:
        """The kernel was told of it once more."""
        self._looked_up[inode] = self._looked_up.get(inode, 0) + 1
        self._view.hold(inode)

    def forget(self, inode: InodeT, count: int) -> None:
        """The kernel forgets so many tellings."""
        left = self._looked_up.get(inode, 0) - count
        self._view.release(inode, count)
        if left > 0:
            self._looked_up[inode] = left
            return
        self._looked_up.pop(inode, None)
        self._told.pop(inode, None)


def entry_attributes(inode: InodeT, attributes: Attributes, owner: Owner, borne: Borne) -> EntryAttributes:
    """What the kernel is told of an entry, and for how long."""
    entry = EntryAttributes()
    entry.st_ino = inode
    entry.generation = 0
    name_seconds = FOLDER_SECONDS if attributes.kind is Kind.DIRECTORY else BORNE_SECONDS
    entry.entry_timeout = name_seconds if borne.name else 0.0
    entry.attr_timeout = BORNE_SECONDS if borne.attributes else 0.0
    entry.st_mode = _TYPES.get(attributes.kind, stat.S_IFREG) | _permissions(attributes)
    entry.st_nlink = 2 if attributes.kind is Kind.DIRECTORY else 1
    entry.st_uid, entry.st_gid = owner.user, owner.group
    entry.st_size = len(attributes.target.encode()) if attributes.kind is Kind.LINK else attributes.size
    entry.st_blksize = PREFERRED
    entry.st_blocks = -(-attributes.size // BLOCK)
    entry.st_mtime_ns = entry.st_ctime_ns = entry.st_atime_ns = attributes.mtime_ns
    return entry


def absent_entry(borne: Borne) -> EntryAttributes:
    """What the kernel is told of a name that is not there."""
    entry = EntryAttributes()
    entry.st_ino = 0
    entry.entry_timeout = BORNE_SECONDS if borne.name else 0.0
    return entry


def _permissions(attributes: Attributes) -> int:
    if attributes.kind is Kind.LINK:
        return 0o777
    if attributes.kind is Kind.OTHER:
        return 0  # it is listed, and nobody can open it
    return attributes.mode & 0o777
