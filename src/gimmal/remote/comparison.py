"""What the version of a file at the target and the one to be copied share, found out while the copy goes on.

Both are listed by chunks at the same time, page after page. A block all of which was found in the old version need not
wait for the rest of that; any other waits until all of the old version is known, for what it lacks may still be met.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from gimmal.base.errors import GimmalError, InternalError, RemoteError
from gimmal.base.tasks import Tasks
from gimmal.protocol.chunk_messages import Average, ListChunks
from gimmal.protocol.chunks import ChunkPage
from gimmal.protocol.digest import block_length
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Reused, Version
from gimmal.protocol.reused import Gap, gaps_of, reused_bytes
from gimmal.remote.file_job import FileJob
from gimmal.remote.files import Files
from gimmal.remote.shared_chunks import NewChunks, OldChunks
from gimmal.transport.frames import again

logger = logging.getLogger("gimmal.remote")

GAPS_MAX = 64
"""Stretches of one block that are asked for one by one; a block with more is sent whole."""

WORTH = 16
"""A block of which less than one part in so many is there is sent whole."""

MISFITS_MAX = 4
"""Blocks that turn out otherwise than listed, after which nothing listed is believed any more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a block is put together.

    Attributes:
        digest: of the whole block, as the source says.
        reused: what is taken from the old version.
        gaps: what has to be sent.
        comparison: where the plan comes from.
    """

    digest: bytes
    reused: Reused
    gaps: tuple[Gap, ...]
    comparison: Comparison


class Comparison:
    """Of one file; an asynchronous context manager, outside of which nothing more is found out.

    Args:
        source, target: the trees.
        job: the file.
        new, old: its version at the source, and the one at the target.
        average: how finely both are cut.
        first: the first block that is needed.
    """

    def __init__(
        self,
        source: Files,
        target: Files,
        job: FileJob,
        new: Version,
        old: Version,
        average: Average,
        first: int,
    ) -> None:
        self._source, self._target, self._job = source, target, job
        self._new_version, self._old_version = new, old
        self._average = average
        self._first = first
        self._old = OldChunks()
        self._new = NewChunks(first * BLOCK_SIZE)
        self._digests: list[bytes] = []
        self._misfits = 0
        self._given_up = False
        self._failure: GimmalError | None = None
        self._changed = asyncio.Event()
        self._tasks = Tasks()

    async def __aenter__(self) -> Self:
        old = ListChunks(self._job.target_path, self._old_version, 0, self._average)
        new = ListChunks(self._job.source_path, self._new_version, self._first * BLOCK_SIZE, self._average, blocks=True)
        self._tasks.start(self._list(self._target, old, self._take_old), "chunks of the old version")
        self._tasks.start(self._list(self._source, new, self._take_new), "chunks of the new version")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tasks.cancel()

    @property
    def settled(self) -> bool:
        """Whether all of the old version is known, so that nothing more will be found in it."""
        return self._given_up or self._old.end == self._old_version.size

    async def settle(self) -> None:
        """Wait until all of the old version is known.

        Raises:
            GimmalError: as `plan`.
        """
        while not self.settled:
            await self._more()

    async def plan(self, index: int) -> Plan | None:
        """How to put a block together of what is known of the old version so far; None to send it whole.

        Args:
            index: of the block, not before ``first``; waits until the source has listed it.

        Raises:
            UnreachableError: the other side cannot be asked any more.
            ProtocolViolation: what it lists makes no sense.
        """
        start = index * BLOCK_SIZE
        length = block_length(self._new_version.size, index)
        while not self._given_up and self._new.end < start + length:
            await self._more()
        if self._given_up:
            return None
        reused = self._new.shared(self._old, start, start + length)
        gaps = gaps_of(length, reused)
        if gaps is None or len(gaps) > GAPS_MAX or reused_bytes(reused) * WORTH < length:
            return None
        return Plan(self._digests[index - self._first], reused, gaps, self)

    def misfit(self) -> None:
        """A block that was put together by a plan is not what it should be: a version changed, or someone lies."""
        self._misfits += 1
        if self._misfits >= MISFITS_MAX:
            self._give_up()

    async def _list(self, files: Files, request: ListChunks, take: Callable[[ChunkPage], None]) -> None:
        at, size = request.offset, request.version.size
        try:
            while at < size and not self._given_up:
                page = await files.chunks(
                    ListChunks(request.path, request.version, at, request.average, request.blocks)
                )
                take(page)
                at = page.end
                self._changed.set()
        except RemoteError as exc:
            # No reason not to copy: whatever is wrong shows where it matters, or does not matter.
            logger.debug("no chunks: %s", exc)
            self._give_up()
        except GimmalError as exc:
            self._failure = exc
            self._changed.set()
        except BaseException:
            # Whoever waits for the list must not wait for ever.
            self._failure = InternalError("the versions of a file could not be compared", "report this")
            self._changed.set()
            raise

    def _take_old(self, page: ChunkPage) -> None:
        self._old.add(page.chunks)

    def _take_new(self, page: ChunkPage) -> None:
        self._new.add(page.chunks)
        self._digests += page.blocks

    def _give_up(self) -> None:
        self._given_up = True
        self._changed.set()

    async def _more(self) -> None:
        if self._failure is not None:
            raise again(self._failure)
        self._changed.clear()
        await self._changed.wait()
        if self._failure is not None:
            raise again(self._failure)
