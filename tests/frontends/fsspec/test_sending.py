"""The bytes of a file of this computer."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.frontends.fsspec.sending import local_content
from gimmal.protocol.limits import BLOCK_SIZE
from tests.endtoend.world import content


def test_a_file_comes_in_blocks(tmp_path: Path) -> None:
    data = content(2 * BLOCK_SIZE + 5)
    (tmp_path / "file").write_bytes(data)

    async def main() -> None:
        async with local_content(str(tmp_path / "file")) as (size, load):
            assert size == len(data)
            assert b"".join([await load(index) for index in range(3)]) == data

    asyncio.run(main())


def test_a_file_that_changes_meanwhile_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(10))

    async def main() -> None:
        async with local_content(str(path)) as (_size, load):
            assert await load(0) == bytes(10)
            with path.open("ab") as file:
                file.write(b"more")
            with pytest.raises(RemoteError, match="changed meanwhile"):
                await load(0)

    asyncio.run(main())


def test_a_file_that_is_not_there_is_an_error_of_this_computer(tmp_path: Path) -> None:
    async def main() -> None:
        with pytest.raises(FileNotFoundError):
            async with local_content(str(tmp_path / "missing")):
                pass
        before = len(os.listdir("/proc/self/fd"))
        async with local_content(__file__):
            pass
        assert len(os.listdir("/proc/self/fd")) == before

    asyncio.run(main())
