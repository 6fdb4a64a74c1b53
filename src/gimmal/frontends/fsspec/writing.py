"""A file that is open for writing: its bytes are gathered, and travel when it is closed."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from gimmal.base.errors import RemoteError
from gimmal.frontends.fsspec.line import Line
from gimmal.frontends.fsspec.outgoing import Outgoing
from gimmal.protocol.codes import Code
from gimmal.protocol.features import EDIT
from gimmal.protocol.limits import BLOCK_SIZE, EDIT_DATA_MAX
from gimmal.protocol.messages import Attributes, Replace, Version
from gimmal.remote.files import Files, version_of
from gimmal.remote.patching import open_patch, save_ranges
from gimmal.remote.placing import stat_or_none
from gimmal.remote.reading import read_verified, require_file
from gimmal.remote.spool import Spool

AT_ONCE = 4 * BLOCK_SIZE
"""Bytes that are under way at a time of what is written on."""

DEFERRED_MAX = 32
"""Files of a transaction that lie whole on the other side without their name; further ones wait here."""


class Writing:
    """What both kinds of open files do to write; made by ``begin_writing``.

    Args:
        line: the session.
        path: wire path.
        replace: what may stand under its name when it is placed.
        before: of a file that is written on at its end.
        folders: make missing folders.
    """

    def __init__(self, line: Line, path: str, replace: Replace, before: Attributes | None, *, folders: bool) -> None:
        self._line = line
        self._path = path
        self._replace = replace
        self._before = before
        self._folders = folders
        self._spool = Spool()
        self._outgoing: Outgoing | None = None
        self._deferred = False

    @property
    def size(self) -> int:
        """Bytes that the file will have, as written so far."""
        return self._start + self._spool.size

    @property
    def _start(self) -> int:
        return 0 if self._before is None else self._before.size

    def append(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes; may block on the disk. Raises LocalError."""
        self._spool.append(data)

    async def send(self) -> None:
        """Have the bytes on the other side already, but for their name, where that holds few enough such files.

        What is written on at its end waits here: there is little of it.

        Raises:
            GimmalError: why that cannot be.
        """
        if self._before is None and self._line.deferred < DEFERRED_MAX:
            self._line.deferred += 1
            self._deferred = True
            await self._made().send()

    async def place(self) -> None:
        """Give the file its name, whole and durable.

        Raises:
            GimmalError: why that cannot be.
        """
        try:
            files = await self._line.files()
            if self._before is not None and files.offers(EDIT):
                await self._place_end(files, version_of(self._before))
            else:
                await self._made().place()
        finally:
            self._forget()

    async def _place_end(self, files: Files, before: Version) -> None:
        """Send what was written on and nothing else."""
        start, size, now = self._start, self._spool.size, time.time_ns()
        expected = Replace.EXPECTED
        if size <= EDIT_DATA_MAX:
            if not size:
                return
            await save_ranges(
                files,
                self._path,
                base=before,
                kept=start,
                size=start + size,
                replace=expected,
                ranges=[(start, self._spool.read(0, size))],
                mtime_ns=now,
                mode=None,
                durable=True,
            )
            return
        patch = await open_patch(files, self._path, base=before, size=start, replace=expected)
        try:
            for offset in range(0, size, AT_ONCE):
                content = await asyncio.to_thread(self._spool.read, offset, AT_ONCE)
                await patch.write(start + offset, content)
            await patch.commit(mtime_ns=now, mode=None, durable=True)
        finally:
            await patch.discard()

    async def discard(self) -> None:
        """The file is not to be: nothing of it remains."""
        outgoing = self._outgoing
        self._forget()
        if outgoing is not None:
            await outgoing.discard()

    def _forget(self) -> None:
        self._line.deferred = max(0, self._line.deferred - self._deferred)
        self._deferred = False
        self._spool.close()

    def _made(self) -> Outgoing:
        if self._outgoing is None:
            self._outgoing = Outgoing(
                self._line,
                self._path,
                self.size,
                self._load,
                replace=self._replace,
                expected=version_of(self._before) if self._before is not None else None,
                folders=self._folders,
            )
        return self._outgoing

    async def _load(self, index: int) -> bytes:
        offset = index * BLOCK_SIZE
        end = min(offset + BLOCK_SIZE, self.size)
        old = b""
        if self._before is not None and offset < self._start:
            old = await self._before_bytes(offset, min(end, self._start), version_of(self._before))
            offset += len(old)
        new = await asyncio.to_thread(self._spool.read, offset - self._start, end - offset)
        return old + new if old else new

    async def _before_bytes(self, offset: int, end: int, version: Version) -> bytes:
        files = await self._line.files()
        block = await read_verified(files, self._path, offset, end - offset, version)
        try:
            return b"".join(piece.body for piece in block.pieces)
        finally:
            files.release(block)


async def begin_writing(line: Line, path: str, mode: str, *, folders: bool) -> Writing:
    """Open a file for writing.

    Args:
        line: the session.
        path: wire path.
        mode: ``wb`` for anew, ``xb`` for anew where nothing stands, ``ab`` for going on at the end.
        folders: make missing folders when it is placed.

    Raises:
        RemoteError: ``exists`` with ``xb``; it is no file that can be written on, with ``ab``.
    """
    make = partial(Writing, line, path, folders=folders)
    if mode == "wb":
        return make(Replace.ALWAYS, None)
    files = await line.files()
    try:
        there = await stat_or_none(files, path)
    except RemoteError as exc:
        if mode == "ab" or exc.code != "not_granted":
            raise
        there = None  # a share that shows nothing takes what is new all the same
    if there is None:
        return make(Replace.NEVER, None)
    if mode == "xb":
        raise files.error(Code.EXISTS, path)
    return make(Replace.EXPECTED, require_file(there, path))
