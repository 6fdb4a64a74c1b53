"""Brings what is pinned up to date: lists it, forgets what is gone, and fetches what is new."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gimmal.base.errors import BadName, GimmalError, RemoteError
from gimmal.base.paths import parse_wire_path
from gimmal.base.primitives import new_blake3
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Attributes, Entry, Kind
from gimmal.remote.files import Files, shown, version_of
from gimmal.remote.pinned.kept_files import KeptFiles, sealed_size
from gimmal.remote.pinned.store import ENTRIES_MAX, PinnedFolder, PinnedStore, PinnedTree, is_below
from gimmal.remote.progress import Progress
from gimmal.remote.tree.records import joined, split

BYTES_MAX = 8 << 30
"""Of all that is kept."""

RESERVE = 64 << 20
"""What the disk keeps free for other things."""

AT_ONCE = 4
"""Files under way where somebody waits for it."""

_GONE = frozenset(code.name.lower() for code in (Code.NOT_FOUND, Code.NOT_A_DIRECTORY, Code.CHANGED))


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        files, size: that are kept now, and their bytes.
        fetched: bytes that came for it.
        no_room: files that have no room.
        failed: files that the other side did not give, and why.
        missing: pinned paths at which nothing is.
    """

    files: int = 0
    size: int = 0
    fetched: int = 0
    no_room: list[str] = field(default_factory=list)
    failed: list[tuple[str, GimmalError]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


async def bring_up_to_date(
    files: Files, store: PinnedStore, workers: Workers, progress: Progress | None = None, at_once: int = AT_ONCE
) -> Outcome:
    """Have what is pinned as the other side has it now. The caller holds ``store.fetching``.

    Args:
        files: of the other side.
        store: of the half.
        workers: threads.
        progress: what has come, for whoever shows it.
        at_once: files under way.

    Raises:
        GimmalError: the other side cannot be asked, or the disk refuses; what was fetched by then is kept.
    """
    outcome = Outcome()
    seen = _Seen()
    looked: list[str] = []
    for path in await workers.call(store.pins):
        if is_below(path, looked):
            continue
        try:
            await _look(files, path, seen)
            looked.append(path)
        except RemoteError as error:
            if error.code not in _GONE:
                raise
            outcome.missing.append(path)
    tree = PinnedTree(int(time.time()), list(seen.folders.values()), list(seen.files.items()))
    await workers.call(store.keep_tree, tree)
    await workers.call(store.prune)
    wanted = await workers.call(_wanted, store.files, seen.files, outcome)
    progress = progress or Progress()
    for _path, attributes in wanted:
        progress.found(attributes.size)
    progress.walked = True
    await _fetch_all(files, store, workers, iter(wanted), outcome, progress, at_once)
    return outcome


def _wanted(kept: KeptFiles, files: Mapping[str, Attributes], outcome: Outcome) -> list[tuple[str, Attributes]]:
    """What is to be fetched, as far as there is room for it."""
    room = min(BYTES_MAX - kept.used(), kept.free() - RESERVE)
    wanted = []
    for path, attributes in files.items():
        if kept.holds(path, version_of(attributes)):
            outcome.files += 1
            outcome.size += attributes.size
        elif (needed := sealed_size(attributes.size)) <= room:
            room -= needed
            wanted.append((path, attributes))
        else:
            outcome.no_room.append(path)
    return wanted


class _Seen:
    def __init__(self) -> None:
        self.folders: dict[str, PinnedFolder] = {}
        self.files: dict[str, Attributes] = {}
        self.count = 0

    def folder(self, path: str, *, whole: bool) -> None:
        before = self.folders.get(path)
        if before is None or (whole and not before.whole):
            self.folders[path] = PinnedFolder(path, whole, [])

    def entry(self, above: str, entry: Entry) -> None:
        """Raises RemoteError where it is one too many."""
        folder = self.folders[above]
        if not folder.whole and any(other.name == entry.name for other in folder.entries):
            return
        self.count += 1
        if self.count > ENTRIES_MAX:
            raise RemoteError("limit", f"more than {ENTRIES_MAX:,} entries are pinned", "pin a smaller folder")
        folder.entries.append(entry)
        path = joined(above, entry.name)
        if entry.attributes.kind is Kind.FILE:
            self.files[path] = entry.attributes


async def _look(files: Files, path: str, seen: _Seen) -> None:
    """What lies there, and the way to it."""
    attributes = await files.stat(path)
    above, name = split(path)
    leading = [(above, Entry(name, attributes))]
    while above:
        outer, name = split(above)
        leading.append((outer, Entry(name, await files.stat(above))))
        above = outer
    if attributes.kind is Kind.DIRECTORY:
        seen.folder(path, whole=True)
        await _look_below(files, path, seen)
    for folder, entry in leading:
        if folder not in seen.folders or not seen.folders[folder].whole:
            seen.folder(folder, whole=False)
            seen.entry(folder, entry)


async def _look_below(files: Files, path: str, seen: _Seen) -> None:
    async for page in files.tree(path):
        for entry in page.entries:
            inner = joined(path, entry.name)
            above, name = split(inner)
            if above not in seen.folders or not _is_path(inner):
                continue
            seen.entry(above, Entry(name, entry.attributes, entry.mapped))
            if entry.attributes.kind is Kind.DIRECTORY:
                seen.folder(inner, whole=True)
        for failed, _code in page.failures:
            seen.folders.pop(joined(path, failed) if failed else path, None)


def _is_path(path: str) -> bool:
    try:
        parse_wire_path(path)
    except BadName:
        return False
    return True


async def _fetch_all(
    files: Files,
    store: PinnedStore,
    workers: Workers,
    wanted: Iterator[tuple[str, Attributes]],
    outcome: Outcome,
    progress: Progress,
    at_once: int,
) -> None:
    async def fetch() -> GimmalError | None:
        for path, attributes in wanted:
            try:
                await _fetch(files, path, attributes, store, workers, progress)
            except RemoteError as error:
                outcome.failed.append((path, error))
            except GimmalError as error:
                return error  # the line, or the disk
            else:
                outcome.files += 1
                outcome.size += attributes.size
                outcome.fetched += attributes.size
                progress.did_file()
        return None

    tasks = Tasks()
    try:
        failures = await asyncio.gather(*(tasks.start(fetch(), "fetch what is pinned") for _ in range(at_once)))
    finally:
        await tasks.close()
    for failure in failures:
        if failure is not None:
            raise failure


async def _fetch(
    files: Files, path: str, attributes: Attributes, store: PinnedStore, workers: Workers, progress: Progress
) -> None:
    version = version_of(attributes)
    writer = await workers.bulk(store.files.begin, path, version)
    try:
        for offset in range(0, attributes.size, BLOCK_SIZE):
            length = min(BLOCK_SIZE, attributes.size - offset)
            block = await files.read_block(path, offset, length, version)
            try:
                content = b"".join(piece.body for piece in block.pieces)
            finally:
                files.release(block)
            if len(content) != length:
                raise error_of_code(Code.CHANGED, shown(path))
            hasher = new_blake3()
            hasher.update(content)
            if hasher.digest() != block.digest:
                raise error_of_code(Code.CORRUPT, shown(path))
            await workers.bulk(writer.put, content)
            progress.did_bytes(length)
        await workers.bulk(writer.finish)
    except BaseException:
        workers.start(writer.abandon)
        raise
