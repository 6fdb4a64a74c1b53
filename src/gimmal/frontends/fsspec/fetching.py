"""A file of the other side, fetched to this computer: there when it is whole."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import threading
from collections.abc import Callable
from typing import Any

from fsspec.utils import isfilelike

from gimmal.protocol.messages import Attributes
from gimmal.remote.files import Block, Files
from gimmal.remote.reading import read_blocks, require_file
from gimmal.remote.whole_reading import read_stretch
from gimmal.share.temporary import remove_temporary
from gimmal.share.temporary_names import new_temporary_name

_CREATING = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


async def fetch_file(files: Files, path: str, attributes: Attributes, target: Any, got: Callable[[int], None]) -> None:
    """Fetch a whole file.

    Args:
        files: the other side's.
        path: wire path.
        attributes: of it.
        target: path of this computer, or something with ``write``. What has a name there is replaced when all bytes
            have come; a device or pipe is written to.
        got: told how many bytes more have come.

    Raises:
        RemoteError: it is no file; ``changed`` where it changes meanwhile; what the other side says.
        OSError: this computer does not take it.
    """
    require_file(attributes, path)
    if isfilelike(target):
        await _write_in_order(files, path, target, got)
        return
    final = await asyncio.to_thread(os.path.realpath, os.fspath(target))
    if await asyncio.to_thread(_is_special, final):
        with await asyncio.to_thread(open, final, "wb") as file:
            await _write_in_order(files, path, file, got)
        return
    await _write_whole(files, path, attributes, final, got)


async def _write_in_order(files: Files, path: str, file: Any, got: Callable[[int], None]) -> None:
    async for block in read_blocks(files, path):
        try:
            for piece in block.pieces:
                await asyncio.to_thread(file.write, bytes(piece.body))
            got(block.length)
        finally:
            files.release(block)


async def _write_whole(files: Files, path: str, attributes: Attributes, final: str, got: Callable[[int], None]) -> None:
    incoming = _Incoming(final)

    async def take(offset: int, block: Block) -> None:
        await asyncio.to_thread(incoming.write, offset, block)
        got(block.length)

    try:
        await asyncio.to_thread(incoming.begin)
        await read_stretch(files, path, attributes, 0, attributes.size, take)
        await asyncio.to_thread(incoming.place)
    finally:
        await asyncio.to_thread(incoming.leave)


def _is_special(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class _Incoming:
    """A file of this computer in the making; its methods run in threads.

    A thread goes on where nobody waits for it any more. None writes to a descriptor that was closed, whose number may
    be another file's by then.

    Args:
        final: path of this computer, links in it followed.
    """

    def __init__(self, final: str) -> None:
        self._above, self._final = os.path.split(final)
        self._lock = threading.Lock()
        self._over = False
        self._folder = self._descriptor = -1
        self._name = b""

    def begin(self) -> None:
        """Make it, of the mode of the file that it replaces, else of a new one of this user."""
        with self._lock:
            if self._over:
                return
            self._folder = os.open(self._above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            name = new_temporary_name()
            self._descriptor = os.open(name, _CREATING, 0o666, dir_fd=self._folder)
            self._name = name
            with contextlib.suppress(FileNotFoundError):
                os.fchmod(self._descriptor, stat.S_IMODE(os.stat(self._final, dir_fd=self._folder).st_mode))

    def write(self, offset: int, block: Block) -> None:
        """Write bytes at their place."""
        with self._lock:
            for piece in block.pieces if not self._over else ():
                body, at = piece.body, offset + piece.at
                while body:
                    count = os.pwrite(self._descriptor, body, at)
                    body, at = body[count:], at + count

    def place(self) -> None:
        """Give it its name."""
        with self._lock:
            if not self._over:
                os.rename(self._name, self._final, src_dir_fd=self._folder, dst_dir_fd=self._folder)
                self._name = b""

    def leave(self) -> None:
        """Close it; one without its name is removed."""
        with self._lock:
            self._over = True
            if self._name:
                remove_temporary(self._name, self._folder)
            for descriptor in (self._descriptor, self._folder):
                if descriptor >= 0:
                    os.close(descriptor)
