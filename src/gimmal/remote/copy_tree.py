"""The pipeline of a copy: walk, small files in bundles, large ones in blocks, all at once.

Nothing waits for the end of the walk: each page of the source's tree makes its folders and hands its files on while
the next page is on its way. Small files travel many to a record; large ones in blocks, a few files at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from gimmal.base.display import displayable
from gimmal.base.errors import BadName, GimmalError, RemoteError
from gimmal.base.paths import wire_name_to_local
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import BUNDLE_CONTENT_MAX, BUNDLE_ITEMS_MAX, REMOVE_MANY_MAX
from gimmal.protocol.messages import (
    Attributes,
    BundleFile,
    Entry,
    FolderTimes,
    Kind,
    Page,
    Replace,
    Version,
    WriteBundle,
)
from gimmal.remote.copy_file import FileCopier, FileJob, first_of
from gimmal.remote.files import ENTRIES_MAX, Files, too_many_entries, version_of
from gimmal.remote.progress import Progress

SMALL_FILE = 256 * 1024
"""Files of at most this many bytes travel in bundles."""

BUNDLE_ROOM = BUNDLE_CONTENT_MAX
"""Bytes of headers and contents collected for one bundle; the rest of the record is for what grows meanwhile."""

ITEM_HEADER_BYTES = 80
"""Most bytes that a file's header takes in a bundle beside its name."""

BUNDLES_AT_ONCE = 4
FILES_AT_ONCE = 4
"""Large files under way at a time; their blocks share one bound."""

_GRAINS = (2_000_000_000, 1_000_000_000, 10_000_000)
"""Steps in which FAT, exFAT by FUSE, and exFAT keep times, in nanoseconds."""

_FATAL = frozenset(("no_space", "read_only", "not_granted"))
"""Codes of the target after which going on to the next file is pointless."""


class Existing(Enum):
    """What to do with a file that is already under the final name and differs."""

    REFUSE = "never overwrite"
    UPDATE = "replace it if the source is newer"
    OVERWRITE = "replace it"


@dataclass(frozen=True)
class CopyOptions:
    """How to copy.

    Attributes:
        existing: what to do where something is already there.
        dry_run: change nothing; ``would`` hears of every file and folder.
        would: told the displayable target and what would be done.
    """

    existing: Existing = Existing.REFUSE
    dry_run: bool = False
    would: Callable[[str, str], None] | None = None


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
    """

    def __init__(self, source: Files, target: Files, options: CopyOptions, progress: Progress) -> None:
        self._source = source
        self._target = target
        self._options = options
        self._progress = progress
        self._files = FileCopier(source, target, progress)
        self._bundles_free = asyncio.Semaphore(BUNDLES_AT_ONCE)
        self._files_free = asyncio.Semaphore(FILES_AT_ONCE)
        self._fatal: GimmalError | None = None
        self._grain = 0
        # Both ends on the other side: it copies by itself, the bytes stay there.
        self._far = source is target

    async def copy_file(self, source_path: str, attributes: Attributes, target_path: str) -> None:
        """Copy one file to exactly ``target_path``.

        Raises:
            RemoteError: ``exists`` where something is there and may not be replaced; what either side says.
        """
        self._progress.current = displayable(source_path)
        self._progress.found(attributes.size)
        self._progress.walked = True
        there = await self._stat_or_none(target_path)
        if there is not None:
            await self._learn_grain(target_path, [there])
        replace = self._decide(attributes, there)
        if replace is None:
            self._skip(attributes)
        elif self._options.dry_run:
            self._would(target_path, replace)
        else:
            await self._place(_job(source_path, target_path, attributes, replace, there))

    async def copy_folder(self, source_path: str, attributes: Attributes, target_path: str) -> None:
        """Copy what a folder holds into ``target_path``, which is made where it is missing."""
        there = await self._stat_or_none(target_path)
        existing: dict[str, Attributes] = {}
        if there is not None:
            if there.kind is not Kind.DIRECTORY:
                raise self._target.error(Code.NOT_A_DIRECTORY, target_path)
            async for page in self._target.tree(target_path):
                for entry in page.entries:
                    existing.update((name, entry.attributes) for name in _names_of(entry))
                if len(existing) > ENTRIES_MAX:
                    raise too_many_entries(self._target.shown(target_path))
            await self._learn_grain(target_path, [there, *existing.values()])
        elif self._options.dry_run:
            self._would(target_path, Replace.NEVER, folder=True)
        else:
            code = (await self._target.make_directories([target_path], mode=attributes.mode | 0o700))[0]
            if code:
                raise self._target.error(code, target_path)
        times = [] if there is not None else [FolderTimes(target_path, attributes.mtime_ns, attributes.mode)]
        try:
            async with asyncio.TaskGroup() as group:
                await self._walk(group, source_path, target_path, existing, times)
        except BaseExceptionGroup as exc:
            raise first_of(exc) from None
        if self._fatal is not None:
            raise self._fatal
        if not self._options.dry_run:
            await self._give_times(times)

    # Walking ---------------------------------------------------------------------------------------------------------

    async def _walk(
        self,
        group: asyncio.TaskGroup,
        source_path: str,
        target_path: str,
        existing: dict[str, Attributes],
        times: list[FolderTimes],
    ) -> None:
        batches = {replace: _Batch(replace) for replace in (Replace.NEVER, Replace.ALWAYS)}
        async for page in self._source.tree(source_path):
            blocked = await self._make_folders(page, target_path, existing, times)
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

    async def _make_folders(
        self, page: Page, target_path: str, existing: dict[str, Attributes], times: list[FolderTimes]
    ) -> set[str]:
        """Make the folders of a page; returns those that could not be made."""
        blocked: set[str] = set()
        missing: list[Entry] = []
        for entry in page.entries:
            if entry.attributes.kind is Kind.DIRECTORY:
                there = existing.get(entry.name)
                if there is None:
                    missing.append(entry)
                elif there.kind is not Kind.DIRECTORY:
                    blocked.add(entry.name)
                    self._fail(self._target, f"{target_path}/{entry.name}", error_of_code(Code.NOT_A_DIRECTORY, ""))
        for start in range(0, len(missing), REMOVE_MANY_MAX):
            some = missing[start : start + REMOVE_MANY_MAX]
            paths = [f"{target_path}/{entry.name}" for entry in some]
            if self._options.dry_run:
                for path in paths:
                    self._would(path, Replace.NEVER, folder=True)
                continue
            codes = await self._target.make_directories(paths, exist_ok=True)
            for entry, path, code in zip(some, paths, codes, strict=True):
                if code:
                    blocked.add(entry.name)
                    self._fail(self._target, path, self._target.error(code))
                else:
                    self._progress.folders += 1
                    times.append(FolderTimes(path, entry.attributes.mtime_ns, entry.attributes.mode))
        return blocked

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
        path = f"{source_path}/{entry.name}"
        if entry.mapped:
            self._progress.map_name(self._source.shown(path))
        if attributes.kind is not Kind.FILE:
            reason = "symbolic link" if attributes.kind is Kind.LINK else "neither a file nor a folder"
            self._progress.leave_out(self._source.shown(path), reason)
            return
        self._progress.found(attributes.size)
        there = existing.get(entry.name)
        try:
            replace = self._decide(attributes, there)
        except RemoteError as exc:
            self._fail(self._target, f"{target_path}/{entry.name}", exc)
            return
        if replace is None:
            self._skip(attributes)
        elif self._options.dry_run:
            self._would(f"{target_path}/{entry.name}", replace)
        elif attributes.size <= SMALL_FILE and not self._far:
            batch = batches[Replace.NEVER if there is None else Replace.ALWAYS]
            size = _bundle_bytes(entry.name, attributes.size)
            if len(batch.entries) >= BUNDLE_ITEMS_MAX or batch.size + size > BUNDLE_ROOM:
                await self._send_batch(group, batch, source_path, target_path)
                batch = batches[batch.replace] = _Batch(batch.replace)
            batch.entries.append((entry.name, attributes))
            batch.size += size
        else:
            await self._send_file(group, _job(path, f"{target_path}/{entry.name}", attributes, replace, there))

    # Sending ---------------------------------------------------------------------------------------------------------

    async def _send_batch(self, group: asyncio.TaskGroup, batch: _Batch, source_path: str, target_path: str) -> None:
        if batch.entries:
            await self._bundles_free.acquire()
            group.create_task(self._copy_batch(group, batch, source_path, target_path))

    async def _copy_batch(self, group: asyncio.TaskGroup, batch: _Batch, source_path: str, target_path: str) -> None:
        large: list[tuple[str, Attributes]] = []
        try:
            if self._fatal is None:
                large = await self._copy_bundle(batch, source_path, target_path)
        except RemoteError as exc:
            for name, _attributes in batch.entries:
                self._fail(self._source, f"{source_path}/{name}", exc)
        finally:
            self._bundles_free.release()
        for name, _attributes in large:
            await self._copy_grown(group, f"{source_path}/{name}", f"{target_path}/{name}", batch.replace)

    async def _copy_bundle(self, batch: _Batch, source_path: str, target_path: str) -> list[tuple[str, Attributes]]:
        """Copy one bundle; returns the files that have grown out of bundles since they were listed."""
        bundle = await self._source.read_bundle(source_path, [name for name, _attributes in batch.entries])
        large: list[tuple[str, Attributes]] = []
        names: list[str] = []
        files: list[BundleFile] = []
        contents: list[memoryview] = []
        room = BUNDLE_ROOM
        try:
            for (name, listed), item, content in zip(batch.entries, bundle.items, bundle.contents, strict=True):
                if item.code == Code.TOO_LARGE:
                    large.append((name, listed))
                elif item.code:
                    self._fail(self._source, f"{source_path}/{name}", self._source.error(item.code))
                elif room < _bundle_bytes(name, item.size):
                    large.append((name, listed))
                else:
                    room -= _bundle_bytes(name, item.size)
                    attributes = item.attributes or listed
                    mode = attributes.mode & 0o777
                    files.append(BundleFile(name, item.size, item.digest, attributes.mtime_ns, mode))
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
        group.create_task(self._copy_one(job))

    async def _copy_one(self, job: FileJob) -> None:
        try:
            if self._fatal is None:
                self._progress.current = displayable(job.source_path)
                await self._place(job)
        except RemoteError as exc:
            self._fail(self._source, job.source_path, exc)
        finally:
            self._files_free.release()

    async def _place(self, job: FileJob) -> None:
        if self._far:
            replace = Replace.NEVER if job.replace is Replace.NEVER else Replace.ALWAYS
            await self._target.copy(job.source_path, job.target_path, replace)
            self._progress.bytes += job.attributes.size
            self._progress.did_file()
        else:
            await self._files.copy(job)

    async def _give_times(self, times: list[FolderTimes]) -> None:
        """Times and modes of the folders made, the deepest first, since making entries changes them."""
        times.reverse()
        for start in range(0, len(times), REMOVE_MANY_MAX):
            some = times[start : start + REMOVE_MANY_MAX]
            codes = await self._target.set_attributes(some)
            for item, code in zip(some, codes, strict=True):
                if code and code != Code.NOT_GRANTED:
                    self._fail(self._target, item.path, self._target.error(code))

    # Deciding --------------------------------------------------------------------------------------------------------

    def _decide(self, source: Attributes, there: Attributes | None) -> Replace | None:
        """How to place a file; None where it is there already.

        Raises:
            RemoteError: something is there that may not be replaced.
        """
        if there is None:
            return Replace.NEVER
        if there.kind is Kind.DIRECTORY:
            raise error_of_code(Code.IS_A_DIRECTORY, "")
        if there.kind is Kind.FILE and same_content(source, there, self._grain):
            return None
        if self._options.existing is Existing.REFUSE:
            raise error_of_code(Code.EXISTS, "")
        if self._options.existing is Existing.UPDATE and source.mtime_ns <= there.mtime_ns:
            return None
        return Replace.EXPECTED if there.kind is Kind.FILE else Replace.ALWAYS

    async def _learn_grain(self, target_path: str, there: Iterable[Attributes]) -> None:
        """Find in which steps the target keeps times, from what it shows; its top folder has a time of its own."""
        self._grain = grain_of(there)
        top = target_path.partition("/")[0]
        if self._grain and top != target_path:
            shown = await self._stat_or_none(top)
            self._grain = min(self._grain, grain_of([shown] if shown is not None else []))

    async def _stat_or_none(self, path: str) -> Attributes | None:
        try:
            return await self._target.stat(path)
        except RemoteError as exc:
            if exc.code in ("not_found", "not_granted"):
                return None
            raise

    def _skip(self, attributes: Attributes) -> None:
        self._progress.skip(attributes.size)

    def _would(self, path: str, replace: Replace, *, folder: bool = False) -> None:
        if self._options.would is not None:
            what = "make folder" if folder else "copy" if replace is Replace.NEVER else "replace"
            self._options.would(self._target.shown(path), what)

    def _fail(self, side: Files, path: str, error: GimmalError) -> None:
        shown = side.shown(path)
        self._progress.fail(shown, error.message.removeprefix(f"{shown}: "))
        if isinstance(error, RemoteError) and error.code in _FATAL and self._fatal is None:
            self._fatal = error


def same_content(source: Attributes, there: Attributes, grain: int = 0) -> bool:
    """Whether a file already there counts as the source's copy: same size and same time of change.

    Args:
        grain: steps, in nanoseconds, in which the target keeps times; 0 where it keeps all of a time.
    """
    apart = abs(source.mtime_ns - there.mtime_ns)
    return source.size == there.size and (apart == 0 or apart < grain)


def grain_of(shown: Iterable[Attributes]) -> int:
    """The coarsest steps, in nanoseconds, that all times of files and folders fit; 0 for fine ones or none at all."""
    grains = list(_GRAINS)
    seen = False
    for attributes in shown:
        if attributes.kind in (Kind.FILE, Kind.DIRECTORY):
            seen = True
            grains = [grain for grain in grains if attributes.mtime_ns % grain == 0]
            if not grains:
                return 0
    return grains[0] if seen else 0


def _names_of(entry: Entry) -> list[str]:
    """The names under which a target's entry may be met in the source.

    A mapped name that was received stands in the target letter for letter, and is mapped once more when listed.
    """
    if not entry.mapped:
        return [entry.name]
    with contextlib.suppress(UnicodeDecodeError, BadName):
        parts = [wire_name_to_local(component).decode() for component in entry.name.split("/")]
        return [entry.name, "/".join(parts)]
    return [entry.name]


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
