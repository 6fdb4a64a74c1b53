"""A document in its folder here and at home: fetched once, and sent again with each save."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from gimmal.agent.plugged import computer_name
from gimmal.agent.reach import Reach
from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Attributes, Replace, Version
from gimmal.remote.copy_file import FileCopier
from gimmal.remote.file_job import FileJob
from gimmal.remote.files import Files, version_of
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.placing import stat_or_none
from gimmal.remote.progress import Progress
from gimmal.remote.reading import regular_file
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable

NEW_MODE = 0o644
"""Of a document that is not there yet, before the program chooses one."""

_SHARE = "document"
_NAMES_TRIED = 20


@dataclass(frozen=True)
class Saved:
    """What came of a save.

    Attributes:
        sent: bytes that travelled.
        size: of the document.
        conflict: wire path that it was saved under, where the document itself had been changed by somebody else.
    """

    sent: int
    size: int
    conflict: str = ""


class DocumentCopy:
    """One document of the other side, and its copy here.

    Args:
        reach: ways to the other side; entered.
        path: wire path at home.
        attributes: at home; None where nothing is there yet.
        folder: where the copy lies.
    """

    def __init__(self, reach: Reach, path: str, attributes: Attributes | None, folder: Path) -> None:
        self.path = path
        self.name = path.rpartition("/")[2]
        self.file = folder / self.name
        self._reach = reach
        self._attributes = attributes
        self._mode = attributes.mode & 0o777 if attributes is not None else None
        self._base: Version | None = version_of(attributes) if attributes is not None else None
        self._share = Share(_SHARE, folder, Rights.READ_WRITE, own=True)
        self._here = f"{_SHARE}/{self.name}"
        self._sent: Version | None = None
        """The version here that is the one at home."""

    async def fetch(self, progress: Progress) -> None:
        """Bring the document.

        Raises:
            RemoteError, UnreachableError: it cannot be had.
        """
        if self._attributes is None:
            return
        home = (await self._reach.open(as_call=True)).files
        async with self._local() as here:
            progress.total_bytes = self._attributes.size
            job = FileJob(self.path, self._here, self._attributes, Replace.NEVER)
            placed = await FileCopier(home, here, progress).copy(job)
            self._sent = version_of(placed)

    async def save(self) -> Saved | None:
        """Send the document if it was saved since the last time.

        Returns:
            what came of it; None where it is as it was, or not there.

        Raises:
            RemoteError: ``changed`` where it is being written just now: to be tried again; else what the other side
                says.
            UnreachableError: it could not be sent.
        """
        async with self._local() as here:
            now = await self._look(here)
            if now is None or version_of(now) == self._sent:
                return None
            home = (await self._reach.open(as_call=True)).files
            mode = now.mode & 0o777 if self._mode is None else self._mode
            attributes = msgspec.structs.replace(now, mode=mode)
            try:
                return await self._send(here, home, attributes, self.path)
            except RemoteError as exc:
                if exc.code not in ("changed", "exists") or await self._look(here) != now:
                    raise
                return await self._send_beside(here, home, attributes)

    async def _send(self, here: Files, home: Files, attributes: Attributes, path: str) -> Saved:
        progress = Progress()
        replace = Replace.NEVER if self._base is None else Replace.EXPECTED
        job = FileJob(self._here, path, attributes, replace, self._base)
        placed = await FileCopier(here, home, progress).copy(job)
        self._sent, self._base = version_of(attributes), version_of(placed)
        return Saved(progress.bytes - progress.reused_bytes - progress.resumed_bytes, attributes.size)

    async def _send_beside(self, here: Files, home: Files, attributes: Attributes) -> Saved:
        """Keep both versions: from now on this one has a name of its own."""
        old, self._base = self._base, None
        for number in range(_NAMES_TRIED):
            path = _conflict_path(self.path, number)
            try:
                saved = await self._send(here, home, attributes, path)
            except RemoteError as exc:
                if exc.code == "exists":
                    continue
                self._base = old
                raise
            self.path = path
            return Saved(saved.sent, saved.size, path)
        self._base = old
        raise RemoteError("exists", "no name is free for a second version", "save it under another name")

    async def _look(self, here: Files) -> Attributes | None:
        if await stat_or_none(here, self._here) is None:
            return None
        return await regular_file(here, self._here)

    @contextlib.asynccontextmanager
    async def _local(self) -> AsyncIterator[Files]:
        reach = self._reach
        workers = reach.workers
        directory, key = reach.journal_directory / "local", reach.journal_key
        service = await workers.call(ShareService, ShareTable([self._share]), directory, key)
        share = service.open_session("edit")
        try:
            yield LocalFiles(share, reach.pool, workers, {_SHARE: self._share.path})
        finally:
            await asyncio.shield(workers.call(share.close))
            await asyncio.shield(workers.call(service.close))


def _conflict_path(path: str, number: int) -> str:
    folder, _slash, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    moment = time.strftime("%Y-%m-%d %H.%M.%S")
    more = f" {number + 1}" if number else ""
    return f"{folder}/{stem} (conflict {computer_name()} {moment}{more}){dot}{ending}"
