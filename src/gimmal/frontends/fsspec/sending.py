"""The bytes of a file of this computer, to be sent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gimmal.base.display import displayable
from gimmal.base.errors import RemoteError
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.remote.upload import LoadBlock


@asynccontextmanager
async def local_content(path: str) -> AsyncIterator[tuple[int, LoadBlock]]:
    """Size of a file of this computer, and what brings its blocks.

    Args:
        path: of this computer.

    Raises:
        OSError: it cannot be read.
        RemoteError: by what brings the blocks: ``changed`` where it changes meanwhile.
    """
    descriptor, before = await asyncio.to_thread(_open, path)

    def read(index: int) -> bytes:
        content = os.pread(descriptor, BLOCK_SIZE, index * BLOCK_SIZE)
        now = os.fstat(descriptor)
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise RemoteError("changed", f"{displayable(path)}: the file changed meanwhile", "send it again")
        return content

    async def load(index: int) -> bytes:
        return await asyncio.to_thread(read, index)

    try:
        yield before.st_size, load
    finally:
        os.close(descriptor)


def _open(path: str) -> tuple[int, os.stat_result]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return descriptor, os.fstat(descriptor)
