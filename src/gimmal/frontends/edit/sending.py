"""A document in its folder here and at home: fetched once, and sent again with each save."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from gimmal.agent.plugged import computer_name
from gimmal.agent.reach import Reach
from gimmal.base.errors import GimmalError, LocalError, RemoteError, UnreachableError
from gimmal.base.paths import wire_name_to_local
from gimmal.base.tasks import Tasks
from gimmal.frontends.edit.changes import EMPTY, Content, content_of, read_pieces, read_spans, same_spans
from gimmal.frontends.edit.keeping import KeptSaves
from gimmal.protocol.features import EDIT
from gimmal.protocol.messages import Attributes, Replace, Version
from gimmal.remote.copy_file import FileCopier
from gimmal.remote.edits.conflict_list import Conflict, new_identifier
from gimmal.remote.edits.conflict_names import TRIES, conflict_path
from gimmal.remote.edits.operations import Gone, Save
from gimmal.remote.file_job import FileJob
from gimmal.remote.files import Files, version_of
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.patching import save_ranges
from gimmal.remote.placing import stat_or_none
from gimmal.remote.progress import Progress
from gimmal.remote.reading import regular_file
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable

QUICK_MAX = 4 << 20
"""Bytes of what changed up to which they are written over the version at home; more may be stretches that moved."""

KEEP_SECONDS = 1.0
"""What has not arrived by then is kept on the half as well: it may be pulled out at any moment."""

KEEP_WHILE_SENT_MAX = 16 << 20
"""Bytes of a save up to which that is done."""

OLD_MAX = 32 << 20
"""Bytes that did not change and are kept all the same, so that a version of its own can be made of a conflict."""

_SHARE = "document"
_OTHER_VERSION = ("changed", "exists", "not_found")


@dataclass(frozen=True)
class Saved:
    """What came of a save.

    Attributes:
        sent: bytes that travelled.
        size: of the document.
        conflict: wire path that it was saved under, where the document itself had been changed by somebody else.
        waits: why it is kept and not at home; empty where it is.
        on_half: it is kept on the half itself.
    """

    sent: int
    size: int
    conflict: str = ""
    waits: str = ""
    on_half: bool = False


class DocumentCopy:
    """One document of the other side, and its copy here.

    Args:
        reach: ways to the other side; entered.
        path: wire path at home.
        attributes: at home; None where nothing is there yet.
        folder: where the copy lies.

    Raises:
        BadName: its name cannot be one here.
    """

    def __init__(self, reach: Reach, path: str, attributes: Attributes | None, folder: Path) -> None:
        self.path = path
        self.name = path.rpartition("/")[2]
        wire_name_to_local(self.name)
        self.file = folder / self.name
        self._reach = reach
        self._attributes = attributes
        self._mode = attributes.mode & 0o777 if attributes is not None else None
        self._base: Version | None = version_of(attributes) if attributes is not None else None
        self._share = Share(_SHARE, folder, Rights.READ_WRITE, own=True)
        self._here = f"{_SHARE}/{self.name}"
        self._sent: Version | None = None
        """The version here that is the one at home."""
        self._content = EMPTY
        """What that holds."""
        self._placed: Attributes | None = attributes
        """At home, as far as is known."""
        self._kept = KeptSaves(reach)
        self._kept_bytes = 0
        self._tasks = Tasks()

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
        self._content = await self._read()

    async def save(self) -> Saved | None:
        """Send the document if it was saved since the last time.

        Where the other side cannot be reached it is kept, and goes when this is called again.

        Returns:
            what came of it; None where nothing did.

        Raises:
            RemoteError: ``changed`` where it is being written just now: to be tried again; else what the other side
                says.
            UnreachableError: it could not be sent, nor kept for later.
        """
        async with self._local() as here:
            now = await self._look(here)
            if now is not None and version_of(now) != self._sent:
                content = await self._read()
                if content != self._content or (self._base is None and not self._kept.last):
                    return await self._save(here, now, content)
                self._sent = version_of(now)
        if not self._kept.last:
            return None
        sent = await self._send_kept()
        return None if sent.waits else sent

    @property
    def waits(self) -> bool:
        """Whether a save is kept that is not at home."""
        return self._kept.last > 0

    @property
    def was_there(self) -> bool:
        """Whether there ever was a document: one that is new is made by its first save."""
        return self._sent is not None

    async def _save(self, here: Files, now: Attributes, content: Content) -> Saved:
        if self._kept.last:  # what waits goes first
            await self._keep(now, content)
            return await self._send_kept()
        deliver = self._tasks.start(self._deliver(here, now, content), "send a save")
        kept = 0
        await asyncio.wait({deliver}, timeout=KEEP_SECONDS)
        if not deliver.done() and self._length(content) <= KEEP_WHILE_SENT_MAX:
            # The half may be pulled out before it has arrived.
            with contextlib.suppress(LocalError, RemoteError):
                kept = await self._keep(now, content, going=True)
        saved = await deliver
        if isinstance(saved, UnreachableError):
            if not kept:
                try:
                    await self._keep(now, content)
                except LocalError:
                    raise saved from None
            self._is_kept(now, content)
            return self._waiting(now.size, saved.message)
        if isinstance(saved, GimmalError):
            if kept:  # the other side has said no: it would say so again
                await self._kept.is_home(Gone(kept, self.path, None))
                self._kept_bytes = 0
            raise saved
        if kept:
            await self._kept.is_home(Gone(kept, self.path, self._placed))
            self._kept_bytes = 0
        return saved

    async def _deliver(self, here: Files, now: Attributes, content: Content) -> Saved | GimmalError:
        try:
            home = (await self._reach.open(as_call=True)).files
            try:
                return await self._send(here, home, now, content)
            except RemoteError as exc:
                if exc.code not in _OTHER_VERSION:
                    raise
                if await self._look(here) != now:
                    raise _being_written() from exc
                return await self._send_beside(here, home, now, content)
        except GimmalError as exc:
            return exc

    async def _read(self) -> Content:
        try:
            return await self._reach.workers.long(content_of, self.file)
        except OSError as exc:
            raise _being_written() from exc

    async def _send(self, here: Files, home: Files, now: Attributes, content: Content) -> Saved:
        """Send what changed, as long as the version at home is the one it was changed from."""
        spans = content.spans(self._content)
        length = sum(end - start for start, end in spans)
        if length <= QUICK_MAX and home.offers(EDIT):
            placed = await self._send_spans(here, home, now, content, spans)
        else:
            length, placed, content = await self._send_by_copy(here, home, now, content, self.path)
        self._is_home(now, placed, content)
        return Saved(length, now.size)

    async def _send_spans(
        self, here: Files, home: Files, now: Attributes, content: Content, spans: list[tuple[int, int]]
    ) -> Attributes:
        try:
            ranges = await self._reach.workers.bulk(read_spans, self.file, spans, content)
        except (ValueError, OSError) as exc:
            raise _being_written() from exc
        if await self._look(here) != now:
            raise _being_written()
        return await save_ranges(
            home,
            self.path,
            base=self._base,
            kept=min(self._base.size, now.size) if self._base is not None else 0,
            size=now.size,
            replace=Replace.NEVER if self._base is None else Replace.EXPECTED,
            ranges=ranges,
            mtime_ns=now.mtime_ns,
            mode=None if self._base is not None else now.mode & 0o777,
            durable=True,
        )

    async def _send_by_copy(
        self, here: Files, home: Files, now: Attributes, content: Content, path: str
    ) -> tuple[int, Attributes, Content]:
        """By the copy engine, which finds stretches that only moved.

        Returns:
            bytes that travelled; what is at home; what that is known to hold.
        """
        attributes = msgspec.structs.replace(now, mode=now.mode if self._mode is None else self._mode)
        progress = Progress()
        replace = Replace.NEVER if self._base is None else Replace.EXPECTED
        job = FileJob(self._here, path, attributes, replace, self._base)
        placed = await FileCopier(here, home, progress).copy(job)
        sent = progress.bytes - progress.reused_bytes - progress.resumed_bytes
        # What arrived is whole all the same; but saved again meanwhile, it need not be what was read before.
        return sent, placed, content if await self._look(here) == now else EMPTY

    def _is_home(self, now: Attributes, placed: Attributes, content: Content) -> None:
        self._sent, self._base, self._content = version_of(now), version_of(placed), content
        self._placed = placed

    # Keeping ---------------------------------------------------------------------------------------------------------

    async def _keep(self, now: Attributes, content: Content, *, going: bool = False) -> int:
        """Keep a save for later, durable on return; the number it has. With ``going`` it is being sent as well.

        Raises:
            LocalError: it cannot be kept.
            RemoteError: ``changed`` where the document is being written just now.
        """
        spans = content.spans(self._content)
        after, base = self._kept.last, self._base
        kept = min(self._content.size, now.size)
        mode = now.mode & 0o777 if base is None and not after else None
        save = Save(1, self.path, None if after else base, after, kept, now.size, now.mtime_ns, mode)
        written = read_pieces(self.file, spans, content)
        old = read_pieces(self.file, same_spans(spans, kept, OLD_MAX), content)
        try:
            number = await self._kept.keep(save, written, old)
        except (ValueError, OSError) as exc:
            raise _being_written() from exc
        self._kept_bytes += sum(end - start for start, end in spans)
        if not going:
            self._is_kept(now, content)
        return number

    def _is_kept(self, now: Attributes, content: Content) -> None:
        self._sent, self._content = version_of(now), content

    def _waiting(self, size: int, reason: str) -> Saved:
        return Saved(0, size, waits=reason, on_half=self._kept.on_half)

    async def _send_kept(self) -> Saved:
        """Send what waits, if the other side can be reached."""
        try:
            gone = await self._kept.send((await self._reach.open(as_call=True)).files)
        except UnreachableError as exc:
            return self._waiting(self._content.size, exc.message)
        sent, size, self._kept_bytes = self._kept_bytes, self._content.size, 0
        if gone is None or gone.attributes is None:
            return Saved(sent, size)
        beside = gone.path if gone.path != self.path else ""
        self.path, self._base, self._placed = gone.path, version_of(gone.attributes), gone.attributes
        return Saved(sent, size, beside)

    def _length(self, content: Content) -> int:
        return sum(end - start for start, end in content.spans(self._content))

    async def close(self) -> None:
        """Send nothing more; what waits stays for whoever connects next."""
        await self._tasks.close()
        await self._kept.close()

    # Both versions ---------------------------------------------------------------------------------------------------

    async def _send_beside(self, here: Files, home: Files, now: Attributes, content: Content) -> Saved:
        """Keep both versions: from now on this one has a name of its own. Where no other is there, it comes back."""
        old, self._base = self._base, None
        moment = datetime.now().astimezone()
        for number in range(1, TRIES + 1):
            theirs = await stat_or_none(home, self.path)
            path = self.path if theirs is None else conflict_path(self.path, computer_name(), moment, number)
            try:
                sent, placed, content = await self._send_by_copy(here, home, now, content, path)
            except RemoteError as exc:
                if exc.code == "exists":
                    continue
                self._base = old
                raise
            self._is_home(now, placed, content)
            if theirs is None:
                return Saved(sent, now.size)
            await self._note_conflict(path, theirs, placed, moment.timestamp())
            self.path = path
            return Saved(sent, now.size, path)
        self._base = old
        raise RemoteError("exists", "no name is free for a second version", "save it under another name")

    async def _note_conflict(self, path: str, theirs: Attributes, placed: Attributes, moment: float) -> None:
        """Have it listed; both versions stand, whatever becomes of that."""
        versions = version_of(theirs), version_of(placed)
        conflict = Conflict(new_identifier(), self.path, path, computer_name(), moment, *versions, True)
        with contextlib.suppress(LocalError):
            await self._kept.note_conflict(conflict)

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


def _being_written() -> RemoteError:
    return RemoteError("changed", "the document is being written", "wait until it is saved")
