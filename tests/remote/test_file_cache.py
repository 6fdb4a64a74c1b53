"""The cache over a real session: what the simulated line of test_cached_file claims holds there too."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.remote import file_cache
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


def test_a_version_that_this_side_made_is_not_fetched_where_it_is_known(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        cache = cache_of(sides)
        old = await cache.open("far/film.mkv")
        with old.reader() as reader:
            assert await reader.read(0, 3_000_000) == CONTENT[:3_000_000]
        content = CONTENT[:1_000_000] + b"new" + CONTENT[1_000_003:2_000_000] + CONTENT[1_500_000:]
        (two.far / "film.mkv").write_bytes(content)
        attributes = await sides.far.stat("far/film.mkv")
        file = cache.replaced(
            "far/film.mkv", attributes, [(0, 1_000_000), (1_000_003, 2_000_000)], [(1_000_000, b"new")]
        )
        assert old.changed
        assert cache.known("far/film.mkv") is file
        assert cache.adopt("far/film.mkv", attributes) is file
        before = sides.wire_bytes
        with file.reader() as reader:
            assert await reader.read(0, 2_000_000) == content[:2_000_000]
            assert sides.wire_bytes == before
            assert await reader.read(0, 1 << 30) == content
        await cache.close()

    two.run(work)


def test_what_moves_is_read_under_its_new_name_and_what_is_removed_not_at_all(two: TwoSides) -> None:
    (two.far / "folder").mkdir()
    (two.far / "folder" / "x").write_bytes(CONTENT)

    async def work(sides: Sides) -> None:
        cache = cache_of(sides)
        file = await cache.open("far/folder/x")
        with file.reader() as reader:
            assert await reader.read(0, 1000) == CONTENT[:1000]
            (two.far / "folder").rename(two.far / "other")
            cache.renamed("far/folder", "far/other")
            assert cache.known("far/other/x") is file
            assert cache.known("far/folder/x") is None
            assert await reader.read(4_000_000, 1000) == CONTENT[4_000_000:4_001_000]
            cache.removed("far/other/x")
            with pytest.raises(RemoteError, match="changed"):
                await reader.read(0, 1000)
        await cache.close()

    two.run(work)


def test_who_has_written_over_a_version_has_its_bytes_also_when_it_is_replaced(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        cache = cache_of(sides)
        file = await cache.open("far/film.mkv")
        with file.reader() as reader:
            await reader.read(0, 10_000)
        file.edited()
        cache.removed("far/film.mkv")
        assert file.parts(100, 4096) == [(100, CONTENT[100:4096])]
        held = b"".join(content for _at, content in file.parts(0, 1 << 62))
        assert len(held) >= 10_000
        assert held == CONTENT[: len(held)]
        file.edits_over()
        assert file.parts(0, 4096) == []
        await cache.close()

    two.run(work)


def test_however_many_files_are_known_those_that_are_written_over_keep_their_bytes(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_cache, "FILES_MAX", 2)
    for number in range(5):
        (two.far / f"{number}").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        cache = cache_of(sides)
        file = await cache.open("far/film.mkv")
        with file.reader() as reader:
            await reader.read(0, 4096)
        file.edited()
        for number in range(5):
            await cache.open(f"far/{number}")
        assert file.parts(0, 4096) == [(0, CONTENT[:4096])]
        file.edits_over()
        await cache.open("far/0")
        assert file.parts(0, 4096) == []
        await cache.close()

    two.run(work)
