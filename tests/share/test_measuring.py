"""Measure and MeasureUp: what they say, what they leave, and how much of it one may ask for."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from gimmal.base.fair_budget import FairBudget
from gimmal.base.workers import Workers
from gimmal.protocol.codec import encode
from gimmal.protocol.codes import Code
from gimmal.protocol.kinds import RecordKind
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import (
    Answer,
    DigestBlocks,
    Done,
    Failed,
    Found,
    Measure,
    Measured,
    MeasureUp,
    Request,
    Stat,
    StreamEnd,
    Took,
)
from gimmal.share import measuring
from gimmal.share.measure_serving import random_block
from gimmal.share.measuring import BUDGET_BYTES, BUDGET_BYTES_A_SECOND, MeasureBudget, answer_measure
from gimmal.share.refused import RefusedError
from gimmal.share.service import ShareSession
from gimmal.share.serving import LONG_READS_AT_ONCE, Serving
from gimmal.transport.buffers import BufferPool
from gimmal.transport.exchange import AnswerSink
from gimmal.transport.link import Link
from gimmal.transport.ranges import read_measured
from tests.patience import PATIENCE
from tests.share.rig import Rig
from tests.transport.helpers import run
from tests.transport.sessions import Pair


class TestBudget:
    def test_it_gives_what_it_has_and_fills_up_slowly(self) -> None:
        now = 50.0
        budget = MeasureBudget(lambda: now)
        assert budget.take(BUDGET_BYTES)
        assert not budget.take(1)
        now += 2
        assert budget.take(2 * BUDGET_BYTES_A_SECOND)
        assert not budget.take(1)
        now += 1e9
        assert budget.take(BUDGET_BYTES)
        assert not budget.take(1)

    def test_measurements_take_from_it(self, rig: Rig) -> None:
        budget = MeasureBudget(lambda: 0.0)
        state = rig.session._state
        assert budget.take(BUDGET_BYTES - 8 * 100_000 - 1000)
        assert answer_measure(state, Measure(Measured.DISK, 100_000, "rw"), budget).length == 100_000
        assert answer_measure(state, Measure(Measured.CIPHER, 1000), budget).nanoseconds > 0
        for more in (Measure(Measured.CIPHER, 1), Measure(Measured.DISK, 1, "rw")):
            with pytest.raises(RefusedError) as refused:
                answer_measure(state, more, budget)
            assert refused.value.code is Code.LIMIT


class TestDisk:
    @pytest.mark.parametrize("length", [1, 5_000, 20 << 20])
    def test_a_disk_is_written_and_read_and_nothing_stays(self, rig: Rig, length: int) -> None:
        took = rig.session.answer(Measure(Measured.DISK, length, "rw"))
        assert isinstance(took, Took)
        assert took.length == length
        assert took.nanoseconds > 0
        assert took.read_nanoseconds > 0
        assert not list(rig.rw.iterdir())

    def test_rights_decide_what_is_done(self, rig: Rig) -> None:
        dropped = rig.session.answer(Measure(Measured.DISK, 1000, "drop"))
        assert isinstance(dropped, Took)
        assert dropped.nanoseconds > 0
        assert not dropped.read_nanoseconds
        assert rig.code(Measure(Measured.DISK, 1000, "ro")) == Code.NOT_GRANTED
        assert rig.code(Measure(Measured.DISK, 1000, "")) == Code.NOT_GRANTED
        assert rig.code(Measure(Measured.DISK, 1000, "rw/none")) == Code.NOT_FOUND
        assert not list(rig.drop.iterdir())

    def test_it_stops_when_its_time_is_over(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "DISK_SECONDS", 0.0)
        took = rig.session.answer(Measure(Measured.DISK, 100 << 20, "rw"))
        assert isinstance(took, Took)
        assert took.length == 0

    def test_a_full_disk_is_left_as_it_was(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        written = 0

        def full(*_arguments: Any) -> int:
            nonlocal written
            written += 1
            raise OSError(errno.ENOSPC, "no room")

        monkeypatch.setattr(os, "pwrite", full)
        assert rig.code(Measure(Measured.DISK, 1000, "rw")) == Code.NO_SPACE
        assert written
        assert not list(rig.rw.iterdir())

    def test_only_one_disk_is_measured_at_a_time(self, rig: Rig) -> None:
        with measuring._one_disk:
            assert rig.code(Measure(Measured.DISK, 1000, "rw")) == Code.LIMIT
        assert isinstance(rig.session.answer(Measure(Measured.DISK, 1000, "rw")), Took)


class Slow(ShareSession):
    """A session whose threads are held up until they are let go."""

    def __init__(self, session: ShareSession) -> None:
        super().__init__(session._state)
        self.go = threading.Event()
        self.begun = 0

    def answer(self, request: Request) -> Answer:
        if isinstance(request, DigestBlocks | Measure):
            self.begun += 1
            assert self.go.wait(PATIENCE)
        return super().answer(request)


class TestServing:
    def test_bytes_of_the_line_come_and_go_without_a_disk(self, rig: Rig) -> None:
        async def main() -> None:
            workers = Workers()
            serving = Serving(rig.session, BufferPool(), workers)
            pair = Pair(other=serving)
            pair.link()
            for length in (1, 100_000, BLOCK_SIZE):
                read = await read_measured(pair.a, length)
                got = b"".join(piece.body for piece in read.pieces)
                assert got == random_block()[0][:length]
                assert await up(pair, length) == Done()
            too_long = await pair.a.call(Measure(Measured.LINE, BLOCK_SIZE + 1), deadline=PATIENCE / 2)
            assert too_long == Failed(Code.INVALID)
            serving._measures._budget = MeasureBudget(lambda: 0.0)
            assert serving._measures._budget.take(BUDGET_BYTES - 99)
            assert (await read_measured(pair.a, 100)).answer == Failed(Code.LIMIT)
            assert await up(pair, 100) == Failed(Code.LIMIT)
            assert (await read_measured(pair.a, 99)).answer is None
            await pair.close()
            workers.close()

        run(main())

    def test_what_is_in_memory_counts_with_what_all_sessions_read(self, rig: Rig) -> None:
        async def main() -> None:
            workers = Workers()
            budget = FairBudget(0, BLOCK_SIZE)
            serving = Serving(rig.session, BufferPool(), workers, budget)
            pair = Pair(other=serving)
            pair.link()
            async with serving._reading(BLOCK_SIZE):
                asking = asyncio.create_task(read_measured(pair.a, BLOCK_SIZE))
                for _ in range(5):
                    assert isinstance(await pair.a.call(Stat("rw"), deadline=5), Found)
                assert not asking.done()
            assert (await asking).received == BLOCK_SIZE
            await pair.close()
            workers.close()

        run(main())

    def test_work_that_takes_long_holds_up_no_question_and_is_bounded_though_it_is_cancelled(self, rig: Rig) -> None:
        (rig.rw / "file").write_bytes(b"content")

        async def main() -> None:
            workers = Workers()
            share = Slow(rig.session)
            pair = Pair(other=Serving(share, BufferPool(), workers))
            pair.link()
            asked: list[asyncio.Task[Answer]] = []
            for number in range(20):
                request = DigestBlocks("rw/file") if number % 2 else Measure(Measured.CIPHER, 1)
                asked.append(asyncio.create_task(pair.a.call(request, deadline=None)))
            for _ in range(5):
                assert isinstance(await pair.a.call(Stat("rw/file"), deadline=PATIENCE / 2), Found)
            for task in asked[:15]:
                task.cancel()
            await asyncio.wait(asked[:15])
            for _ in range(5):
                assert isinstance(await pair.a.call(Stat("rw/file"), deadline=PATIENCE / 2), Found)
            assert share.begun == LONG_READS_AT_ONCE
            share.go.set()
            await asyncio.gather(*asked[15:])
            assert share.begun <= LONG_READS_AT_ONCE + 5
            await pair.close()
            workers.close()

        run(main())


async def up(pair: Pair, length: int) -> Answer | None:
    async def send(link: Link, number: int) -> None:
        left, at = length, 0
        while left:
            size = min(left, 1 << 20)
            await link.writable()
            link.post(RecordKind.DATA, number, at, bytes(size))
            at += size
            left -= size
        link.post(RecordKind.END, number, length, encode(StreamEnd(bytes(32))))

    return (await pair.a.exchange(MeasureUp(length), AnswerSink, send_more=send, deadline=PATIENCE)).answer


def test_a_path_in_the_wrong_folder_is_no_matter(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    try:
        (rig.rw / "half" / "GIMMAL").mkdir(parents=True)
        (rig.rw / "half" / "GIMMAL" / "half.json").write_text("{}")
        assert rig.code(Measure(Measured.DISK, 10, "rw/half/GIMMAL")) == Code.NOT_FOUND
    finally:
        rig.close()
