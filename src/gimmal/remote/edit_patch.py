"""A patch by an edit on the other side (docs/spec/protocol.md, section 12)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from math import inf

from gimmal.base.errors import GimmalError, ProtocolViolation
from gimmal.base.primitives import blake3_digest, equal
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import EDIT_DATA_MAX, EDIT_RANGES_MAX
from gimmal.protocol.messages import (
    Attributes,
    CommitEdit,
    DiscardEdit,
    Done,
    EditRead,
    Found,
    ReadEdit,
    TruncateEdit,
    WriteEdit,
)
from gimmal.remote.file_job import first_of
from gimmal.remote.files import Files
from gimmal.remote.patch import Data, Patch
from gimmal.remote.patch_order import PatchOrder

WRITE_BYTES = 256 << 10
"""Bytes of one WriteEdit: few enough not to hold up a listing on a slow line for long."""

UNDER_WAY_MAX = 16
"""WriteEdits and ReadEdits of one patch under way at a time: what a long fast line needs, and bounds memory."""

_Batch = list[tuple[int, memoryview]]
"""What one WriteEdit brings."""


class EditPatch(Patch):
    """See Patch.

    Args:
        files: the other side.
        path: final path, for errors.
        number: of the open edit.
    """

    def __init__(self, files: Files, path: str, number: int) -> None:
        self._files = files
        self._path = path
        self._number = number
        self._order = PatchOrder()
        self._under_way = asyncio.Semaphore(UNDER_WAY_MAX)
        self._over = False
        self._rests = False
        """Committed and not used since: the next goes alone, for the other side may have to copy the file for it."""

    async def write_many(self, ranges: Sequence[tuple[int, Data]]) -> None:
        """See Patch."""
        batches = _batches(ranges)
        start = min((offset for offset, _data in ranges), default=0)
        end = max((offset + len(data) for offset, data in ranges), default=0)
        async with self._turn(start, end):
            self._check()
            with self._order.changing():
                if self._rests and batches:
                    await self._write(batches.pop(0))
                    self._rests = False
                await self._side_by_side(batches)

    async def read(self, offset: int, length: int) -> bytes:
        """See Patch."""
        async with self._turn(offset, offset + length, writes=False):
            self._check()
            pieces: list[bytes] = []
            while length:
                piece = await self._read(offset, min(length, EDIT_DATA_MAX))
                self._rests = False
                pieces.append(piece)
                if len(piece) < min(length, EDIT_DATA_MAX):
                    break
                offset += len(piece)
                length -= len(piece)
            return b"".join(pieces)

    async def truncate(self, size: int) -> None:
        """See Patch."""
        async with self._turn():
            self._check()
            with self._order.changing():
                request = TruncateEdit(self._number, size)
                self._files.expect(await self._files.ask(request, None), Done, self._path)
                self._rests = False

    async def commit(
        self, *, mtime_ns: int | None, mode: int | None, durable: bool, keep_open: bool = False, path: str = ""
    ) -> Attributes:
        """See Patch."""
        async with self._turn():
            self._check()
            request = CommitEdit(self._number, mtime_ns, mode, durable, keep_open=keep_open, path=path)
            found = self._files.expect(await self._files.ask(request, None), Found, path or self._path)
            self._over, self._rests = not keep_open, keep_open
            return found.attributes

    async def discard(self) -> None:
        """See Patch."""
        if not self._over:
            self._over = True
            with contextlib.suppress(GimmalError):  # then it ends with the session
                await self._files.ask(DiscardEdit(self._number))

    def _turn(self, start: float = 0, end: float = inf, *, writes: bool = True) -> AbstractAsyncContextManager[None]:
        return self._order.turn(writes=True) if self._rests else self._order.turn(start, end, writes=writes)

    def _check(self) -> None:
        self._order.check()
        if self._over:
            raise self._files.error(Code.UNKNOWN_PART, self._path)

    async def _side_by_side(self, batches: Sequence[_Batch]) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for batch in batches:
                    group.create_task(self._write(batch))
        except BaseExceptionGroup as exc:
            raise first_of(exc) from None

    async def _write(self, batch: _Batch) -> None:
        async with self._under_way:
            data = b"".join(view for _offset, view in batch)
            stretches = tuple((offset, len(view)) for offset, view in batch)
            request = WriteEdit(self._number, stretches, data, blake3_digest(data))
            self._files.expect(await self._files.send(request, len(data)), Done, self._path)

    async def _read(self, offset: int, length: int) -> bytes:
        request = ReadEdit(self._number, offset, length)
        async with self._under_way:
            read = self._files.expect(await self._files.send(request, length), EditRead, self._path)
        if len(read.data) > length:
            raise ProtocolViolation("the other side sent more of an edit than was asked for")
        if not equal(blake3_digest(read.data), read.digest):
            raise self._files.error(Code.CORRUPT, self._path)
        return read.data


def _batches(ranges: Sequence[tuple[int, Data]]) -> list[_Batch]:
    batches: list[_Batch] = []
    room = 0
    for start, data in ranges:
        view = memoryview(data).cast("B")
        while view:
            if not room or len(batches[-1]) >= EDIT_RANGES_MAX:
                batches.append([])
                room = WRITE_BYTES
            batches[-1].append((start, view[:room]))
            count = len(batches[-1][-1][1])
            start, view, room = start + count, view[count:], room - count
    return batches
