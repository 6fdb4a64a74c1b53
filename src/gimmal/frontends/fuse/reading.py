"""Open files of the mount, for reading."""

from __future__ import annotations

import errno
import os

from pyfuse3 import FileHandleT, FileInfo, FlagT, FUSEError, InodeT, RequestContext

from gimmal.frontends.fuse.failures import answered
from gimmal.frontends.fuse.looking import Looking, Parts
from gimmal.frontends.fuse.reading_tree import OpenedFile


class Reading(Looking):
    """Requests for the bytes of files."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._open: dict[FileHandleT, OpenedFile] = {}

    @answered()
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        """See pyfuse3: what the kernel has of this version of the file it may keep."""
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise FUSEError(errno.EROFS)
        file = await self.tree.open(self.path(inode))
        handle = self.new_handle()
        self._open[handle] = file
        return FileInfo(fh=handle, keep_cache=self.inodes.is_as_told(inode, file.attributes))

    @answered()
    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        """See pyfuse3."""
        return await self._open[fh].read(off, size)

    async def flush(self, fh: FileHandleT) -> None:
        """See pyfuse3."""

    async def release(self, fh: FileHandleT) -> None:
        """See pyfuse3."""
        file = self._open.pop(fh, None)
        if file is not None:
            file.close()
