"""The cache over a real session: what the simulated line of test_cached_file claims holds there too."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

CONTENT = content_of(5_000_003)


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "film.mkv").write_bytes(CONTENT)
    return made


def cache_of(sides: Sides) -> FileCache:
    async def files() -> Files:
        return sides.far

    return FileCache(files)


def test_reads_in_any_order_are_right_and_a_change_is_told(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        cache, draw = cache_of(sides), random.Random(3)
        file = await cache.open("far/film.mkv")
        assert file.size == len(CONTENT)
        with file.reader() as reader:
            for _ in range(100):
                place, length = draw.randrange(len(CONTENT)), draw.randrange(1, 100_000)
                assert await reader.read(place, length) == CONTENT[place : place + length]
            (two.far / "film.mkv").write_bytes(CONTENT[::-1])
            await asyncio.sleep(0)
            with pytest.raises(RemoteError, match="changed meanwhile"):
                for place in range(0, len(CONTENT), 65536):
                    await reader.read(place, 65536)
                    file.confirmed_at = 0
                    await file.confirm()
        with (await cache.open("far/film.mkv")).reader() as reader:
            assert await reader.read(0, 1 << 30) == CONTENT[::-1]
        await cache.close()

    two.run(work)


def test_4_kib_here_and_there_move_few_bytes(two: TwoSides) -> None:
    size = 1 << 30
    os.truncate(two.far / "film.mkv", size)

    async def work(sides: Sides) -> int:
        cache, draw = cache_of(sides), random.Random(4)
        with (await cache.open("far/film.mkv")).reader() as reader:
            before = sides.wire_bytes
            for _ in range(100):
                await reader.read(draw.randrange(size - 4096), 4096)
            moved = sides.wire_bytes - before
        await cache.close()
        return moved

    assert two.run(work) <= 100 * 16 * 1024


def test_one_after_another_moves_each_byte_once(two: TwoSides) -> None:
    async def work(sides: Sides) -> int:
        cache = cache_of(sides)
        with (await cache.open("far/film.mkv")).reader(streaming=True) as reader:
            got, at = b"", 0
            while piece := await reader.read_some(at, 65536):
                got += piece
                at += len(piece)
            assert got == CONTENT
        await cache.close()
        return sides.wire_bytes

    assert two.run(work) <= 1.05 * len(CONTENT)
