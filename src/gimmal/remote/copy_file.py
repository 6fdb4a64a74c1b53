"""Copying one file block by block: part file, verified blocks, commit (docs/spec/protocol.md, section 6)."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import msgspec

from gimmal.base.errors import GimmalError, ProtocolViolation, RemoteError
from gimmal.base.primitives import blake3_digest
from gimmal.protocol.digest import block_count, block_length, file_digest
from gimmal.protocol.limits import BLOCK_SIZE, PART_BLOCKS_MAX
from gimmal.protocol.messages import Attributes, Commit, OpenPart, Replace, Version
from gimmal.remote.files import BLOCKS_AT_ONCE, Block, Files, version_of
from gimmal.remote.progress import Progress

FIRST_BLOCKS = 2
"""Blocks that are under way before one was done: more would only queue where further links are still to come."""


LOOK_SECONDS = 0.05
"""How often to see whether there are more links while no block is done."""


@dataclass(frozen=True)
class FileJob:
    """One file to copy.

    Attributes:
        source_path, target_path: wire paths on their sides.
        attributes: of the source.
        replace, expected: what may happen to a file already under the target path.
    """

    source_path: str
    target_path: str
    attributes: Attributes
    replace: Replace
    expected: Version | None = None


class FileCopier:
    """Copies single files from one tree to another.

    Args:
        source, target: the trees.
        progress: what is counted.
    """

    def __init__(self, source: Files, target: Files, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._under_way = 0
        self._most_before = FIRST_BLOCKS
        self._block_done = asyncio.Event()

    async def copy(self, job: FileJob) -> None:
        """Copy one file, continuing a part file of the same version of the source.

        Raises:
            RemoteError: ``changed`` where the source is another file than ``job.attributes`` says; what either
                side says otherwise.
            Interrupted: the part file stays; copying again continues it.
        """
        size = job.attributes.size
        part, digests = await self._open_part(job)
        there = sum(block_length(size, index) for index, digest in enumerate(digests) if digest)
        self._progress.resumed_bytes += there
        self._progress.did_bytes(there)
        committed = False
        counted = there
        try:
            counted += await self._copy_blocks(job, part, digests)
            commit = Commit(part, file_digest(size, digests), job.attributes.mtime_ns, job.attributes.mode & 0o777)
            await self._target.commit(commit, job.target_path)
            committed = True
        except RemoteError as exc:
            self._progress.bytes -= counted
            await self._give_up(part, exc)
            raise
        if committed:
            self._progress.did_file()

    async def _open_part(self, job: FileJob) -> tuple[int, list[bytes]]:
        """The part file, and the digest of each verified block in it, empty where it is missing."""
        size = job.attributes.size
        request = OpenPart(job.target_path, size, fingerprint(job), job.replace, job.expected)
        opened = await self._target.open_part(request)
        digests = list(opened.blocks)
        while len(opened.blocks) == PART_BLOCKS_MAX and len(digests) < block_count(size):
            opened = await self._target.open_part(msgspec.structs.replace(request, first=len(digests)))
            digests += opened.blocks
        missing = block_count(size) - len(digests)
        if missing < 0:
            raise ProtocolViolation("the other side has more blocks of a file than it has", "copy it again")
        return opened.part, digests + [b""] * missing

    async def _copy_blocks(self, job: FileJob, part: int, digests: list[bytes]) -> int:
        missing = [index for index, digest in enumerate(digests) if not digest]
        done = 0

        async def copy_block(index: int) -> None:
            nonlocal done
            length = block_length(job.attributes.size, index)
            digests[index] = await self._copy_block(job, part, index * BLOCK_SIZE, length)
            done += length
            self._progress.did_bytes(length)

        try:
            async with asyncio.TaskGroup() as group:
                for index in missing:
                    await self._room()
                    self._under_way += 1
                    # Not in the task: one that is cancelled before it began would keep its place for ever.
                    group.create_task(copy_block(index)).add_done_callback(self._end_block)
        except BaseExceptionGroup as exc:
            raise first_of(exc) from None
        return done

    async def _room(self) -> None:
        """Wait until another block may be begun; what bounds the memory of all files of one copy."""
        while self._under_way >= self._most():
            self._block_done.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._block_done.wait()

    def _most(self) -> int:
        most = max(self._source.blocks_at_once, self._target.blocks_at_once)
        return most if most > BLOCKS_AT_ONCE else min(most, self._most_before)

    def _end_block(self, _task: asyncio.Task[None]) -> None:
        self._under_way -= 1
        self._most_before += 1
        self._block_done.set()

    async def _copy_block(self, job: FileJob, part: int, offset: int, length: int) -> bytes:
        version = version_of(job.attributes)

        async def load() -> Block:
            block = await self._source.read_block(job.source_path, offset, length, version)
            if block.length != length:
                self._source.release(block)
                raise RemoteError("changed", "the file changed while it was copied", "copy it again")
            return block

        return await self._target.write_block(part, offset, length, load)

    async def _give_up(self, part: int, cause: RemoteError) -> None:
        # A part file is worth keeping only where the same source can continue it.
        with contextlib.suppress(GimmalError):
            await self._target.discard(part, remove=cause.code not in ("no_space", "input_output"))


def fingerprint(job: FileJob) -> bytes:
    """16 bytes that are the same for the same version of the same source."""
    attributes = job.attributes
    numbers = f"{attributes.identity}.{attributes.size}.{attributes.mtime_ns}"
    return blake3_digest(job.source_path.encode(), b"\0", numbers.encode())[:16]


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error to raise for a group: the first that is no consequence of the others."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return first_of(error)
        return error
    return group
