"""Reading again what a copy placed, beside the copy (docs/decisions/0059-verify-and-progress.md).

Both ends digest what their disks hold; no contents pass the line. Small files are asked for many at a time, large ones
some blocks at a time, and the copy goes on meanwhile: it waits only where very much is still to be read again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gimmal.base.display import displayable
from gimmal.base.errors import GimmalError, RemoteError
from gimmal.base.primitives import equal
from gimmal.base.tasks import Tasks
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import block_count, file_digest
from gimmal.protocol.features import MEASURE
from gimmal.protocol.limits import BLOCK_SIZE, DIGEST_BLOCKS_MAX
from gimmal.protocol.messages import Attributes, BundleFile, FileDigest, Version
from gimmal.remote.digests import block_digests, both, digest_files
from gimmal.remote.files import Files
from gimmal.remote.progress import Progress

CORRUPT = "corrupt on the disk: what was read again is not what was sent"
DIFFERS = "it was there with the same size and time, but its bytes are others"
UNLIKE = frozenset((CORRUPT, DIFFERS))
"""What is said of a file that is not what the source holds."""

HINT = "check that disk, remove the file there, and copy it again"

BATCH_FILES = 512
BATCH_BYTES = 16 << 20
"""Small files of one question at most: few enough that their disk is read while others are still copied."""

PORTIONS_WAITING = 6
"""Batches and large files that wait to be read again before the copy waits for them."""

ASKED_AT_ONCE = 2

_TIME_STEP_NS = 2_000_000_000
"""Disks keep times in steps of up to this."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One file to read again.

    Attributes:
        path: in the target.
        size, mtime_ns: of the source.
        digests: of its blocks as they were sent; of a file of one block its file digest alone; None where the source
            has to be asked.
        source: its path there.
        version: of the source, where that is asked.
        placed: this copy placed it; otherwise it was there.
    """

    path: str
    size: int
    mtime_ns: int
    digests: Sequence[bytes] | None
    source: str = ""
    version: Version | None = None
    placed: bool = True


class Verifier:
    """Compares the digests of what lies on the target's disk with those of what was sent. See `verifying`."""

    def __init__(self, source: Files, target: Files, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._tasks = Tasks()
        self._waiting = asyncio.Semaphore(PORTIONS_WAITING)
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)
        self._batch: list[_Item] = []
        self._batch_bytes = 0
        self._running: set[asyncio.Task[None]] = set()
        self._broken: BaseException | None = None

    async def placed(self, path: str, attributes: Attributes, digests: Sequence[bytes]) -> None:
        """A file was placed whose blocks had these digests when they were sent."""
        if attributes.size <= BLOCK_SIZE:
            digests = [file_digest(attributes.size, digests)]
        await self._add(_Item(path, attributes.size, attributes.mtime_ns, digests))

    async def bundled(self, folder: str, files: Sequence[BundleFile]) -> None:
        """Small files were placed below a folder."""
        for file in files:
            await self._add(_Item(f"{folder}/{file.name}", file.size, file.mtime_ns, [file.digest]))

    async def copied(self, source: str, attributes: Attributes, path: str, *, placed: bool) -> None:
        """A file that the other side copied by itself, or that was there: its contents are to be compared."""
        version = Version(attributes.identity, attributes.size, attributes.mtime_ns)
        await self._add(_Item(path, attributes.size, attributes.mtime_ns, None, source, version, placed))

    async def finish(self) -> None:
        """Wait until all was read again; what is not as it should be stands in the progress.

        Raises:
            GimmalError: a side could not be asked.
        """
        await self._send_batch()
        while self._running:
            await asyncio.wait(self._running)
        self._check()

    def cancel(self) -> None:
        """Ask nothing more."""
        self._tasks.cancel()

    async def _add(self, item: _Item) -> None:
        self._check()
        self._progress.to_verify += 1
        if item.size > BLOCK_SIZE:
            await self._start([item])
            return
        if len(self._batch) >= BATCH_FILES or self._batch_bytes + item.size > BATCH_BYTES:
            await self._send_batch()
        self._batch.append(item)
        self._batch_bytes += item.size

    async def _send_batch(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if batch:
            await self._start(batch)

    async def _start(self, items: list[_Item]) -> None:
        await self._waiting.acquire()
        task = self._tasks.start(self._verify(items), "verify")
        self._running.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._waiting.release()
        if not task.cancelled() and self._broken is None:
            self._broken = task.exception()

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken

    # One portion -----------------------------------------------------------------------------------------------------

    async def _verify(self, items: list[_Item]) -> None:
        try:
            async with self._asking:
                if items[0].size > BLOCK_SIZE:
                    await self._verify_large(items[0])
                else:
                    await self._verify_small(items)
        except RemoteError as exc:
            for item in items:
                self._fail(item, exc.message.rpartition(": ")[2])
        except GimmalError as exc:
            # A cut is ordinary: it is told to whoever adds or waits, not to the log.
            self._broken = exc

    async def _verify_small(self, items: list[_Item]) -> None:
        asked = [item for item in items if item.digests is None]
        sizes = [(item.source, item.size, item.version) for item in asked]
        paths = [item.path for item in items]
        found, sources = await both(digest_files(self._target, paths), self._source_digests(sizes))
        of_source = dict(zip((item.source for item in asked), sources, strict=True))
        for item, file in zip(items, found, strict=True):
            digest = item.digests[0] if item.digests else of_source[item.source]
            self._judge(item, file, digest)

    def _judge(self, item: _Item, file: FileDigest, digest: bytes | RemoteError) -> None:
        if file.code:
            self._fail(item, self._target.error(file.code).message)
        elif isinstance(digest, RemoteError):
            self._fail(item, digest.message.rpartition(": ")[2])
        elif equal(file.digest, digest):
            self._progress.did_verify()
        else:
            assert file.attributes is not None
            self._is_unlike(item, file.attributes.size, file.attributes.mtime_ns)

    async def _verify_large(self, item: _Item) -> None:
        version: Version | None = None
        for first in range(0, block_count(item.size), DIGEST_BLOCKS_MAX):
            count = min(DIGEST_BLOCKS_MAX, block_count(item.size) - first)
            found, sent = await both(
                block_digests(self._target, item.path, first, count, version), self._sent(item, first, count)
            )
            version = found.version
            if list(found.digests) != list(sent):
                self._is_unlike(item, version.size, version.mtime_ns)
                return
        self._progress.did_verify()

    async def _sent(self, item: _Item, first: int, count: int) -> Sequence[bytes]:
        if item.digests is not None:
            return item.digests[first : first + count]
        if self._source.offers(MEASURE):
            return (await block_digests(self._source, item.source, first, count, item.version)).digests
        return [await self._read(item.source, index, item.size, item.version) for index in range(first, first + count)]

    async def _source_digests(self, files: list[tuple[str, int, Version | None]]) -> list[bytes | RemoteError]:
        """The file digest of each small file of the source, or why there is none."""
        if not files:
            return []
        if self._source.offers(MEASURE):
            found = await digest_files(self._source, [path for path, _size, _version in files])
            return [self._source.error(file.code) if file.code else file.digest for file in found]
        digests: list[bytes | RemoteError] = []
        for path, size, version in files:
            try:
                digests.append(file_digest(size, [await self._read(path, 0, size, version)] if size else []))
            except RemoteError as exc:
                digests.append(exc)
        return digests

    async def _read(self, path: str, index: int, size: int, version: Version | None) -> bytes:
        """The digest of one block of a source that is too old to digest for itself: its bytes have to come."""
        offset = index * BLOCK_SIZE
        block = await self._source.read_block(path, offset, min(BLOCK_SIZE, size - offset), version)
        self._source.release(block)
        return block.digest

    # What comes of it ------------------------------------------------------------------------------------------------

    def _is_unlike(self, item: _Item, size: int, mtime_ns: int) -> None:
        if size != item.size or abs(mtime_ns - item.mtime_ns) > _TIME_STEP_NS:
            self._fail(item, self._target.error(Code.CHANGED).message)
        else:
            self._fail(item, CORRUPT if item.placed else DIFFERS)

    def _fail(self, item: _Item, reason: str) -> None:
        self._progress.did_not_verify(item.size, placed=item.placed)
        self._progress.fail(self._target.shown(item.path), reason)


@contextlib.asynccontextmanager
async def verifying(
    source: Files, target: Files, path: str, progress: Progress, *, wanted: bool
) -> AsyncIterator[Verifier | None]:
    """A verifier for one copy, None where none is wanted; at the end all was read again.

    Args:
        source, target: the trees.
        path: what is copied to.
        progress: what is counted.
        wanted: whether anything is to be read again.

    Raises:
        RemoteError: the target cannot be read again: its program is too old, or its share lets nothing be read.
        GimmalError: as `Verifier.finish`.
    """
    if not wanted:
        yield None
        return
    await _check(target, path)
    verifier = Verifier(source, target, progress)
    try:
        yield verifier
        await verifier.finish()
    finally:
        verifier.cancel()


async def _check(target: Files, path: str) -> None:
    if not target.offers(MEASURE):
        raise RemoteError(
            "unsupported",
            "gimmal on the other side is too old to read files again",
            "update it there, or leave out --verify",
        )
    share = path.partition("/")[0]
    if share and not (await target.stat(share)).mode & 0o444:
        raise RemoteError(
            "not_granted",
            f"{displayable(target.shown(share))}: what lies in a drop share cannot be read again",
            "leave out --verify",
        )
