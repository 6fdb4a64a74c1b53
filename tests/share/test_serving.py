"""The serving loop over a session: what waits for a disk must not hold up what does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.fair_budget import FairBudget
from gimmal.base.workers import LONG_THREADS, Workers
from gimmal.protocol.codec import decode_answer, encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE, PARTS_MAX
from gimmal.protocol.messages import (
    Answer,
    Commit,
    Copy,
    DigestBlocks,
    DigestFiles,
    Failed,
    FilmPart,
    Found,
    ListChunks,
    Measure,
    Measured,
    OpenPart,
    PartOpened,
    Read,
    Request,
    Stat,
    Version,
)
from gimmal.share.cursors import Cursors, Walk
from gimmal.share.part_table import PARTS_OF_ALL, PARTS_OF_EACH
from gimmal.share.service import ShareSession
from gimmal.share.serving import LONG_READS_AT_ONCE, MAKINGS_AT_ONCE, SMALL_READS_AT_ONCE, Serving
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import Incoming
from gimmal.transport.ranges import SMALL_READ, read_range
from tests.patience import PATIENCE
from tests.share.rig import MTIME, SOURCE, Rig
from tests.transport.helpers import run, until
from tests.transport.sessions import Pair, end, raw_session


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


class Busy(ShareSession):
    """A session whose disk does nothing about whole files until it is let go."""

    def __init__(self, session: ShareSession) -> None:
        super().__init__(session._state)
        self.disk = threading.Event()

    def answer(self, request: Request) -> Answer:
        if isinstance(request, OpenPart | Commit | Copy):
            assert self.disk.wait(PATIENCE)
        return super().answer(request)


WHOLE_FILES = [
    Copy("rw/file", "rw/copy"),
    Commit(99, bytes(32), MTIME),
    OpenPart("rw/new", 5, SOURCE),
]


@pytest.mark.parametrize("request_of_a_file", WHOLE_FILES, ids=lambda request: type(request).__name__)
def test_work_on_whole_files_holds_up_no_question(rig: Rig, request_of_a_file: Request) -> None:
    (rig.rw / "file").write_text("whole")

    async def main() -> None:
        workers = Workers()
        share = Busy(rig.session)
        pair = Pair(other=Serving(share, BufferPool(), workers))
        pair.link()
        working = [asyncio.create_task(pair.a.call(request_of_a_file, deadline=None)) for _ in range(40)]
        for _ in range(20):
            answer = await pair.a.call(Stat("rw/file"), deadline=PATIENCE / 2)
            assert isinstance(answer, Found)
        assert not any(task.done() for task in working)
        share.disk.set()
        await asyncio.gather(*working)
        await pair.close()
        workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


def test_a_session_that_takes_nothing_holds_up_no_reading_of_another(rig: Rig) -> None:
    """All sessions read within one budget, of which the one that stopped holds all it may."""
    (rig.rw / "file").write_bytes(bytes(64 << 20))

    async def main() -> None:
        workers, reads = Workers(), FairBudget(2 * BLOCK_SIZE, BLOCK_SIZE)
        hostile = Pair(other=Serving(rig.session, BufferPool(), workers, reads))
        good_share = rig.service.open_session()
        good = Pair(other=Serving(good_share, BufferPool(), workers, reads))
        left, _right = hostile.link()
        good.link()
        left.pause()
        stuck = [asyncio.create_task(get(hostile, number)) for number in range(12)]
        await until(lambda: reads.taken > 0)
        async with asyncio.timeout(PATIENCE):
            for number in range(8):
                assert await get(good, number) == BLOCK_SIZE
        left.resume()
        assert await asyncio.gather(*stuck) == [BLOCK_SIZE] * 12
        assert reads.taken == 0
        await hostile.close()
        await good.close()
        workers.close()

    run(main())


def test_a_few_bytes_do_not_wait_for_the_copy_beside_them(rig: Rig) -> None:
    """A film is sought in while all bytes that one session may have read wait for a slow line."""
    (rig.rw / "file").write_bytes(bytes(64 << 20))

    async def main() -> None:
        workers = Workers()
        pair = Pair(other=Serving(rig.session, BufferPool(), workers))
        pair.link()
        left, right = pair.link(bulk=True)
        left.pause()
        copying = [asyncio.create_task(get(pair, number)) for number in range(12)]
        await until(lambda: right.queued > 0)
        async with asyncio.timeout(PATIENCE):
            for number in range(12):
                assert await get(pair, number, SMALL_READ) == SMALL_READ
        assert not any(task.done() for task in copying)
        left.resume()
        assert await asyncio.gather(*copying) == [BLOCK_SIZE] * 12
        await pair.close()
        workers.close()

    run(main())


class Loading(Serving):
    """Says how many ranges are in memory at a time."""

    now = 0
    most = 0

    async def _read(self, incoming: Incoming, request: Read) -> Answer | None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await super()._read(incoming, request)
        finally:
            self.now -= 1


def test_few_small_ranges_are_in_memory_beside_a_copy_however_many_are_asked_for(rig: Rig) -> None:
    (rig.rw / "file").write_bytes(bytes(64 << 20))

    async def main() -> None:
        workers = Workers()
        serving = Loading(rig.session, BufferPool(), workers)
        pair = Pair(other=serving)
        pair.link()
        async with asyncio.timeout(PATIENCE):
            asked = [get(pair, number % 16, SMALL_READ) for number in range(60)]
            assert await asyncio.gather(*asked) == [SMALL_READ] * 60
        assert serving.most == SMALL_READS_AT_ONCE
        await pair.close()
        workers.close()

    run(main())


async def get(pair: Pair, number: int, length: int = BLOCK_SIZE) -> int:
    request = Read("rw/file", number * BLOCK_SIZE, length)
    read = await read_range(pair.a, request)
    assert read.answer is None
    for piece in read.pieces:
        if piece.owner is not None:
            pair.a.pool.give(piece.owner)
    return read.received


def test_sessions_share_part_files_and_cursors(rig: Rig) -> None:
    sessions = [rig.service.open_session() for _ in range(8)]
    counts = []
    for index, session in enumerate(sessions):
        count = 0
        while isinstance(session.answer(OpenPart(f"rw/{index}-{count}", 5, SOURCE)), PartOpened):
            count += 1
        counts.append(count)
    assert counts[0] == PARTS_MAX, "one alone is bounded by its own limit"
    assert all(count >= PARTS_OF_EACH for count in counts)
    assert sum(counts) <= PARTS_OF_ALL + len(sessions) * PARTS_OF_EACH
    sessions[0].close()
    assert isinstance(sessions[7].answer(OpenPart("rw/more", 5, SOURCE)), PartOpened)
    for session in sessions[1:]:
        session.close()
    assert rig.service._parts.budget.taken == 0

    budget = FairBudget(12, 2)
    first, second = Cursors(budget.share()), Cursors(budget.share())
    for cursors in (first, second):
        for _ in range(100):
            cursors.put(Walk("rw", False, next(iter(rig.service._places)), (), []))
    assert len(first) == 8
    assert len(second) >= 4
    second.close()
    first.close()
    assert budget.taken == 0


LONG = (ListChunks, DigestBlocks, DigestFiles, Measure)


class Counting(ShareSession):
    """A session that counts how many files are being read for long at a time, and reads none until it is let go."""

    def __init__(self, session: ShareSession) -> None:
        super().__init__(session._state)
        self._lock = threading.Lock()
        self._cutting = 0
        self.most = 0
        self.go_on = threading.Event()

    def answer(self, request: Request) -> Answer:
        if not isinstance(request, LONG):
            return super().answer(request)
        with self._lock:
            self._cutting += 1
            self.most = max(self.most, self._cutting)
        assert self.go_on.wait(PATIENCE)
        with self._lock:
            self._cutting -= 1
        return super().answer(request)


def test_few_files_of_one_session_are_cut_at_a_time(rig: Rig) -> None:
    async def main() -> None:
        workers = Workers()
        share = Counting(rig.session)
        pair = Pair(other=Serving(share, BufferPool(), workers))
        pair.link()
        request = ListChunks("rw/none", Version(1, 5, 1))
        working = [asyncio.create_task(pair.a.call(request, deadline=None)) for _ in range(20)]
        await until(lambda: share.most == LONG_READS_AT_ONCE)
        share.go_on.set()
        await asyncio.gather(*working)
        assert share.most == LONG_READS_AT_ONCE
        await pair.close()
        workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


def test_who_asks_and_gives_up_has_no_more_files_cut_at_a_time(rig: Rig) -> None:
    async def main() -> None:
        workers = Workers()
        share = Counting(rig.session)
        serving = Serving(share, BufferPool(), workers)
        pair = Pair(other=serving)
        pair.link()
        request = ListChunks("rw/none", Version(1, 5, 1))
        for _ in range(10):
            asking = [asyncio.create_task(pair.a.call(request, deadline=None)) for _ in range(2)]
            await until(lambda: share.most == LONG_READS_AT_ONCE)
            for one in asking:
                one.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        last = asyncio.create_task(pair.a.call(request, deadline=None))
        # What was asked before this has been begun by now, if it may.
        assert isinstance(await pair.a.call(Stat("rw"), deadline=PATIENCE / 2), Found)
        assert share.most == LONG_READS_AT_ONCE
        share.go_on.set()
        await last
        assert share.most == LONG_READS_AT_ONCE
        await pair.close()
        workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


class Making(ShareSession):
    """A session that makes nothing until it is told that nobody wants it."""

    def __init__(self, session: ShareSession) -> None:
        super().__init__(session._state)
        self._lock = threading.Lock()
        self.begun = 0
        self.ended = 0

    def make(self, request: Request, unwanted: threading.Event) -> Answer:
        with self._lock:
            self.begun += 1
        assert unwanted.wait(PATIENCE)
        with self._lock:
            self.ended += 1
        return Failed(Code.FAILED)


def test_what_nobody_wants_any_more_is_not_made_and_few_are_at_a_time(rig: Rig) -> None:
    async def main() -> None:
        workers = Workers()
        share = Making(rig.session)
        pair = Pair(other=Serving(share, BufferPool(), workers))
        pair.link()
        request = FilmPart("rw/none", Version(1, 5, 1), 0, 5)
        working = [asyncio.create_task(pair.a.call(request, deadline=None)) for _ in range(5)]
        await until(lambda: share.begun == MAKINGS_AT_ONCE)
        # Neither these nor those that wait hold up what reads for long.
        assert isinstance(await pair.a.call(ListChunks("rw/none", Version(1, 5, 1)), deadline=PATIENCE), Failed)
        assert share.begun == MAKINGS_AT_ONCE
        for task in working:
            task.cancel()
        await until(lambda: share.ended == share.begun)
        await asyncio.gather(*working, return_exceptions=True)
        last = asyncio.create_task(pair.a.call(request, deadline=None))
        before = share.begun
        await until(lambda: share.begun > before or share.begun > MAKINGS_AT_ONCE)
        last.cancel()
        await until(lambda: share.ended == share.begun)
        await pair.close()
        workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


def test_whatever_is_read_for_long_and_however_often_it_is_cancelled_threads_are_left_to_commits(rig: Rig) -> None:
    async def main() -> None:
        workers = Workers()
        share = Counting(rig.session)
        raw, session = raw_session(Serving(share, BufferPool(), workers))
        asked = [
            ListChunks("rw/none", Version(1, 5, 1)),
            DigestBlocks("rw/none"),
            DigestFiles("rw", ["none"]),
            Measure(Measured.CIPHER, 1),
        ] * 2
        numbers = [2 * at + 1 for at in range(len(asked))]
        for number, request in zip(numbers, asked, strict=True):
            await raw.put(RecordKind.REQUEST, number, 1, encode(request))
        for turn in range(3):
            for number in numbers:
                await raw.put(RecordKind.CANCEL, number)
            # What was asked and cancelled before this has been begun and given up by now, if it may.
            await raw.put(RecordKind.REQUEST, 101 + 2 * turn, 1, encode(Stat("rw")))
            assert isinstance(decode_answer((await raw.get())[3]), Found)
            for number, request in zip(numbers, asked, strict=True):
                await raw.put(RecordKind.REQUEST, 1000 * (turn + 1) + number, 1, encode(request))
        assert share.most <= LONG_READS_AT_ONCE < LONG_THREADS
        share.go_on.set()
        await end(session, raw)
        workers.close()
        await asyncio.get_running_loop().shutdown_default_executor()
        assert share.most <= LONG_READS_AT_ONCE

    run(main())
