"""What the kernel asks to be changed among names: folders, links, removing, moving, attributes."""

from __future__ import annotations

import errno

import pyfuse3
from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileNameT,
    FlagT,
    FUSEError,
    InodeT,
    ModeT,
    RequestContext,
    SetattrFields,
    XAttrNameT,
)

from gimmal.frontends.fuse.failures import answered
from gimmal.frontends.fuse.looking import STALE
from gimmal.frontends.fuse.opening import PERMISSIONS, Opening
from gimmal.frontends.fuse.xattrs import USER
from gimmal.protocol.messages import Kind


class Changing(Opening):
    """Requests that change names and attributes."""

    @answered()
    async def mkdir(self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext) -> EntryAttributes:
        """See pyfuse3."""
        path = self.path_to_change(parent_inode, name)
        await self.tree.make_directory(path, mode & PERMISSIONS)
        return self.tell(parent_inode, path, await self.tree.find(path))

    @answered()
    async def unlink(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        """See pyfuse3."""
        await self.tree.remove(self.path_to_change(parent_inode, name))

    @answered()
    async def rmdir(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        """See pyfuse3."""
        await self.tree.remove_directory(self.path_to_change(parent_inode, name))

    @answered()
    async def symlink(
        self, parent_inode: InodeT, name: FileNameT, target: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        """See pyfuse3."""
        path = self.path_to_change(parent_inode, name)
        await self.tree.make_link(path, _text(target))
        return self.tell(parent_inode, path, await self.tree.find(path))

    @answered()
    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        """See pyfuse3; two entries cannot be exchanged in one step."""
        if flags & ~pyfuse3.RENAME_NOREPLACE:
            raise FUSEError(errno.EINVAL)
        source = self.path_to_change(parent_inode_old, name_old)
        target = self.path_to_change(parent_inode_new, name_new)
        try:
            await self.tree.rename(source, target, replace=not flags & pyfuse3.RENAME_NOREPLACE)
        except BaseException:
            self.coherence.doubt_names((parent_inode_old, name_old), (parent_inode_new, name_new))
            raise
        self.inodes.moved(source, parent_inode_new, target)

    @answered()
    async def link(
        self, inode: InodeT, new_parent_inode: InodeT, new_name: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        """A second name for a file is refused, as many disks do: each name would be a file of its own to this mount."""
        raise FUSEError(errno.EPERM)

    @answered()
    async def setattr(
        self,
        inode: InodeT,
        attr: EntryAttributes,
        fields: SetattrFields,
        fh: FileHandleT | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        """See pyfuse3. What is not kept changes nothing, and is no error: owners, times of access, times of links."""
        if fields.update_size:
            await self.set_size(inode, fh, attr.st_size)
        if (fields.update_mode or fields.update_mtime) and not await self._is_link(inode):
            await self.tree.set_attributes(
                self.path(inode),
                mode=attr.st_mode & PERMISSIONS if fields.update_mode else None,
                mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
            )
        return await self.attributes_now(inode)

    async def _is_link(self, inode: InodeT) -> bool:
        return (await self.tree.find(self.path(inode))).attributes.kind is Kind.LINK

    @answered()
    async def setxattr(self, inode: InodeT, name: XAttrNameT, value: bytes, ctx: RequestContext) -> None:
        """See pyfuse3."""
        path = self.path(inode)
        if not name.startswith(USER) or name == STALE:
            raise FUSEError(errno.EOPNOTSUPP)
        self._xattrs.forget(path)
        await self.tree.set_xattr(path, _text(name), value)

    @answered()
    async def removexattr(self, inode: InodeT, name: XAttrNameT, ctx: RequestContext) -> None:
        """See pyfuse3."""
        path = self.path(inode)
        if not name.startswith(USER):
            raise FUSEError(pyfuse3.ENOATTR)
        self._xattrs.forget(path)
        await self.tree.remove_xattr(path, _text(name))


def _text(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        raise FUSEError(errno.EILSEQ) from None
