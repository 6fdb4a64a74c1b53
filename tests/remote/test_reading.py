"""Reading a file from its beginning, some blocks ahead."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.errors import GimmalError, Interrupted, RemoteError
from gimmal.base.workers import Workers
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Version
from gimmal.remote.files import Block
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.reading import read_blocks
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool

CONTENT = os.urandom(5 * BLOCK_SIZE + 77)


class Breaking(LocalFiles):
    """A tree in which every block from some place on is not to be had."""

    failure: GimmalError | None = None
    good_until = 0
    flip = False

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        if self.failure is not None and offset >= self.good_until:
            await asyncio.sleep(0)
            raise self.failure
        block = await super().read_block(path, offset, length, version)
        if self.flip and offset >= self.good_until:
            block.pieces[0].body[5] ^= 1
        return block


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Breaking]:
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "empty").touch()
    (tmp_path / "folder").mkdir()
    service = ShareService(ShareTable([Share("s", tmp_path, Rights.READ_ONLY)]), tmp_path / "journals", bytes(32))
    session = service.open_session()
    workers = Workers()
    yield Breaking(session, BufferPool(), workers)
    workers.close()
    session.close()
    service.close()


async def read(files: Breaking, path: str, into: bytearray) -> None:
    async for block in read_blocks(files, path):
        for piece in block.pieces:
            into += piece.body
        files.release(block)


@pytest.mark.parametrize(("path", "content"), [("s/file", CONTENT), ("s/empty", b"")])
def test_a_file_comes_whole_and_in_order(files: Breaking, path: str, content: bytes) -> None:
    got = bytearray()
    asyncio.run(read(files, path, got))
    assert got == content


def test_a_folder_is_refused(files: Breaking) -> None:
    with pytest.raises(RemoteError, match="folder"):
        asyncio.run(read(files, "s/folder", bytearray()))


@pytest.mark.parametrize("failure", [RemoteError("changed", "the file changed meanwhile"), Interrupted("cut")])
def test_a_failure_is_told_once_behind_the_blocks_before_it(
    files: Breaking, failure: GimmalError, caplog: pytest.LogCaptureFixture
) -> None:
    files.failure, files.good_until = failure, 2 * BLOCK_SIZE
    got = bytearray()
    with pytest.raises(type(failure)):
        asyncio.run(read(files, "s/file", got))
    assert got == CONTENT[: 2 * BLOCK_SIZE]
    assert not caplog.records, "a person would see these on the terminal"


def test_bytes_that_changed_on_the_way_are_not_given_out(files: Breaking) -> None:
    files.flip, files.good_until = True, 3 * BLOCK_SIZE
    got = bytearray()
    with pytest.raises(RemoteError, match="not those that were sent"):
        asyncio.run(read(files, "s/file", got))
    assert got == CONTENT[: 3 * BLOCK_SIZE]
