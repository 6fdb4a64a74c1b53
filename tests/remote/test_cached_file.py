"""Readers of a far file over a simulated line: what is fetched, when it is there, and what is given up."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gimmal.base.errors import DeadlinePassed, GimmalError, InternalError, Interrupted, RemoteError
from gimmal.remote.cached_file import READ_MAX, CachedFile
from gimmal.remote.file_cache import FILES_MAX, FileCache
from tests.remote.simulated_line import SimulatedFiles, content_of, simulated, timed

MB = 1 << 20
CONTENT = content_of(32 * MB)
PATH = "docs/film.mkv"


@asynccontextmanager
async def cached(far: SimulatedFiles, budget: int = 64 * MB) -> AsyncIterator[tuple[FileCache, CachedFile]]:
    cache = FileCache(far.open, budget)
    try:
        yield cache, await cache.open(PATH)
    finally:
        await cache.close()
        assert cache.stretches.held == 0
        assert cache.pace.under_way == 0


def test_a_random_read_of_4_kib_takes_one_round_trip_and_little_else() -> None:
    far = SimulatedFiles(CONTENT)
    draw = random.Random(5)

    async def work() -> list[float]:
        took = []
        async with cached(far) as (_cache, file):
            with file.reader() as reader:
                for _ in range(200):
                    place = draw.randrange(len(CONTENT) - 4096)
                    got, seconds = await timed(reader.read(place, 4096))
                    assert got == CONTENT[place : place + 4096]
                    took.append(seconds)
        return took

    took = simulated(work())
    assert max(took) <= 1.1 * 0.05
    assert max(length for _offset, length in far.asked) <= 16 * 1024
    # A few places lie beside each other by chance: those may be read ahead of a little.
    assert far.bytes_asked <= 200 * 8192 * 1.2


def test_who_reads_on_gets_what_the_line_carries() -> None:
    far = SimulatedFiles(CONTENT, 0.05, 25e6)

    async def work() -> float:
        async with cached(far) as (_cache, file):
            with file.reader() as reader:
                got, seconds = await timed(_whole(reader, 128 * 1024))
                assert got == CONTENT
                return seconds

    seconds = simulated(work())
    assert len(CONTENT) / seconds >= 0.8 * 25e6  # the first second is spent on learning the line
    assert far.bytes_asked == len(CONTENT)


def test_who_reads_on_over_what_is_held_in_pieces_is_not_held_up() -> None:
    far = SimulatedFiles(CONTENT, 0.05, 25e6)
    draw = random.Random(4)

    async def work() -> float:
        async with cached(far) as (_cache, file):
            with file.reader() as reader:
                for _ in range(100):
                    await reader.read(draw.randrange(len(CONTENT) - 4096), 4096)
            with file.reader() as reader:
                loop = asyncio.get_running_loop()
                began, at = loop.time(), 0
                while piece := await reader.read_some(at, 128 * 1024):
                    assert piece == CONTENT[at : at + len(piece)]
                    at += len(piece)
                return loop.time() - began

    assert len(CONTENT) / simulated(work()) >= 0.75 * 25e6
    assert not far.given_up


async def _whole(reader: object, step: int) -> bytes:
    return b"".join([await reader.read(at, step) for at in range(0, len(CONTENT), step)])  # type: ignore[attr-defined]


def test_the_first_byte_after_a_jump_is_there_after_a_round_trip_even_while_the_line_is_full() -> None:
    content = CONTENT * 3
    far = SimulatedFiles(content, 0.05, 25e6)

    async def work() -> list[float]:
        took = []
        async with cached(far) as (_cache, file):
            for place in (60 * MB, 2 * MB + 17, 40 * MB, 20 * MB + 5, 80 * MB):
                with file.reader(streaming=True) as reader:
                    piece, seconds = await timed(reader.read_some(place, 65536))
                    assert piece == content[place : place + len(piece)]
                    took.append(seconds)
                    for at in range(place + len(piece), place + 6 * MB, 65536):
                        await reader.read(at, 65536)
        assert far.given_up  # the line was full when they jumped
        return took

    took = simulated(work())
    assert max(took[2:]) <= 1.3 * 0.05
    assert max(took) <= 2 * 0.05  # while the line is still learned


def test_a_jump_gives_up_what_was_under_way_for_the_old_place() -> None:
    far = SimulatedFiles(CONTENT, 0.05, 1e6)

    async def work() -> None:
        async with cached(far) as (cache, file):
            with file.reader(streaming=True) as reader:
                await reader.read_some(0, 65536)
                assert cache.pace.under_way
                given_up = len(far.given_up)
                await reader.read_some(20 * MB, 4096)
                assert len(far.given_up) > given_up
                assert all(offset < MB for offset, _length in far.given_up)

    simulated(work())


def test_who_goes_leaves_nothing_under_way() -> None:
    far = SimulatedFiles(CONTENT, 0.05, 1e6)

    async def work() -> None:
        async with cached(far) as (cache, file):
            reader = file.reader(streaming=True)
            await reader.read_some(0, 65536)
            reader.close()
            reader.close()
            assert cache.pace.under_way == 0
            assert file.readers == 0

    simulated(work())


def test_two_readers_of_one_place_fetch_it_once() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far) as (_cache, file):
            with file.reader() as one, file.reader() as two:
                got = await asyncio.gather(one.read(MB, 30_000), two.read(MB, 30_000))
                assert got == [CONTENT[MB : MB + 30_000]] * 2

    simulated(work())
    assert far.bytes_asked <= 32768


def test_what_one_reader_gave_up_goes_on_for_the_other() -> None:
    far = SimulatedFiles(CONTENT, 0.05, 1e6)

    async def work() -> None:
        async with cached(far) as (_cache, file):
            one, two = file.reader(), file.reader()
            waiting = asyncio.ensure_future(two.read(MB, 4096))
            await asyncio.sleep(0.001)
            one_read = asyncio.ensure_future(one.read(MB, 4096))
            await asyncio.sleep(0.001)
            one_read.cancel()
            one.close()
            assert await waiting == CONTENT[MB : MB + 4096]
            two.close()
        assert far.given_up == []

    simulated(work())


def test_a_version_that_changed_is_an_error_and_never_mixed() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far) as (cache, file):
            with file.reader(streaming=True) as reader:
                await reader.read(0, 100_000)
                far.content = content_of(16 * MB, seed=2)
                with pytest.raises(RemoteError, match="changed meanwhile"):
                    await reader.read(8 * MB, 4096)
                with pytest.raises(RemoteError, match="changed meanwhile"):
                    await reader.read(0, 4096)  # also what was held
                again = await cache.open(PATH)
                assert again is not file
                with again.reader() as new:
                    assert await new.read(0, 4096) == far.content[:4096]

    simulated(work())


def test_a_change_is_seen_by_asking_where_all_is_held() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far) as (_cache, file):
            with file.reader() as reader:
                await reader.read(0, 4096)
                stats = far.stats
                await file.confirm()
                assert far.stats == stats  # the bytes themselves bore it out
                await asyncio.sleep(1.1)
                await file.confirm()
                assert far.stats == stats + 1
                far.identity = 8
                await asyncio.sleep(1.1)
                with pytest.raises(RemoteError, match="changed meanwhile"):
                    await file.confirm()

    simulated(work())


def test_a_line_that_is_cut_is_waited_for() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with cached(far) as (_cache, file):
            with file.reader(streaming=True) as reader:
                await reader.read(0, 65536)
                far.cut_until = loop.time() + 10
                got, seconds = await timed(reader.read(20 * MB, 65536))
                assert got == CONTENT[20 * MB : 20 * MB + 65536]
                assert 10 <= seconds <= 13

    simulated(work())


def test_a_read_ends_at_its_deadline_and_the_reader_lives_on() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with cached(far) as (_cache, file):
            with file.reader() as reader:
                far.cut_until = loop.time() + 100
                began = loop.time()
                with pytest.raises(DeadlinePassed):
                    await reader.read(MB, 4096, deadline=5)
                assert loop.time() - began == pytest.approx(5)
                far.cut_until = 0
                assert await reader.read(MB, 4096) == CONTENT[MB : MB + 4096]

    simulated(work())


def test_bytes_that_are_not_those_that_were_read_are_refused() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far) as (_cache, file):
            with file.reader() as reader:
                far.corrupt = True
                with pytest.raises(RemoteError, match="not those that were sent"):
                    await reader.read(0, 4096)
                far.corrupt = False
                assert await reader.read(0, 4096) == CONTENT[:4096]

    simulated(work())


def test_who_reads_is_told_of_a_fetch_that_breaks_and_can_read_on() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far) as (cache, file):
            with file.reader() as reader:
                far.breaks = True
                _, seconds = await timed(_fails(InternalError, reader.read(0, 4096)))
                assert seconds < 1
                assert cache.pace.under_way == 0
                far.breaks = False
                assert await reader.read(0, 4096) == CONTENT[:4096]

    simulated(work())


@pytest.mark.parametrize("begun", [False, True])
def test_who_reads_while_the_cache_is_closed_is_told_at_once(begun: bool) -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far) as (cache, file):
            with file.reader() as reader:
                reading = asyncio.create_task(timed(_fails(Interrupted, reader.read(0, 4096))))
                await asyncio.sleep(0.01 if begun else 0)
                assert cache.pace.under_way and bool(far.asked) is begun
                await cache.close()
                assert cache.pace.under_way == 0
                _, seconds = await reading
                assert seconds < 1
                with pytest.raises(Interrupted):
                    await reader.read(MB, 4096)

    simulated(work())


async def _fails(failure: type[GimmalError], work: Awaitable[object]) -> None:
    with pytest.raises(failure):
        await work


def test_ends_of_files() -> None:
    far = SimulatedFiles(CONTENT[:10_001])

    async def work() -> None:
        async with cached(far) as (_cache, file):
            with file.reader() as reader:
                assert await reader.read(0, 1 << 30) == CONTENT[:10_001]
                assert await reader.read(10_000, 5) == CONTENT[10_000:10_001]
                assert await reader.read(10_001, 5) == b""
                assert await reader.read_some(20_000, 5) == b""

    simulated(work())


def test_a_folder_is_no_file() -> None:
    async def work() -> None:
        async with cached(SimulatedFiles(CONTENT)) as (cache, _file):
            with pytest.raises(RemoteError, match="folder"):
                await cache.open("docs/folder")

    simulated(work())


def test_a_small_budget_is_enough_for_many_readers() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far, 4 * MB) as (cache, file):
            readers = [file.reader(streaming=True) for _ in range(8)]

            async def reads(number: int) -> None:
                for at in range(number * 4 * MB, number * 4 * MB + MB, 65536):
                    assert await readers[number].read(at, 65536) == CONTENT[at : at + 65536]
                    assert cache.stretches.held <= 4 * MB

            await asyncio.gather(*map(reads, range(8)))
            for reader in readers:
                reader.close()

    simulated(work())
    assert far.bytes_asked <= 13 * MB


def test_files_that_nobody_reads_are_forgotten_in_time() -> None:
    far = SimulatedFiles(CONTENT)

    async def work() -> None:
        async with cached(far) as (cache, file):
            with file.reader() as reader:
                for number in range(2 * FILES_MAX):
                    await cache.open(f"docs/{number}")
                assert len(cache._files) <= FILES_MAX + 2
                assert await cache.open(PATH) is file
                assert await reader.read(0, 10) == CONTENT[:10]

    simulated(work())


PLACES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3 * MB), st.integers(1, 2 * READ_MAX), st.floats(0, 0.2)), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(PLACES, st.booleans(), st.sampled_from([1e6, 1e7, 1e9]))
def test_whatever_is_read_is_right(reads: list[tuple[int, int, int, float]], streaming: bool, rate: float) -> None:
    far = SimulatedFiles(CONTENT[: 3 * MB], 0.02, rate)

    async def work() -> None:
        async with cached(far, 4 * MB) as (cache, file):
            readers = [file.reader(streaming=streaming), file.reader(), file.reader()]

            async def one(number: int, offset: int, length: int, give_up: float) -> None:
                try:
                    async with asyncio.timeout(give_up or None):
                        assert await readers[number].read(offset, length, 3600) == far.content[offset : offset + length]
                except TimeoutError:
                    pass

            await asyncio.gather(*(one(*read) for read in reads))
            assert cache.stretches.held <= 4 * MB
            for reader in readers:
                reader.close()
            assert not file._fetches

    simulated(work())


def test_a_20_mbit_film_on_a_25_mbit_line_plays_through_20_jumps_without_a_stall() -> None:
    rate = 20e6 / 8
    far = SimulatedFiles(CONTENT * 5, 0.05, 0.95 * 25e6 / 8)
    draw = random.Random(9)

    async def plays(file: CachedFile, place: int) -> float:
        """Seconds until it plays; half a second of the film is had before, ten at most."""
        loop = asyncio.get_running_loop()
        jumped, began, have = loop.time(), 0.0, 0
        with file.reader(streaming=True) as reader:
            while not began or loop.time() < began + 4:
                if began and have > (loop.time() - began + 10) * rate:
                    await asyncio.sleep(0.01)
                    continue
                have += len(await reader.read_some(place + have, 65536))
                if not began and have >= rate / 2:
                    began = loop.time()
                assert not began or have >= (loop.time() - began) * rate, "it stalled"
        return began - jumped

    async def work() -> list[float]:
        async with cached(far) as (_cache, file):
            return [await plays(file, draw.randrange(100 * MB)) for _ in range(20)]

    assert max(simulated(work())) <= 1.0
