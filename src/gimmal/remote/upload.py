"""One whole file on its way to the other side: there under its name when all of it is, and not before."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from gimmal.base.errors import GimmalError, ProtocolViolation
from gimmal.base.primitives import blake3_digest, random_bytes
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.digest import block_count, block_length, file_digest, small_file_digest
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX, BUNDLE_CONTENT_MAX
from gimmal.protocol.messages import BundleFile, Commit, OpenPart, Replace, Version, WriteBundle
from gimmal.remote.files import Block, Files, shown
from gimmal.remote.side_by_side import side_by_side
from gimmal.transport.exchange import Piece

LoadBlock = Callable[[int], Awaitable[bytes]]
"""Brings the block of a number; called again where it has to be sent again."""


class Upload:
    """Sends one file, then gives it its name.

    Args:
        files: the other side's.
        path: wire path.
        size: bytes.
        load: brings its blocks.
        replace: what may stand under its name before.
        expected: the version that may, with ``Replace.EXPECTED``.
        mtime_ns: time to give it; None for now.
        mode: permission bits; None for those of the file that it replaces, or of a new one there.
        sent: told how many bytes more have arrived.

    Call ``send`` and then ``place``, or ``discard``; after a failure ``send`` may be called again. A small file travels
    in one request, when it is placed.
    """

    def __init__(
        self,
        files: Files,
        path: str,
        size: int,
        load: LoadBlock,
        *,
        replace: Replace,
        expected: Version | None = None,
        mtime_ns: int | None = None,
        mode: int | None = None,
        sent: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._files = files
        self._path = path
        self._size = size
        self._load = load
        self.replace = replace
        self._expected = expected
        self._mtime_ns = mtime_ns
        self._mode = mode
        self._sent = sent
        self._part: int | None = None
        self._digests = [b""] * block_count(size)

    @property
    def small(self) -> bool:
        """Whether it travels in one request."""
        return self._size <= BUNDLE_CONTENT_MAX and self.replace is not Replace.EXPECTED and "/" in self._path

    async def send(self) -> None:
        """Have all bytes on the other side, without their name yet.

        Raises:
            RemoteError: what the other side says.
            UnreachableError: it was cut; nothing is left to go on with.
        """
        if self.small:
            return
        source = random_bytes(16)
        request = OpenPart(self._path, self._size, source, self.replace, self._expected)
        opened = await self._files.open_part(request)
        if opened.blocks:
            raise ProtocolViolation("the other side has blocks of a file that was never sent", "try again")
        self._part = opened.part
        self._files.foresee(self._size)
        try:
            await self._send_blocks(opened.part)
        except BaseException:
            await self.discard()
            raise

    async def _send_blocks(self, part: int) -> None:
        async def step(index: int) -> None:
            await self._send_block(part, index)

        await side_by_side(len(self._digests), lambda: self._files.blocks_at_once, step)

    async def _send_block(self, part: int, index: int) -> None:
        length = block_length(self._size, index)

        async def load() -> Block:
            content = await self._load(index)
            # Hashing a block takes a while.
            return await asyncio.to_thread(_block, content, length, self._path)

        self._digests[index] = await self._files.write_block(part, index * BLOCK_SIZE, length, load)
        self._sent(length)

    async def place(self) -> None:
        """Give it its name, durably; call it once.

        Raises:
            RemoteError: what the other side says; nothing has changed there.
            UnreachableError: it was cut; the file stands there, or not.
        """
        mtime_ns = time.time_ns() if self._mtime_ns is None else self._mtime_ns
        if self.small:
            await self._place_small(mtime_ns)
            return
        if self._part is None:
            raise error_of_code(Code.UNKNOWN_PART, shown(self._path))
        digest = file_digest(self._size, self._digests)
        try:
            await self._files.commit(Commit(self._part, digest, mtime_ns, self._mode), self._path)
        except GimmalError:
            await self.discard()
            raise
        self._part = None

    async def _place_small(self, mtime_ns: int) -> None:
        content = await self._load(0) if self._size else b""
        if len(content) != self._size:
            raise error_of_code(Code.CHANGED, shown(self._path))
        folder, _slash, name = self._path.rpartition("/")
        header = BundleFile(name, self._size, small_file_digest(content), mtime_ns, self._mode)
        request = WriteBundle(folder, self.replace)
        (code,) = await self._files.write_bundle(request, [header], [memoryview(content)])
        if code:
            raise self._files.error(code, self._path)
        self._sent(self._size)

    async def discard(self) -> None:
        """Give up what was sent."""
        part, self._part = self._part, None
        if part is not None:
            with contextlib.suppress(GimmalError):
                await self._files.discard(part, remove=True)


def _block(content: bytes, length: int, path: str) -> Block:
    if len(content) != length:
        raise error_of_code(Code.CHANGED, shown(path))
    view = memoryview(content)
    pieces = [Piece(view[at : at + BODY_MAX], None, at) for at in range(0, length, BODY_MAX)]
    return Block(pieces, length, blake3_digest(content))
