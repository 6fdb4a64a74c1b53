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


FIRST_OTHER = 1 << 61
"""Inodes of files that the kernel knows by another name still: far from the numbers that the view gives."""


@dataclass(slots=True)
class _Told:
    """An inode as the kernel was told of it.

    Attributes:
        number: of the entry in the view.
        folder: inode of the folder in which it was found.
        path: by which it was found.
        is_folder: whether it is one.
        unknown: the view has no path for it: it was made here while the line was down.
        count: how often the kernel was told.
        version: in which it was opened last.
    """

    number: int
    folder: InodeT
    path: str
    is_folder: bool
    unknown: bool
    count: int = 0
    version: Version | None = None


class Inodes:
    """The inodes that the kernel knows.

    An entry's inode is its number in the view, which stays over renames and over what this mount itself saves. But a
    file has one name for each inode: where one that the kernel knows turns up under another name without a rename by
    the kernel itself, it gets another inode there. With one for both names the kernel would take a rename of the one
    to the other for done, and not ask for it.

    Args:
        view: of the other side's tree.
    """

    def __init__(self, view: TreeView) -> None:
        self._view = view
        self._told: dict[InodeT, _Told] = {}
        self._others: dict[tuple[int, str], InodeT] = {}
        self._next_other = FIRST_OTHER

    def __len__(self) -> int:
        return len(self._told)

    def tell(self, number: int, folder: InodeT, path: str, *, is_folder: bool) -> InodeT:
        """The inode of an entry, of which the kernel is told now once more.

        Args:
            number: in the view.
            folder: inode of the folder in which it is found.
            path: of the entry.
            is_folder: whether it is one.
        """
        inode = number
        told = self._told.get(number)
        if told is not None and told.path != path:
            if is_folder:
                told.folder, told.path = folder, path  # the kernel moves it, with all below it
            else:
                inode = self._other(number, path)
                told = self._told.get(inode)
        if told is None:
            unknown = self._view.path_of(number) is None
            told = self._told[inode] = _Told(number, folder, path, is_folder, unknown)
        told.count += 1
        self._view.hold(number)
        return inode

    def _other(self, number: int, path: str) -> InodeT:
        inode = self._others.get((number, path))
        if inode is None:
            self._next_other += 1
            inode = self._others[number, path] = self._next_other
        return inode

    def forget(self, inode: InodeT, count: int) -> None:
        """The kernel forgets so many tellings."""
        told = self._told.get(inode)
        if told is None:
            return
        self._view.release(told.number, count)
        told.count -= count
        if told.count <= 0:
            del self._told[inode]
            self._others.pop((told.number, told.path), None)

    def path(self, inode: InodeT) -> str | None:
        """Where the entry is now; None where it is known no more."""
        told = self._told.get(inode)
        if told is None:
            return self._view.path_of(inode)
        path = self._view.path_of(told.number)
        return told.path if path is None and told.unknown else path

    def at(self, number: int, path: str) -> InodeT | None:
        """The inode by which the kernel knows an entry under this path; None where it does not."""
        for inode in (number, self._others.get((number, path))):
            if inode is not None and (told := self._told.get(inode)) is not None and told.path == path:
                return inode
        return None

    def moved(self, source: str, folder: InodeT, target: str) -> None:
        """The kernel itself moved an entry, with all below it.

        Args:
            source, target: paths.
            folder: inode of the folder in which it is now.
        """
        below = source + "/"
        for inode, told in self._told.items():
            if told.path != source and not told.path.startswith(below):
                continue
            path = target + told.path[len(source) :]
            if self._others.get((told.number, told.path)) == inode:
                del self._others[told.number, told.path]
                self._others[told.number, path] = inode
            if told.path == source:
                told.folder = folder
            told.path = path

    def names(self) -> Iterator[tuple[InodeT, InodeT, bytes]]:
        """Each inode, and folder and name by which the kernel knows it; of folders no name."""
        for inode, told in self._told.items():
            name = b"" if told.is_folder else told.path.rpartition("/")[2].encode()
            yield inode, told.folder, name

    def is_as_told(self, inode: InodeT, attributes: Attributes) -> bool:
        """Whether a file is opened in the version in which it was opened before: then the kernel may keep its pages."""
        told = self._told.get(inode)
        version = version_of(attributes)
        if told is None or told.version == version:
            return told is not None
        told.version = version
        return False


def entry_attributes(inode: InodeT, attributes: Attributes, owner: Owner, borne: Borne) -> EntryAttributes:
    """What the kernel is told of an entry, and for how long."""
    entry = EntryAttributes()
    entry.st_ino = inode
    entry.generation = 0
    name_seconds = FOLDER_SECONDS if attributes.kind is Kind.DIRECTORY else BORNE_SECONDS
    entry.entry_timeout = name_seconds if borne.name else 0.0
    entry.attr_timeout = BORNE_SECONDS if borne.attributes else 0.0
    entry.st_mode = _TYPES.get(attributes.kind, stat.S_IFREG) | _permissions(attributes)
    entry.st_nlink = 1  # of a folder too: how many are in it is not known, and find would believe a number
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
