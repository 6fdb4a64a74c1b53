"""Open files of the mount: reading and writing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
from dataclasses import dataclass

from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileInfo,
    FileNameT,
    FlagT,
    FUSEError,
    InodeT,
    ModeT,
    RequestContext,
)

from gimmal.base.errors import GimmalError
from gimmal.frontends.fuse.failures import answered
from gimmal.frontends.fuse.looking import Looking, Parts
from gimmal.protocol.limits import CALL_SECONDS
from gimmal.remote.edits.open_file import OpenFile
from gimmal.remote.tree.view import Found

PERMISSIONS = 0o777
"""Of a mode; no more travels."""

READ_SECONDS = CALL_SECONDS / 2
"""What one request for bytes may take: where it fails the kernel asks for the same once more, alone."""


@dataclass
class _Open:
    """One open file of a program.

    Attributes:
        inode: by which the kernel knows it.
        file: itself.
        written: something was written by it that is not known to be safe.
    """

    inode: InodeT
    file: OpenFile
    written: bool = False


class Opening(Looking):
    """Requests for the bytes of files."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._open: dict[FileHandleT, _Open] = {}
        self._of_inode: dict[InodeT, set[FileHandleT]] = {}

    # Opening and closing ---------------------------------------------------------------------------------------------

    @answered()
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        """See pyfuse3: what the kernel has of this version of the file it may keep."""
        writes = flags & os.O_ACCMODE != os.O_RDONLY
        file = await self.tree.open(
            self.path(inode), read=True, write=writes, truncate=bool(writes and flags & os.O_TRUNC)
        )
        return FileInfo(fh=self._opened(inode, file), keep_cache=self.inodes.is_as_told(inode, file.attributes))

    @answered()
    async def create(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, flags: FlagT, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        """See pyfuse3."""
        path = self.path_to_change(parent_inode, name)
        file = await self._create(path, mode, flags)
        try:
            entry = self.tell(parent_inode, path, await self.tree.find(path))
        except BaseException:
            await file.close()
            raise
        return FileInfo(fh=self._opened(entry.st_ino, file), keep_cache=False), entry

    @answered()
    async def mknod(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        """See pyfuse3: files only."""
        if not stat.S_ISREG(mode):
            raise FUSEError(errno.EPERM)
        path = self.path_to_change(parent_inode, name)
        await (await self._create(path, mode, os.O_EXCL)).close()
        return self.tell(parent_inode, path, await self.tree.find(path))

    async def _create(self, path: str, mode: ModeT, flags: FlagT) -> OpenFile:
        return await self.tree.open(
            path,
            read=True,
            write=True,
            create=True,
            exclusive=bool(flags & os.O_EXCL),
            truncate=bool(flags & os.O_TRUNC),
            mode=mode & PERMISSIONS,
        )

    def _opened(self, inode: InodeT, file: OpenFile) -> FileHandleT:
        handle = self.new_handle()
        self._open[handle] = _Open(inode, file)
        self._of_inode.setdefault(inode, set()).add(handle)
        return handle

    @answered(None)
    async def flush(self, fh: FileHandleT) -> None:
        """See pyfuse3: a program closes the file, and is told whether what it wrote is safe."""
        if self._open[fh].written:
            await self._sync(self._open[fh])

    @answered(None)
    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        """See pyfuse3: what others wrote to the file is safe then, too."""
        await self._sync(self._open[fh])

    async def _sync(self, opened: _Open) -> None:
        opened.written = False  # what is written meanwhile may be left out
        try:
            await opened.file.sync()
        except BaseException:
            opened.written = True
            raise

    @answered(None)
    async def release(self, fh: FileHandleT) -> None:
        """See pyfuse3."""
        opened = self._open.pop(fh, None)
        if opened is None:
            return
        handles = self._of_inode[opened.inode]
        handles.discard(fh)
        if not handles:
            del self._of_inode[opened.inode]
        await opened.file.close()

    async def save_all(self, seconds: float) -> None:
        """The mount ends: what programs have written and not closed is saved as if they had, as far as time allows.

        Args:
            seconds: for all of them.
        """
        waiting = [opened for opened in self._open.values() if opened.written]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for opened in waiting:
                    with contextlib.suppress(GimmalError):
                        await opened.file.sync()

    # Bytes -----------------------------------------------------------------------------------------------------------

    @answered(READ_SECONDS)
    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        """See pyfuse3."""
        return await self._open[fh].file.read(off, size)

    @answered(None)
    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        """See pyfuse3."""
        opened = self._open[fh]
        opened.written = True
        return await opened.file.write(off, buf)

    async def set_size(self, inode: InodeT, handle: FileHandleT | None, size: int) -> None:
        """Give a file this size, by an open one where there is one."""
        opened = self._open.get(handle) if handle is not None else None
        if opened is not None:
            opened.written = True
            await opened.file.truncate(size)
        else:
            await self.tree.truncate(self.path(inode), size)

    # Attributes of what is open --------------------------------------------------------------------------------------

    @answered()
    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        """See pyfuse3."""
        return await self.attributes_now(inode)

    async def attributes_now(self, inode: InodeT) -> EntryAttributes:
        """What the kernel is told of an inode; an open file has attributes also where its name is gone."""
        path = self.inodes.path(inode)
        try:
            if path is None:
                raise FUSEError(errno.ESTALE)
            return self.attributes_of(inode, path, await self.tree.find(path))
        except (FUSEError, GimmalError):
            handles = self._of_inode.get(inode)
            if not handles:
                raise
            found = Found(self._open[next(iter(handles))].file.attributes, inode, False, True)
            return self.attributes_of(inode, "", found)
