"""Reading one file from its beginning, a few blocks ahead."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from gimmal.base.display import displayable
from gimmal.base.errors import GimmalError, RemoteError
from gimmal.base.primitives import new_blake3
from gimmal.base.tasks import Tasks
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Attributes, Kind, Version
from gimmal.remote.files import Block, Files, version_of

AHEAD = 3
"""Blocks under way while one is being used."""

_NO_FILES = {
    Kind.DIRECTORY: Code.IS_A_DIRECTORY,
    Kind.LINK: Code.LINK_REFUSED,
    Kind.OTHER: Code.SPECIAL_FILE,
}


async def regular_file(files: Files, path: str) -> Attributes:
    """Attributes of a file that can be read.

    Raises:
        RemoteError: it is no file; what the other side says.
    """
    return require_file(await files.stat(path), path)


def require_file(attributes: Attributes, path: str) -> Attributes:
    """The same attributes, of a file that can be read.

    Raises:
        RemoteError: it is no file.
    """
    if attributes.kind is not Kind.FILE:
        raise error_of_code(_NO_FILES[attributes.kind], displayable(":" + path))
    return attributes


async def read_blocks(files: Files, path: str) -> AsyncIterator[Block]:
    """The blocks of a file in order, each verified; the caller releases each.

    Raises:
        RemoteError: ``changed`` where the file changes meanwhile; what the other side says.
    """
    attributes = await regular_file(files, path)
    version = version_of(attributes)
    tasks = Tasks()
    waiting: deque[asyncio.Task[Block | GimmalError]] = deque()
    offset = 0
    try:
        while waiting or offset < attributes.size:
            while len(waiting) < AHEAD and offset < attributes.size:
                length = min(BLOCK_SIZE, attributes.size - offset)
                waiting.append(tasks.start(_read(files, path, offset, length, version), "read ahead"))
                offset += length
            block = await waiting.popleft()
            if isinstance(block, GimmalError):
                raise block
            yield block
    finally:
        tasks.cancel()


async def _read(files: Files, path: str, offset: int, length: int, version: Version) -> Block | GimmalError:
    """A block, or why there is none: of those read ahead only the first failure is told."""
    try:
        return await read_verified(files, path, offset, length, version)
    except GimmalError as exc:
        return exc


async def read_verified(files: Files, path: str, offset: int, length: int, version: Version) -> Block:
    """A stretch of a file that must lie in it, as `Files.read_block`; the caller releases it.

    Raises:
        RemoteError: ``changed`` where it does not, ``corrupt``; what the other side says.
    """
    block = await files.read_block(path, offset, length, version)
    if block.length != length:
        files.release(block)
        raise RemoteError("changed", f"{displayable(':' + path)}: the file changed meanwhile", "run the command again")
    hasher = new_blake3()
    for piece in block.pieces:
        hasher.update(piece.body)
    if hasher.digest() != block.digest:
        files.release(block)
        raise error_of_code(Code.CORRUPT, displayable(":" + path))
    return block
