"""Copying one file block by block: part file, verified blocks, commit (docs/spec/protocol.md, section 6)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

import msgspec

from gimmal.base.errors import GimmalError, ProtocolViolation, RemoteError
from gimmal.base.tasks import Tasks
from gimmal.protocol.data_blocks import DataBlocks, add_blocks, are_stretches, few_stretches, hole_digest
from gimmal.protocol.digest import block_count, block_length, file_digest
from gimmal.protocol.features import FIDELITY
from gimmal.protocol.limits import BLOCK_SIZE, EXTENTS_MAX, HOLE_MIN, PART_BLOCKS_MAX, SPARSE_SIZE_MAX
from gimmal.protocol.messages import Attributes, Commit, Extent, Extents, OpenPart, Xattrs
from gimmal.protocol.reused import reused_bytes
from gimmal.remote.comparison import Plan
from gimmal.remote.file_job import FileJob, fingerprint, first_of
from gimmal.remote.files import BLOCKS_AT_ONCE, Block, Files, version_of
from gimmal.remote.progress import Progress
from gimmal.remote.reuse import Reuse
from gimmal.remote.verifying import Verifier

FIRST_BLOCKS = 2
"""Blocks that are under way before one was done: more would only queue where further links are still to come."""

TAKES_AT_ONCE = 16
"""Blocks under way that are put together of an old version alone: they take no memory here."""

LOOK_SECONDS = 0.01
"""How often to see whether there are more links before the first blocks are done; on a long line they wait for it."""


@dataclass
class _Counted:
    """What a file has added to the progress so far: taken back where it fails."""

    bytes: int = 0
    resumed: int = 0
    holes: int = 0
    reused: int = 0

    def take_back(self, progress: Progress) -> None:
        progress.bytes -= self.bytes
        progress.resumed_bytes -= self.resumed
        progress.hole_bytes -= self.holes
        progress.reused_bytes -= self.reused


@dataclass
class _Form:
    """What a file is beside its bytes: extended attributes, and which of its blocks hold any."""

    xattrs: Xattrs = ()
    data: Extents | None = None


class FileCopier:
    """Copies single files from one tree to another.

    Args:
        source, target: the trees.
        progress: what is counted.
        xattrs: copy extended attributes.
        delta: of a file that replaces an older version, send only what that has not.
        verifier: told of each file that was placed.
    """

    def __init__(
        self,
        source: Files,
        target: Files,
        progress: Progress,
        *,
        xattrs: bool = True,
        delta: bool = True,
        verifier: Verifier | None = None,
    ) -> None:
        self._verifier = verifier
        both = source.offers(FIDELITY) and target.offers(FIDELITY)
        self._xattrs = xattrs and both
        self._sparse = both
        self._source = source
        self._target = target
        self._progress = progress
        self._under_way = 0
        self._most_before = FIRST_BLOCKS
        self._block_done = asyncio.Event()
        self._takes = asyncio.Semaphore(TAKES_AT_ONCE)
        self._reuse = Reuse(source, target, progress, wanted=delta)

    async def copy(self, job: FileJob) -> Attributes:
        """Copy one file, continuing a part file of the same version of the source.

        Returns:
            what it is at the target.

        Raises:
            RemoteError: ``changed`` where the source is another file than ``job.attributes`` says; what either
                side says otherwise.
            Interrupted: the part file stays; copying again continues it.
        """
        # Extended attributes are needed at the end only; where the holes are, at the beginning.
        tasks = Tasks()
        examining = tasks.start(self._examined(job), "examine")
        try:
            data = (await _form(examining)).data if self._is_sparse(job) else None
            return await self._copy(job, DataBlocks(job.attributes.size, data), data, examining)
        finally:
            tasks.cancel()

    async def _copy(
        self, job: FileJob, blocks: DataBlocks, data: Extents | None, examining: asyncio.Task[_Form | GimmalError]
    ) -> Attributes:
        size = job.attributes.size
        part, verified = await self._open_part(job, blocks, data)
        digests = [b""] * block_count(size) if data is None else _holes(size)
        there = 0
        for number in range(blocks.count):
            index = blocks.index_at(number)
            digests[index] = verified[number] if number < len(verified) else b""
            there += block_length(size, index) if digests[index] else 0
        holes = sum(length for _offset, length in blocks.holes())
        self._progress.resumed_bytes += there
        self._progress.hole_bytes += holes
        self._progress.did_bytes(there + holes)
        counted = _Counted(there + holes, there, holes)
        try:
            await self._copy_blocks(job, part, digests, counted, sparse=blocks.sparse)
            digest = file_digest(size, digests)
            mode = job.attributes.mode & 0o777
            xattrs = (await _form(examining)).xattrs
            placed = await self._target.commit(
                Commit(part, digest, job.attributes.mtime_ns, mode, xattrs=xattrs), job.target_path
            )
        except RemoteError as exc:
            counted.take_back(self._progress)
            await self._give_up(part, exc)
            raise
        self._progress.did_file()
        if self._verifier is not None:
            await self._verifier.placed(job.target_path, job.attributes, digests)
        return placed

    def _is_sparse(self, job: FileJob) -> bool:
        return self._sparse and job.attributes.sparse and job.attributes.size <= SPARSE_SIZE_MAX

    async def _examined(self, job: FileJob) -> _Form | GimmalError:
        try:
            return await self._examine(job)
        except GimmalError as exc:
            return exc

    async def _examine(self, job: FileJob) -> _Form:
        """What else is to be copied of a file.

        Raises:
            RemoteError: ``changed`` where it is another by now.
            ProtocolViolation: stretches of data out of order or beyond the file.
        """
        size, sparse = job.attributes.size, self._is_sparse(job)
        if not (sparse or self._xattrs):
            return _Form()
        version = version_of(job.attributes)
        examined = await self._source.examine(job.source_path, version)
        form = _Form(examined.xattrs if self._xattrs else ())
        self._progress.bare += self._xattrs and examined.bare
        if not sparse:
            return form
        data: list[Extent] = []
        at = 0
        while True:
            if not are_stretches(examined.extents, size) or (examined.extents and examined.extents[0][0] < at):
                raise ProtocolViolation("the other side's file has data outside itself", "copy it again")
            add_blocks(data, examined.extents)
            if len(data) > 2 * EXTENTS_MAX:
                data = list(few_stretches(data, EXTENTS_MAX))
            if not examined.next:
                form.data = few_stretches(data, EXTENTS_MAX)
                return form
            if examined.next < at + EXTENTS_MAX * HOLE_MIN:
                raise ProtocolViolation("the other side's file has no end", "copy it again")
            at = examined.next
            examined = await self._source.examine(job.source_path, version, at)

    async def _open_part(self, job: FileJob, blocks: DataBlocks, data: Extents | None) -> tuple[int, list[bytes]]:
        """The part file, and the digest of each verified block of data in it, empty where it is missing."""
        size = job.attributes.size
        source = fingerprint(job, self._source.lasting_path(job.source_path))
        request = OpenPart(job.target_path, size, source, job.replace, job.expected, data=data)
        opened = await self._target.open_part(request)
        digests = list(opened.blocks)
        while len(opened.blocks) == PART_BLOCKS_MAX and len(digests) < blocks.count:
            opened = await self._target.open_part(msgspec.structs.replace(request, first=len(digests)))
            digests += opened.blocks
        if len(digests) > blocks.count:
            raise ProtocolViolation("the other side has more blocks of a file than it has", "copy it again")
        return opened.part, digests

    async def _copy_blocks(
        self, job: FileJob, part: int, digests: list[bytes], counted: _Counted, *, sparse: bool
    ) -> None:
        missing = [index for index, digest in enumerate(digests) if not digest]

        async def copy_block(index: int, plan: Plan | None) -> None:
            length = block_length(job.attributes.size, index)
            if plan is not None and await self._reuse.put_together(job, part, index, plan):
                digests[index] = plan.digest
                counted.reused += reused_bytes(plan.reused)
            elif plan is not None and not plan.gaps:
                # Now its bytes have to be held, for which it has no place yet.
                await self._room()
                group.create_task(copy_block(index, None)).add_done_callback(self._begin_block())
                return
            else:
                digests[index] = await self._copy_block(job, part, index * BLOCK_SIZE, length, sparse=sparse)
            counted.bytes += length
            self._progress.did_bytes(length)

        try:
            async with asyncio.TaskGroup() as group, aclosing(self._reuse.plans(job, missing)) as plans:
                async for index, plan in plans:
                    # What holds no bytes here is bounded for itself.
                    free = plan is not None and not plan.gaps
                    await (self._takes.acquire() if free else self._room())
                    ended = self._end_take if free else self._begin_block()
                    # Not in the task: one that is cancelled before it began would keep its place for ever.
                    group.create_task(copy_block(index, plan)).add_done_callback(ended)
        except BaseExceptionGroup as exc:
            raise first_of(exc) from None

    async def _room(self) -> None:
        """Wait until another block may be begun; what bounds the memory of all files of one copy."""
        while self._under_way >= self._most():
            self._block_done.clear()
            # With more links, or later, the next block that is done shows it soon enough.
            early = self._most() <= self._most_before < BLOCKS_AT_ONCE
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS if early else None):
                    await self._block_done.wait()

    def _most(self) -> int:
        most = max(self._source.blocks_at_once, self._target.blocks_at_once)
        return most if most > BLOCKS_AT_ONCE else min(most, self._most_before)

    def _begin_block(self) -> Callable[[asyncio.Task[None]], None]:
        """To be called in the same step as `_room` has returned; what it returns, when the block is over."""
        self._under_way += 1
        return self._end_block

    def _end_take(self, _task: asyncio.Task[None]) -> None:
        self._takes.release()

    def _end_block(self, _task: asyncio.Task[None]) -> None:
        self._under_way -= 1
        self._most_before += 1
        self._block_done.set()

    async def _copy_block(self, job: FileJob, part: int, offset: int, length: int, *, sparse: bool) -> bytes:
        version = version_of(job.attributes)

        async def load() -> Block:
            if sparse:
                block = await self._source.read_block(job.source_path, offset, length, version, sparse=True)
            else:
                block = await self._source.read_block(job.source_path, offset, length, version)
            if block.length != length:
                self._source.release(block)
                raise RemoteError("changed", "the file changed while it was copied", "copy it again")
            return block

        arrived = 0
        self._reuse.begin_whole()
        try:
            digest = await self._target.write_block(part, offset, length, load, sparse=sparse)
            arrived = length
        finally:
            self._reuse.end_whole(arrived)
        return digest

    async def _give_up(self, part: int, cause: RemoteError) -> None:
        # A part file is worth keeping only where the same source can continue it.
        with contextlib.suppress(GimmalError):
            await self._target.discard(part, remove=cause.code not in ("no_space", "input_output"))


async def _form(examining: asyncio.Task[_Form | GimmalError]) -> _Form:
    form = await examining
    if isinstance(form, GimmalError):
        raise form
    return form


def _holes(size: int) -> list[bytes]:
    """Digests of a file's blocks if all were holes."""
    count = block_count(size)
    digests = [hole_digest(BLOCK_SIZE)] * count
    if count:
        digests[-1] = hole_digest(block_length(size, count - 1))
    return digests


__all__ = ["FileCopier", "FileJob", "fingerprint", "first_of"]
