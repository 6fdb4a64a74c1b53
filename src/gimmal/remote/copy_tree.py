"""The pipeline of a copy: walk, small files in bundles, large ones in blocks, all at once.

Nothing waits for the end of the walk: each page of the source's tree makes its folders and hands its files on while
the next page is on its way. Small files travel many to a record; large ones in blocks, a few files at a time.
"""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field
from functools import partial

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.protocol.codes import Code
from gimmal.protocol.features import FIDELITY
from gimmal.protocol.limits import BUNDLE_CONTENT_MAX, BUNDLE_ITEMS_MAX
from gimmal.protocol.messages import (
    Attributes,
    BundleFile,
    Entry,
    Kind,
    Page,
    Replace,
    Version,
    WriteBundle,
)
from gimmal.remote.alongside import Alongside
from gimmal.remote.copy_deciding import CopyOptions, Existing, decide, same_content
from gimmal.remote.copy_file import FileCopier, FileJob, first_of
from gimmal.remote.copy_folders import FolderCopier
from gimmal.remote.copy_links import FurtherName, LinkCopier
from gimmal.remote.files import Files, version_of, xattr_bytes
from gimmal.remote.grains import Grains
from gimmal.remote.pages_ahead import PagesAhead
from gimmal.remote.progress import Progress
from gimmal.remote.verifying import Verifier

REPLACED_SMALL_FILE = 512 * 1024
"""Files of at most this many bytes travel in bundles also where an older version stands; from a larger one, what both
have in common would be taken. New files do so up to the room of a bundle: no block of them could be continued."""

BUNDLE_ROOM = BUNDLE_CONTENT_MAX
"""Bytes of headers and contents collected for one bundle; the rest of the record is for what grows meanwhile."""

ITEM_HEADER_BYTES = 96
"""Most bytes that a file's header takes in a bundle beside its name."""

BUNDLES_AT_ONCE = 12
"""Bundles between the request for them and the answer that they stand: enough for 100 ms of 500 Mbit/s, and where
they shrink to a third, for 50 ms of 200. An agent on this computer passes on eight at a time."""

BUNDLES_AT_ONCE_LIMITED = 4
"""The same under a limit, where each waits with more bytes set aside for it than it will have."""

FILES_AT_ONCE = 16
"""Large files under way at a time; their blocks share one bound. Each waits for several round trips of its own."""

PAGE_AND_MORE = 16 << 20
"""Bytes of files that are expected of a tree of more than one page."""

_FATAL = frozenset(("no_space", "read_only", "not_granted"))
"""Codes of the target after which going on to the next file is pointless."""


@dataclass
class _Batch:
    """Small files collected for one bundle; ``size`` counts their bytes in it, headers too."""

    replace: Replace
    entries: list[tuple[str, Attributes]] = field(default_factory=list)
    size: int = 0


class TreeCopier:
    """Copies files and folders from one tree to another.

    Args:
        source, target: the trees.
        options: how.
        progress: what is counted.
        target_first: list all of the target before the source, for a source that looks at it.
        verifier: told of each file that was placed or is there, None where nothing is read again.
    """

    def __init__(
        self,
        source: Files,
        target: Files,
        options: CopyOptions,
        progress: Progress,
        verifier: Verifier | None = None,
        *,
        target_first: bool = False,
    ) -> None:
        self._verifier = verifier
        self._source = source
        self._target = target
        self._options = options
        self._progress = progress
        self._xattrs = options.xattrs and source.offers(FIDELITY) and target.offers(FIDELITY)
        self._files = FileCopier(
            source, target, progress, xattrs=options.xattrs, delta=not options.whole_files, verifier=verifier
        )
        self._links = LinkCopier(source, target, progress, safe=options.safe_links, fail=self._fail)
        would = partial(self._would, replace=Replace.NEVER, folder=True) if options.dry_run else None
        self._folders = FolderCopier(source, target, progress, xattrs=self._xattrs, fail=self._fail, would=would)
        self._room = min(BUNDLE_ROOM, source.bundle_room, target.bundle_room)
        limited = self._room < BUNDLE_ROOM
        self._bundles_free = asyncio.Semaphore(BUNDLES_AT_ONCE_LIMITED if limited else BUNDLES_AT_ONCE)
        self._files_free = asyncio.Semaphore(FILES_AT_ONCE)
        self._fatal: GimmalError | None = None
        self._target_first = target_first
        self._grains = Grains(target)
        # Both ends on the other side: it copies by itself, the bytes stay there.
        self._far = source.side is target.side

    async def copy_file(self, source_path: str, attributes: Attributes, target_path: str) -> None:
        """Copy one file to exactly ``target_path``.

        Raises:
            RemoteError: ``exists`` where something is there and may not be replaced; what either side says.
        """
        self._progress.current = self._source.shown(source_path)
        self._progress.found(attributes.size)
        self._progress.walked = True
        there = await self._stat_or_none(target_path)
        grain = await self._grains.of(attributes, there, target_path)
        try:
            replace = decide(attributes, there, self._options.existing, grain)
        except RemoteError as exc:
            raise _named(self._target.shown(target_path), exc) from None
        if replace is None:
            await self._skip(source_path, attributes, target_path, there)
        elif self._options.dry_run:
            self._would(target_path, replace)
        else:
            await self._place(_job(source_path, target_path, attributes, replace, there))

    async def copy_link(self, source_path: str, attributes: Attributes, target_path: str) -> None:
        """Copy one symbolic link, as a link, to exactly ``target_path``.

        Raises:
            RemoteError: ``exists`` where something is there and may not be replaced; what either side says.
        """
        there = await self._stat_or_none(target_path)
        try:
            await self._meet_link(source_path.rpartition("/")[2], attributes, source_path, target_path, there)
        except RemoteError as exc:
            raise _named(self._target.shown(target_path), exc) from None
        await self._links.finish()

    async def copy_folder(self, source_path: str, attributes: Attributes, target_path: str) -> None:
        """Copy what a folder holds into ``target_path``, which is made where it is missing."""
        pages = None if self._target_first else PagesAhead(self._source.tree(source_path, xattrs=self._xattrs))
        alongside: Alongside | None = None
        try:
            there = await self._begin_folder(source_path, attributes, target_path, pages)
            if there is not None:
                alongside = Alongside(
                    self._target,
                    target_path,
                    xattrs=self._xattrs,
                    found=self._folders.found_there,
                    whole=self._target_first,
                )
                if self._target_first:
                    await alongside.reach(Page([], 0))
            if pages is None:
                pages = PagesAhead(self._source.tree(source_path, xattrs=self._xattrs))
            async with asyncio.TaskGroup() as group:
                await self._walk(group, pages, alongside, source_path, target_path)
            if self._fatal is None:
                await self._make_links(source_path, target_path)
        except BaseExceptionGroup as exc:
            raise first_of(exc) from None
        finally:
            for reading in (pages, alongside):
                if reading is not None:
                    await reading.close()
        if self._fatal is not None:
            raise self._fatal
        await self._folders.finish()

    async def _begin_folder(
        self, source_path: str, attributes: Attributes, target_path: str, pages: PagesAhead | None
    ) -> Attributes | None:
        """See to the folder itself on both sides; what was there."""
        async with asyncio.TaskGroup() as group:
            examining = group.create_task(self._folders.examine(source_path))
            there = await self._stat_or_none(target_path)
            if there is None and pages is not None and not self._options.dry_run:
                pages.tell_next(self._foresee)
            if there is None and self._options.dry_run:
                self._would(target_path, Replace.NEVER, folder=True)
            elif there is None:
                mode = self._folders.mode_of(source_path, attributes)
                mode = None if mode is None else mode | 0o700
                code = (await self._target.make_directories([target_path], mode=mode))[0]
                if code:
                    raise self._target.error(code, target_path)
            elif there.kind is not Kind.DIRECTORY:
                raise self._target.error(Code.NOT_A_DIRECTORY, target_path)
        self._folders.begin(source_path, attributes, target_path, there, examining.result())
        return there

    def _foresee(self, page: Page) -> None:
        """All of the first page will have to be copied, and more where more comes."""
        size = PAGE_AND_MORE if page.cursor else sum(entry.attributes.size for entry in page.entries)
        for side in (self._source, self._target):
            side.foresee(size)

    # Walking ---------------------------------------------------------------------------------------------------------

    async def _walk(
        self,
        group: asyncio.TaskGroup,
        pages: PagesAhead,
        alongside: Alongside | None,
        source_path: str,
        target_path: str,
    ) -> None:
        batches = {replace: _Batch(replace) for replace in (Replace.NEVER, Replace.ALWAYS)}
        existing: dict[str, Attributes] = {}
        blocked: set[str] = set()
        async for page in pages:
            if alongside is not None:
                existing = await alongside.reach(page)
            blocked |= await self._folders.make(page, target_path, existing)
            for entry in page.entries:
                if self._fatal is not None:
                    return
                if entry.attributes.kind is not Kind.DIRECTORY and not _below(entry.name, blocked):
                    await self._meet(group, entry, source_path, target_path, existing, batches)
            for name, code in page.failures:
                self._fail(self._source, f"{source_path}/{name}", self._source.error(code))
        for batch in batches.values():
            await self._send_batch(group, batch, source_path, target_path)
        self._progress.walked = True

    async def _meet(
        self,
        group: asyncio.TaskGroup,
        entry: Entry,
        source_path: str,
        target_path: str,
        existing: dict[str, Attributes],
        batches: dict[Replace, _Batch],
    ) -> None:
        attributes = entry.attributes
        there = existing.get(entry.name)
        path = f"{source_path}/{entry.name}"
        if entry.mapped:
            self._progress.map_name(self._source.shown(path))
        if attributes.kind is Kind.OTHER:
            self._progress.leave_out(self._source.shown(path), "neither a file nor a folder")
            return
        placed = f"{target_path}/{entry.name}"
        try:
            if attributes.kind is Kind.LINK:
                await self._meet_link(entry.name, attributes, path, placed, there)
            elif (first := self._links.first_name(attributes, placed)) is None:
                await self._meet_file(group, entry, source_path, target_path, existing, batches)
            else:
                await self._meet_further(FurtherName(entry, path, placed, first, Replace.NEVER, there))
        except RemoteError as exc:
            self._fail(self._target, placed, exc)

    async def _meet_link(
        self, name: str, attributes: Attributes, source_path: str, target_path: str, there: Attributes | None
    ) -> None:
        if not self._links.may_copy(name, attributes, source_path):
            return
        same = there is not None and there.kind is Kind.LINK and there.target == attributes.target
        # Of the same link only the time may differ, which is worth a new one only where files are replaced too.
        keeps = self._options.existing is Existing.REFUSE or (there and there.mtime_ns == attributes.mtime_ns)
        replace = None if same and keeps else decide(attributes, there, self._options.existing)
        if replace is None:
            self._progress.skip(0)
        elif self._options.dry_run:
            self._would(target_path, replace)
        else:
            replace = Replace.NEVER if replace is Replace.NEVER else Replace.ALWAYS
            await self._links.add(name, attributes, source_path, target_path, replace)

    async def _meet_further(self, name: FurtherName) -> None:
        attributes, there = name.entry.attributes, name.there
        self._progress.found(0)
        grain = await self._grains.of(attributes, there, name.target_path)
        replace = decide(attributes, there, self._options.existing, grain)
        if replace is None and self._options.existing is Existing.OVERWRITE and there is not None and not there.linked:
            replace = Replace.ALWAYS  # the same bytes, but a file of its own
        if replace is None:
            self._progress.skip(0)
        elif self._options.dry_run:
            self._would(name.target_path, replace)
        else:
            replace = Replace.NEVER if replace is Replace.NEVER else Replace.ALWAYS
            self._links.add_further(dataclasses.replace(name, replace=replace))

    async def _make_links(self, source_path: str, target_path: str) -> None:
        """Make the links that wait, when all files stand; where a hard link cannot be, copy its file once more."""
        await self._links.finish()
        plain = await self._links.make_further()
        if not plain or self._fatal is not None:
            return
        batches = {replace: _Batch(replace) for replace in (Replace.NEVER, Replace.ALWAYS)}
        async with asyncio.TaskGroup() as group:
            for name in plain:
                self._progress.plain_links += 1
                self._progress.total_files -= 1
                there = {name.entry.name: name.there} if name.there is not None else {}
                await self._meet_file(group, name.entry, source_path, target_path, there, batches)
            for batch in batches.values():
                await self._send_batch(group, batch, source_path, target_path)

    async def _meet_file(
        self,
        group: asyncio.TaskGroup,
        entry: Entry,
        source_path: str,
        target_path: str,
        existing: dict[str, Attributes],
        batches: dict[Replace, _Batch],
    ) -> None:
        attributes, path, there = entry.attributes, f"{source_path}/{entry.name}", existing.get(entry.name)
        self._progress.found(attributes.size)
        grain = await self._grains.of(attributes, there, f"{target_path}/{entry.name}")
        replace = decide(attributes, there, self._options.existing, grain)
        if replace is None:
            await self._skip(path, attributes, f"{target_path}/{entry.name}", there)
        elif self._options.dry_run:
            self._would(f"{target_path}/{entry.name}", replace)
        elif (size := _bundle_bytes(entry.name, attributes.size)) <= self._small_room(there) and not self._far:
            batch = batches[Replace.NEVER if there is None else Replace.ALWAYS]
            if len(batch.entries) >= BUNDLE_ITEMS_MAX or batch.size + size > self._room:
                await self._send_batch(group, batch, source_path, target_path)
                batch = batches[batch.replace] = _Batch(batch.replace)
            batch.entries.append((entry.name, attributes))
            batch.size += size
        else:
            await self._send_file(group, _job(path, f"{target_path}/{entry.name}", attributes, replace, there))

    def _small_room(self, there: Attributes | None) -> int:
        alone = there is None or there.kind is not Kind.FILE or self._options.whole_files
        return self._room if alone else min(REPLACED_SMALL_FILE, self._room)

    # Sending ---------------------------------------------------------------------------------------------------------

    async def _send_batch(self, group: asyncio.TaskGroup, batch: _Batch, source_path: str, target_path: str) -> None:
        if batch.entries:
            await self._bundles_free.acquire()
            task = group.create_task(self._copy_batch(group, batch, source_path, target_path))
            # Not in the task: one that is cancelled before it began would keep its place from the next folder.
            task.add_done_callback(lambda _task: self._bundles_free.release())

    async def _copy_batch(self, group: asyncio.TaskGroup, batch: _Batch, source_path: str, target_path: str) -> None:
        large: list[tuple[str, Attributes]] = []
        try:
            if self._fatal is None:
                large = await self._copy_bundle(batch, source_path, target_path)
        except RemoteError as exc:
            for name, _attributes in batch.entries:
                self._fail(self._source, f"{source_path}/{name}", exc)
        for name, _attributes in large:
            await self._copy_grown(group, f"{source_path}/{name}", f"{target_path}/{name}", batch.replace)

    async def _copy_bundle(self, batch: _Batch, source_path: str, target_path: str) -> list[tuple[str, Attributes]]:
        """Copy one bundle; returns the files that have grown out of bundles since they were listed."""
        names = [name for name, _attributes in batch.entries]
        self._progress.current = self._source.shown(f"{source_path}/{names[-1]}")
        if self._xattrs:
            bundle = await self._source.read_bundle(source_path, names, xattrs=True)
        else:
            bundle = await self._source.read_bundle(source_path, names)
        large: list[tuple[str, Attributes]] = []
        names = []
        files: list[BundleFile] = []
        contents: list[memoryview] = []
        room = self._room
        try:
            for (name, listed), item, content in zip(batch.entries, bundle.items, bundle.contents, strict=True):
                if item.code == Code.TOO_LARGE:
                    large.append((name, listed))
                elif item.code:
                    self._fail(self._source, f"{source_path}/{name}", self._source.error(item.code))
                elif room < (size := _bundle_bytes(name, item.size) + xattr_bytes(item.xattrs)):
                    large.append((name, listed))
                else:
                    room -= size
                    self._progress.bare += item.bare
                    attributes = item.attributes or listed
                    mode = attributes.mode & 0o777
                    mtime = attributes.mtime_ns
                    file = BundleFile(name, item.size, item.digest, mtime, mode, item.xattrs, attributes.sparse)
                    files.append(file)
                    contents.append(content)
                    names.append(name)
            newer_only = batch.replace is Replace.ALWAYS and self._options.existing is Existing.UPDATE
            request = WriteBundle(target_path, batch.replace, newer_only=newer_only)
            codes = await self._target.write_bundle(request, files, contents) if files else []
        except Exception:
            bundle.release()
            raise
        # Where this was cancelled a thread may still read from the bundle: its buffer is not given back then.
        bundle.release()
        for name, file, code in zip(names, files, codes, strict=True):
            if code:
                self._fail(self._target, f"{target_path}/{name}", self._target.error(code))
            else:
                self._progress.bytes += file.size
                self._progress.did_file()
        if self._verifier is not None:
            stand = [file for file, code in zip(files, codes, strict=True) if not code]
            await self._verifier.bundled(target_path, stand)
        return large

    async def _copy_grown(self, group: asyncio.TaskGroup, source_path: str, target_path: str, replace: Replace) -> None:
        try:
            attributes = await self._source.stat(source_path)
            there = await self._stat_or_none(target_path) if replace is not Replace.NEVER else None
        except RemoteError as exc:
            self._fail(self._source, source_path, exc)
            return
        await self._send_file(group, _job(source_path, target_path, attributes, replace, there))

    async def _send_file(self, group: asyncio.TaskGroup, job: FileJob) -> None:
        await self._files_free.acquire()
        group.create_task(self._copy_one(job)).add_done_callback(lambda _task: self._files_free.release())

    async def _copy_one(self, job: FileJob) -> None:
        try:
            if self._fatal is None:
                self._progress.current = self._source.shown(job.source_path)
                await self._place(job)
        except RemoteError as exc:
            self._fail(self._source, job.source_path, exc)

    async def _place(self, job: FileJob) -> None:
        if self._far:
            replace = Replace.NEVER if job.replace is Replace.NEVER else Replace.ALWAYS
            await self._target.copy(job.source_path, job.target_path, replace, xattrs=self._xattrs)
            self._progress.bytes += job.attributes.size
            self._progress.did_file()
            if self._verifier is not None:
                await self._verifier.copied(job.source_path, job.attributes, job.target_path, placed=True)
        else:
            await self._files.copy(job)

    async def _stat_or_none(self, path: str) -> Attributes | None:
        try:
            return await self._target.stat(path)
        except RemoteError as exc:
            if exc.code in ("not_found", "not_granted"):
                return None
            raise

    async def _skip(self, source_path: str, attributes: Attributes, target_path: str, there: Attributes | None) -> None:
        self._progress.skip(attributes.size)
        if self._verifier is None or there is None or there.kind is not Kind.FILE:
            return
        # With --update a newer file may stay that was never meant to be the same.
        if same_content(attributes, there, await self._grains.of(attributes, there, target_path)):
            await self._verifier.copied(source_path, attributes, target_path, placed=False)

    def _would(self, path: str, replace: Replace, *, folder: bool = False) -> None:
        if self._options.would is not None:
            what = "make folder" if folder else "copy" if replace is Replace.NEVER else "replace"
            self._options.would(self._target.shown(path), what)

    def _fail(self, side: Files, path: str, error: GimmalError) -> None:
        shown = side.shown(path)
        self._progress.fail(shown, error.message.removeprefix(f"{shown}: "))
        if isinstance(error, RemoteError) and error.code in _FATAL and self._fatal is None:
            self._fatal = _named(shown, error)


def _named(shown: str, error: RemoteError) -> RemoteError:
    """The same error, with the displayable name of what it is about."""
    named = RemoteError(error.code, f"{shown}: {error.message.removeprefix(f'{shown}: ')}", error.hint)
    named.exit_code = error.exit_code
    return named


def _job(
    source_path: str, target_path: str, attributes: Attributes, replace: Replace, there: Attributes | None
) -> FileJob:
    expected: Version | None = None
    if replace is not Replace.NEVER and there is not None and there.kind is Kind.FILE:
        replace, expected = Replace.EXPECTED, version_of(there)
    return FileJob(source_path, target_path, attributes, replace, expected)


def _bundle_bytes(name: str, size: int) -> int:
    """Bytes of one file in a bundle: contents, and at most what its header takes on either way."""
    return size + len(name.encode()) + ITEM_HEADER_BYTES


def _below(name: str, blocked: set[str]) -> bool:
    if not blocked:
        return False
    parts = name.split("/")
    return any("/".join(parts[:count]) in blocked for count in range(1, len(parts)))


__all__ = ["CopyOptions", "Existing", "TreeCopier", "same_content"]
