"""What the kernel asks about entries: names, attributes, listings, links, room."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace

import pyfuse3
from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileNameT,
    FUSEError,
    InodeT,
    ReaddirToken,
    RequestContext,
    StatvfsData,
    XAttrNameT,
)

from gimmal.base.errors import RemoteError
from gimmal.frontends.fuse.coherence import Coherence
from gimmal.frontends.fuse.failures import answered
from gimmal.frontends.fuse.inodes import Inodes, Owner, absent_entry, entry_attributes
from gimmal.frontends.fuse.room import Rooms
from gimmal.frontends.fuse.xattrs import USER, Xattrs
from gimmal.protocol.messages import Kind
from gimmal.remote.edits.tree import EditedTree
from gimmal.remote.tree.records import Name, joined
from gimmal.remote.tree.view import Borne, Found

STALE = b"user.gimmal.stale"
"""Extended attribute of what is told as it was last known, for the other side cannot be reached now."""

NAME_MAX = 255

NOT_BORNE = Borne(False, False)


@dataclass(frozen=True)
class Parts:
    """What the requests of one mount work on.

    Attributes:
        tree: the other side's.
        inodes: that the kernel knows.
        coherence: of the kernel's cache.
        owner: of all files.
        rooms: on the disks of the shares.
        xattrs: of entries.
    """

    tree: EditedTree
    inodes: Inodes
    coherence: Coherence
    owner: Owner
    rooms: Rooms
    xattrs: Xattrs


@dataclass
class _Listing:
    """A folder that is being listed: as it was when the listing began."""

    inode: InodeT
    path: str
    names: list[Name]


class Looking(pyfuse3.Operations):
    """Requests that change nothing."""

    supports_dot_lookup = False

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.tree = parts.tree
        self.inodes = parts.inodes
        self.coherence = parts.coherence
        self._owner = parts.owner
        self._rooms = parts.rooms
        self._xattrs = parts.xattrs
        self._listings: dict[FileHandleT, _Listing] = {}
        self._handles = 0

    # Entries ---------------------------------------------------------------------------------------------------------

    @answered()
    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        """See pyfuse3: a name that is not there is told as such, so that the kernel may keep it."""
        path = self.path_in(parent_inode, name)
        try:
            found = await self.tree.find(path)
        except RemoteError as error:
            if error.code != "not_found":
                raise
            borne = self.tree.view.borne_out(path)
            keep = borne.name and self.coherence.may_keep_absent(parent_inode, name)
            return absent_entry(borne if keep else NOT_BORNE)
        return self.tell(parent_inode, path, found)

    async def forget(self, inode_list: list[tuple[InodeT, int]]) -> None:  # type: ignore[override, unused-ignore]
        """See pyfuse3."""
        for inode, count in inode_list:
            self.inodes.forget(inode, count)

    @answered()
    async def readlink(self, inode: InodeT, ctx: RequestContext) -> FileNameT:
        """See pyfuse3."""
        return (await self.tree.read_link(self.path(inode))).encode()

    # Folders ---------------------------------------------------------------------------------------------------------

    @answered()
    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        """See pyfuse3: all names of the folder are known then."""
        path = self.path(inode)
        names = (await self.tree.listing(path)).names
        handle = self.new_handle()
        self._listings[handle] = _Listing(inode, path, names)
        return handle

    @answered()
    async def readdir(self, fh: FileHandleT, start_id: int, token: ReaddirToken) -> None:
        """See pyfuse3: each name with its attributes, so that nobody has to ask for them one by one."""
        listing = self._listings[fh]
        for at in range(start_id, len(listing.names)):
            name = listing.names[at]
            path = joined(listing.path, name.name)
            found = await self._listed(path, name.kind)
            if found is None:
                continue  # removed since
            entry = self.tell(listing.inode, path, found)
            if not pyfuse3.readdir_reply(token, name.name.encode(), entry, at + 1):
                self.inodes.forget(entry.st_ino, 1)
                return

    async def _listed(self, path: str, kind: Kind) -> Found | None:
        """An entry of a listing. A folder in it as it was told last, for nobody may want to know more: its time is not
        borne out by the watch of the folder above."""
        known = self.tree.view.known(path) if kind is Kind.DIRECTORY else None
        if known is not None:
            return replace(known, stale=False)
        try:
            return await self.tree.find(path)
        except RemoteError:
            return None

    async def releasedir(self, fh: FileHandleT) -> None:
        """See pyfuse3."""
        self._listings.pop(fh, None)

    @answered()
    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        """See pyfuse3: what programs here did to the names in a folder is durable then, at home or in the journal."""
        await self.tree.sync_names(self.path(self._listings[fh].inode))

    # More ------------------------------------------------------------------------------------------------------------

    @answered()
    async def statfs(self, ctx: RequestContext) -> StatvfsData:
        """See pyfuse3: the kernel does not say for which folder; see Rooms."""
        room = await self._rooms.largest()
        told = StatvfsData()
        told.f_bsize = told.f_frsize = size = 4096
        told.f_blocks, told.f_bfree, told.f_bavail = room.total // size, room.free // size, room.available // size
        told.f_namemax = NAME_MAX
        return told

    @answered()
    async def getxattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> bytes:
        """See pyfuse3."""
        path = self.path(inode)
        if name == STALE:
            if await self._is_stale(path):
                return b"1"
            raise FUSEError(pyfuse3.ENOATTR)
        value = (await self._xattrs.of(path)).get(name) if name.startswith(USER) else None
        if value is None:
            raise FUSEError(pyfuse3.ENOATTR)
        return value

    @answered()
    async def listxattr(self, inode: InodeT, ctx: RequestContext) -> list[XAttrNameT]:
        """See pyfuse3."""
        path = self.path(inode)
        stale = [STALE] if await self._is_stale(path) else []
        return [*stale, *await self._xattrs.of(path)]

    async def _is_stale(self, path: str) -> bool:
        found = await self.tree.find(path)
        if found.attributes.kind is Kind.DIRECTORY and not found.stale:
            return (await self.tree.listing(path)).stale
        return found.stale

    # What the requests share -----------------------------------------------------------------------------------------

    def path(self, inode: InodeT) -> str:
        """Where an inode is now.

        Raises:
            FUSEError: ESTALE where it is no more; the kernel looks its name up again then.
        """
        path = self.inodes.path(inode)
        if path is None:
            raise FUSEError(errno.ESTALE)
        return path

    def path_in(self, folder: InodeT, name: FileNameT) -> str:
        """The path of a name in a folder.

        Raises:
            FUSEError: the name is none that may travel.
        """
        try:
            return joined(self.path(folder), name.decode())
        except UnicodeDecodeError:
            raise FUSEError(errno.EILSEQ) from None

    def path_to_change(self, folder: InodeT, name: FileNameT) -> str:
        """As ``path_in``, of a name that is to be made, moved or removed.

        Raises:
            FUSEError: also EACCES for a share itself: which there are is for who keeps them.
        """
        if folder == pyfuse3.ROOT_INODE:
            raise FUSEError(errno.EACCES)
        return self.path_in(folder, name)

    def tell(self, folder: InodeT, path: str, found: Found) -> EntryAttributes:
        """What the kernel is told of an entry by its name in a folder: from now on it knows it."""
        is_folder = found.attributes.kind is Kind.DIRECTORY
        inode = self.inodes.tell(found.number, folder, path, is_folder=is_folder)
        self.coherence.make_room()
        return self.attributes_of(inode, path, found)

    def attributes_of(self, inode: InodeT, path: str, found: Found) -> EntryAttributes:
        """What the kernel is told of an entry that it knows."""
        borne = NOT_BORNE if found.stale else self.tree.view.borne_out(path)
        return entry_attributes(inode, found.attributes, self._owner, borne)

    def new_handle(self) -> FileHandleT:
        """A number for something that is opened."""
        self._handles += 1
        return self._handles
