"""A file of the other side, fetched to this computer: there when it is whole."""

from __future__ import annotations

import asyncio
import os
import stat
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
    folder = await asyncio.to_thread(os.open, os.path.dirname(final), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        name, descriptor = await asyncio.to_thread(_begin, folder, os.path.basename(final))
        placed = False

        async def take(offset: int, block: Block) -> None:
            await asyncio.to_thread(_write, descriptor, offset, block)
            got(block.length)

        try:
            await read_stretch(files, path, attributes, 0, attributes.size, take)
            await asyncio.to_thread(os.rename, name, os.path.basename(final), src_dir_fd=folder, dst_dir_fd=folder)
            placed = True
        finally:
            os.close(descriptor)
            if not placed:
                await asyncio.to_thread(remove_temporary, name, folder)
    finally:
        os.close(folder)


def _is_special(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _begin(folder: int, final: str) -> tuple[bytes, int]:
    """A new file, of the mode of the one that it replaces, else of a new one of this user."""
    name = new_temporary_name()
    descriptor = os.open(name, _CREATING, 0o666, dir_fd=folder)
    try:
        os.fchmod(descriptor, stat.S_IMODE(os.stat(final, dir_fd=folder).st_mode))
    except FileNotFoundError:
        pass
    except BaseException:
        os.close(descriptor)
        remove_temporary(name, folder)
        raise
    return name, descriptor


def _write(descriptor: int, offset: int, block: Block) -> None:
    for piece in block.pieces:
        body, at = piece.body, offset + piece.at
        while body:
            count = os.pwrite(descriptor, body, at)
            body, at = body[count:], at + count
