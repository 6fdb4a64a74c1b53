"""Reading a file, or a stretch of it, as fast as the line carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO

from gimmal.base.primitives import new_blake3
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Attributes
from gimmal.remote.files import Block, Files, shown, version_of
from gimmal.remote.reading import read_verified, regular_file
from gimmal.remote.side_by_side import side_by_side

TakeBlock = Callable[[int, Block], Awaitable[None]]
"""Takes the bytes that begin at an offset; the block is released afterwards."""


async def read_stretch(files: Files, path: str, attributes: Attributes, start: int, end: int, take: TakeBlock) -> None:
    """Read a stretch of one version of a file, several blocks at a time, each verified.

    Args:
        files: the tree.
        path: wire path.
        attributes: of the version.
        start, end: bytes of it; ``end`` is at most its size.
        take: given the blocks as they come, in any order.

    Raises:
        RemoteError: ``changed`` where the file is another by now; what the other side says.
    """
    version = version_of(attributes)
    if end - start > BLOCK_SIZE:
        files.foresee(end - start)

    async def step(index: int) -> None:
        offset = start + index * BLOCK_SIZE
        block = await read_verified(files, path, offset, min(BLOCK_SIZE, end - offset), version)
        try:
            await take(offset, block)
        finally:
            files.release(block)

    await side_by_side(-(-(end - start) // BLOCK_SIZE), lambda: files.blocks_at_once, step)


async def read_bytes(files: Files, path: str, start: int = 0, end: int | None = None) -> bytes:
    """Bytes ``start`` to ``end`` of a file, to its end where ``end`` is None; fewer where it ends.

    What fits in one answer costs one question.

    Raises:
        RemoteError: it is no file; ``changed`` where it changed meanwhile; what the other side says.
    """
    if end is not None and end - start <= BLOCK_SIZE:
        return await _read_few(files, path, start, end - start) if end > start else b""
    if start == 0 and end is None and (whole := await _read_small(files, path)) is not None:
        return whole
    attributes = await regular_file(files, path)
    end = attributes.size if end is None else min(end, attributes.size)
    return await read_version(files, path, attributes, min(start, end), end)


async def read_version(files: Files, path: str, attributes: Attributes, start: int, end: int) -> bytes:
    """Bytes ``start`` to ``end`` of one version of a file; fewer where it ends. Raises as ``read_stretch``."""
    end = min(end, attributes.size)
    length = max(0, end - start)
    content = BytesIO()  # gives its bytes away without copying them
    if length:
        content.seek(length - 1)
        content.write(b"\0")
    with content.getbuffer() as view:

        async def take(offset: int, block: Block) -> None:
            for piece in block.pieces:
                at = offset - start + piece.at
                view[at : at + len(piece.body)] = piece.body

        await read_stretch(files, path, attributes, start, start + length, take)
    return content.getvalue()


async def _read_few(files: Files, path: str, offset: int, length: int) -> bytes:
    block = await files.read_block(path, offset, length, None)
    try:
        content = b"".join(piece.body for piece in block.pieces)
    finally:
        files.release(block)
    hasher = new_blake3()
    hasher.update(content)
    if len(content) != block.length or hasher.digest() != block.digest:
        raise error_of_code(Code.CORRUPT, shown(path))
    return content


async def _read_small(files: Files, path: str) -> bytes | None:
    """A whole file that fits in a bundle; None where it does not."""
    folder, _slash, name = path.rpartition("/")
    if not folder:
        return None
    bundle = await files.read_bundle(folder, [name])
    try:
        item, content = bundle.items[0], bytes(bundle.contents[0])
    finally:
        bundle.release()
    if item.code == Code.TOO_LARGE:
        return None
    if item.code:
        raise files.error(item.code, path)
    if small_file_digest(content) != item.digest:
        raise error_of_code(Code.CORRUPT, shown(path))
    return content
