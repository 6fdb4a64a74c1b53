"""A comparison of two versions: what is planned for a block, and when."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from blake3 import blake3

from gimmal.base.errors import Interrupted
from gimmal.protocol.chunk_messages import Average, ListChunks
from gimmal.protocol.chunks import ChunkPage
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Replace
from gimmal.remote import comparison
from gimmal.remote.comparison import MISFITS_MAX, Comparison
from gimmal.remote.file_job import FileJob
from gimmal.remote.files import version_of
from gimmal.remote.files_around import FilesAround
from gimmal.share import chunking
from tests.remote.two_sides import Sides, TwoSides

MIB = 1 << 20
OLD = random.Random(1).randbytes(3 * BLOCK_SIZE)


class Held(FilesAround):
    """A tree whose lists wait, each, to be let go."""

    def __init__(self, inner: FilesAround) -> None:
        super().__init__(inner)
        self.pages = asyncio.Semaphore(0)
        self.asked = 0
        self.failure: Exception | None = None

    async def chunks(self, request: ListChunks) -> ChunkPage:
        self.asked += 1
        await self.pages.acquire()
        if self.failure is not None:
            raise self.failure
        return await self.inner.chunks(request)


class Compared:
    def __init__(self, base: Path, old: bytes, new: bytes, first: int = 0) -> None:
        self.sides = TwoSides(base)
        self.new, self.first = new, first
        (self.sides.near / "new").write_bytes(new)
        (self.sides.near / "old").write_bytes(old)

    def run(self, work: Callable[[Comparison, Held, Held], Awaitable[None]]) -> None:
        async def main(sides: Sides) -> None:
            async with self._begun(sides) as (made, source, target):
                await work(made, source, target)

        self.sides.run(main, 20)

    @asynccontextmanager
    async def _begun(self, sides: Sides) -> AsyncIterator[tuple[Comparison, Held, Held]]:
        source, target = Held(sides.near), Held(sides.near)  # type: ignore[arg-type]
        new, old = [await sides.near.stat(f"near/{name}") for name in ("new", "old")]
        job = FileJob("near/new", "near/old", new, Replace.EXPECTED, version_of(old))
        async with Comparison(source, target, job, version_of(new), version_of(old), Average.FINE, self.first) as made:
            yield made, source, target


def release(held: Held, count: int = 100) -> None:
    for _ in range(count):
        held.pages.release()


def test_a_block_is_planned_as_soon_as_all_of_it_was_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNKS_PAGE_BYTES", BLOCK_SIZE + MIB)
    compared = Compared(tmp_path, OLD, OLD)

    async def work(made: Comparison, source: Held, target: Held) -> None:
        release(source)
        release(target, 1)
        while (plan := await made.plan(0)) is None or plan.gaps:
            await asyncio.sleep(0)
        assert not made.settled
        assert plan.reused == ((0, 0, BLOCK_SIZE),)
        assert plan.digest == blake3(OLD[:BLOCK_SIZE]).digest()
        last = await made.plan(2)
        assert last is None or last.gaps
        release(target)
        await made.settle()
        last = await made.plan(2)
        assert last is not None
        assert last.reused == ((0, 2 * BLOCK_SIZE, BLOCK_SIZE),)

    compared.run(work)


def test_listing_begins_where_the_first_missing_block_does(tmp_path: Path) -> None:
    new = b"inserted" + OLD
    compared = Compared(tmp_path, OLD, new, first=1)

    async def work(made: Comparison, source: Held, target: Held) -> None:
        release(source)
        release(target)
        await made.settle()
        plan = await made.plan(1)
        assert plan is not None
        assert plan.digest == blake3(new[BLOCK_SIZE : 2 * BLOCK_SIZE]).digest()
        assert sum(length for _place, _offset, length in plan.reused) > BLOCK_SIZE - MIB

    compared.run(work)


@pytest.mark.parametrize("whose", ["source", "target"])
def test_a_list_that_is_refused_means_whole_blocks(tmp_path: Path, whose: str) -> None:
    compared = Compared(tmp_path, OLD, OLD)

    async def work(made: Comparison, source: Held, target: Held) -> None:
        os.utime(compared.sides.near / ("new" if whose == "source" else "old"), (1, 1))
        release(source)
        release(target)
        await made.settle()
        assert await made.plan(0) is None

    compared.run(work)


@pytest.mark.parametrize("whose", ["source", "target"])
def test_a_connection_that_is_cut_is_told_whoever_waits(tmp_path: Path, whose: str) -> None:
    compared = Compared(tmp_path, OLD, OLD)

    async def work(made: Comparison, source: Held, target: Held) -> None:
        (source if whose == "source" else target).failure = Interrupted("cut by the test")
        release(source)
        release(target)
        for _ in range(2):
            with pytest.raises(Interrupted, match="cut by the test"):
                await (made.plan(0) if whose == "source" else made.settle())

    compared.run(work)


def test_blocks_that_turn_out_otherwise_end_the_belief_in_lists(tmp_path: Path) -> None:
    compared = Compared(tmp_path, OLD, OLD)

    async def work(made: Comparison, source: Held, target: Held) -> None:
        release(source)
        release(target)
        await made.settle()
        for _ in range(MISFITS_MAX):
            assert await made.plan(0) is not None
            made.misfit()
        assert await made.plan(0) is None
        assert made.settled

    compared.run(work)


def test_little_in_common_or_much_to_ask_for_is_sent_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(2)
    scattered = bytearray(OLD[:BLOCK_SIZE])
    for at in range(0, BLOCK_SIZE, 512 * 1024):
        scattered[at : at + 8] = rng.randbytes(8)
    compared = Compared(tmp_path, OLD, bytes(scattered) + OLD[:100_000] + rng.randbytes(2 * BLOCK_SIZE))

    async def work(made: Comparison, source: Held, target: Held) -> None:
        release(source)
        release(target)
        await made.settle()
        plan = await made.plan(0)
        assert plan is not None
        assert len(plan.gaps) > 4
        assert await made.plan(1) is None
        monkeypatch.setattr(comparison, "GAPS_MAX", len(plan.gaps) - 1)
        assert await made.plan(0) is None

    compared.run(work)


def test_nothing_is_asked_any_more_when_it_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNKS_PAGE_BYTES", MIB)
    compared = Compared(tmp_path, OLD, OLD)
    seen: list[Held] = []

    async def work(_made: Comparison, source: Held, target: Held) -> None:
        release(source, 1)
        while source.asked < 2:
            await asyncio.sleep(0)
        seen.extend((source, target))

    async def main(sides: Sides) -> None:
        async with compared._begun(sides) as begun:
            await work(*begun)
        asked = [held.asked for held in seen]
        for held in seen:
            release(held)
        for _ in range(20):
            await asyncio.sleep(0)
        assert [held.asked for held in seen] == asked

    compared.sides.run(main, 20)
