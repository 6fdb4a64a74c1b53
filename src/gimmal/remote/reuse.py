"""Sending only what changed: in which order a file's blocks go, and of what they are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from gimmal.base.errors import RemoteError
from gimmal.protocol.chunks import average_for
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.digest import block_length
from gimmal.protocol.features import DELTA
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Replace, Version
from gimmal.protocol.reused import Gap, reused_bytes
from gimmal.remote.comparison import Comparison, Plan
from gimmal.remote.delta_policy import MEASURED_BYTES, Rate, Verdict, judge
from gimmal.remote.file_job import FileJob, first_of
from gimmal.remote.files import Block, Files, version_of
from gimmal.remote.progress import Progress
from gimmal.transport.exchange import Piece

COMPARISONS_AT_ONCE = 2
"""Files of one copy that are compared at a time: their chunks are in memory."""

_MISFITS = frozenset(("corrupt", "changed", "invalid", "not_found", "denied", "input_output"))
"""Codes of a block that cannot be put together as was planned; what concerns more than the old version comes again."""


class Reuse:
    """For all files of one copy.

    Args:
        source, target: the trees.
        progress: what is counted.
        wanted: whether to compare at all.
    """

    def __init__(self, source: Files, target: Files, progress: Progress, *, wanted: bool) -> None:
        self._wanted = wanted and source.offers(DELTA) and target.offers(DELTA)
        self._source = source
        self._target = target
        self._progress = progress
        self._comparisons = asyncio.Semaphore(COMPARISONS_AT_ONCE)
        self._rate = Rate()
        self._measured = asyncio.Event()

    async def plans(self, job: FileJob, missing: Sequence[int]) -> AsyncGenerator[tuple[int, Plan | None], None]:
        """The blocks of a file in the order in which to copy them, and how: None for those to be sent whole.

        Args:
            job: the file.
            missing: indexes of the blocks.

        Raises:
            GimmalError: as `Comparison.plan`.
        """
        verdict = self._judge(job, missing)
        if verdict is Verdict.MEASURE:
            first, missing = missing[: MEASURED_BYTES // BLOCK_SIZE], missing[MEASURED_BYTES // BLOCK_SIZE :]
            for index in first:
                yield index, None
            await self._measured.wait()
            verdict = self._judge(job, missing)
        old = job.expected
        if verdict is Verdict.COMPARE and old is not None:
            async with self._comparisons, self._compare(job, old, missing[0]) as comparison:
                later: list[int] = []
                for index in missing:
                    plan = await comparison.plan(index)
                    if comparison.settled or (plan is not None and not plan.gaps):
                        yield index, plan
                    else:
                        later.append(index)
                await comparison.settle()
                for index in later:
                    yield index, await comparison.plan(index)
        else:
            for index in missing:
                yield index, None

    async def put_together(self, job: FileJob, part: int, index: int, plan: Plan) -> bool:
        """Copy a block by a plan; False where it turned out to be another than was listed: to be sent whole."""
        start, length = index * BLOCK_SIZE, block_length(job.attributes.size, index)

        async def load() -> Block:
            return Block(await self._load_gaps(job, start, plan.gaps), length, plan.digest)

        try:
            await self._target.write_block(part, start, length, load, reused=plan.reused)
        except RemoteError as exc:
            if exc.code not in _MISFITS:
                raise
            plan.comparison.misfit()
            return False
        self._progress.reused_bytes += reused_bytes(plan.reused)
        return True

    def begin_whole(self) -> None:
        """A block is begun that is sent whole: how fast these go says whether comparing pays."""
        self._rate.begin(asyncio.get_running_loop().time())

    def end_whole(self, count: int) -> None:
        """It is over; ``count`` bytes of it arrived."""
        self._rate.end(asyncio.get_running_loop().time(), count)
        if self._rate.value is not None:
            self._measured.set()

    def _judge(self, job: FileJob, missing: Sequence[int]) -> Verdict:
        if not self._wanted or job.expected is None or job.replace is not Replace.EXPECTED:
            return Verdict.WHOLE
        size = job.attributes.size
        length = sum(block_length(size, index) for index in missing)
        round_trip = max(self._source.round_trip, self._target.round_trip)
        rates = (self._rate.value, self._source.rate_limit, self._target.rate_limit)
        known = [rate for rate in rates if rate is not None]
        return judge(length, size, job.expected.size, round_trip, min(known, default=None))

    def _compare(self, job: FileJob, old: Version, first: int) -> Comparison:
        new = version_of(job.attributes)
        average = average_for(max(old.size, new.size))
        assert average is not None
        return Comparison(self._source, self._target, job, new, old, average, first)

    async def _load_gaps(self, job: FileJob, start: int, gaps: Sequence[Gap]) -> list[Piece]:
        version = version_of(job.attributes)
        tasks: list[asyncio.Task[Block]] = []
        complete = False
        try:
            async with asyncio.TaskGroup() as group:
                for begin, end in gaps:
                    reading = self._source.read_block(job.source_path, start + begin, end - begin, version)
                    tasks.append(group.create_task(reading))
            complete = True
        except BaseExceptionGroup as exc:
            raise first_of(exc) from None
        finally:
            for task in tasks:
                if not complete and task.done() and not task.cancelled() and task.exception() is None:
                    self._source.release(task.result())
        pieces: list[Piece] = []
        short = False
        for task, (begin, end) in zip(tasks, gaps, strict=True):
            block = task.result()
            short = short or block.length != end - begin
            for piece in block.pieces:
                piece.at += begin
            pieces += block.pieces
        if short:
            self._source.release(Block(pieces, 0, b""))
            raise error_of_code(Code.CHANGED, self._source.shown(job.source_path))
        return pieces
