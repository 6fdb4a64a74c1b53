"""The copy engine between two trees of this computer: what a failure of one file must not do to the others."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gimmal.base.errors import ProtocolViolation, RemoteError
from gimmal.base.workers import Workers
from gimmal.protocol.codec import encode
from gimmal.protocol.limits import BLOCK_SIZE, BODY_MAX, PART_BLOCKS_MAX
from gimmal.protocol.messages import (
    Answer,
    Attributes,
    BundleFile,
    FolderTimes,
    Kind,
    OpenPart,
    Page,
    PartOpened,
    ReadBundle,
    Replace,
    Request,
    Version,
    WriteBundle,
)
from gimmal.remote.copy_file import FileCopier, FileJob
from gimmal.remote.copy_tree import BUNDLE_ROOM, FILES_AT_ONCE, CopyOptions, Existing, TreeCopier
from gimmal.remote.files import BLOCKS_AT_ONCE, Block, Bundle
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.remote.removing import remove
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool
from tests.patience import PATIENCE

ResultT = TypeVar("ResultT")


class Rig:
    """Two trees, ``from`` and ``to``, below one folder."""

    def __init__(self, base: Path) -> None:
        self.source = base / "from"
        self.target = base / "to"
        self.source.mkdir()
        self.target.mkdir()
        shares = [Share("from", self.source, Rights.READ_ONLY), Share("to", self.target, Rights.READ_WRITE)]
        self._service = ShareService(ShareTable(shares), base / "journals", bytes(32))
        self._session = self._service.open_session()
        self.workers = Workers()
        self.pool = BufferPool()

    def files(self, kind: type[LocalFiles] = LocalFiles) -> Any:
        return kind(self._session, self.pool, self.workers)

    def run(self, work: Coroutine[Any, Any, ResultT], seconds: float = 2 * PATIENCE) -> ResultT:
        async def main() -> ResultT:
            async with asyncio.timeout(seconds):
                return await work

        try:
            return asyncio.run(main())
        finally:
            self.workers.close()
            self._session.close()
            self._service.close()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


class Changing(LocalFiles):
    """A source whose blocks cannot be read, all at about the same time."""

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        await asyncio.sleep(0)
        raise RemoteError("changed", "the file changed meanwhile")


def test_files_that_fail_leave_room_for_those_after_them(rig: Rig) -> None:
    """A block that is cancelled before it began must give its place back too."""

    async def main() -> int:
        progress = Progress()
        copier = FileCopier(rig.files(Changing), rig.files(), progress)
        failed = 0
        for number in range(3 * BLOCKS_AT_ONCE):
            attributes = Attributes(Kind.FILE, 20 * BLOCK_SIZE, 0, 0o644, number)
            with pytest.raises(RemoteError, match="changed"):
                await copier.copy(FileJob(f"from/{number}", f"to/{number}", attributes, Replace.NEVER))
            failed += 1
        return failed

    assert rig.run(main()) == 3 * BLOCKS_AT_ONCE
    assert list(rig.target.iterdir()) == []


class Shrinking(LocalFiles):
    """A source of which the fourth block is not there any more when it is read."""

    async def read_block(
        self, path: str, offset: int, length: int, version: Version | None, *, sparse: bool = False
    ) -> Block:
        if offset == 3 * BLOCK_SIZE:
            await asyncio.sleep(0.2)
            raise RemoteError("changed", "the file changed meanwhile")
        return await super().read_block(path, offset, length, version, sparse=sparse)


def test_bytes_of_a_file_that_fails_are_not_counted(rig: Rig) -> None:
    (rig.source / "file").write_bytes(bytes(4 * BLOCK_SIZE))
    most = 0

    def watch(progress: Progress) -> None:
        nonlocal most
        most = max(most, progress.bytes)

    progress = Progress(changed=watch)

    async def main() -> None:
        source = rig.files(Shrinking)
        job = FileJob("from/file", "to/file", await source.stat("from/file"), Replace.NEVER)
        with pytest.raises(RemoteError, match="changed"):
            await FileCopier(source, rig.files(), progress).copy(job)

    rig.run(main())
    assert most == 3 * BLOCK_SIZE
    assert (progress.bytes, progress.files) == (0, 0)


def copy_all(rig: Rig, source: LocalFiles, target: LocalFiles, options: CopyOptions | None = None) -> Progress:
    """Copy the whole tree ``from`` to ``to/copy``."""
    progress = Progress()

    async def main() -> None:
        attributes = await source.stat("from")
        await TreeCopier(source, target, options or CopyOptions(), progress).copy_folder("from", attributes, "to/copy")

    rig.run(main())
    return progress


class Breaking(LocalFiles):
    """A source whose folder ``a`` cannot be listed behind its first page."""

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        async for page in super().tree(path, xattrs=xattrs):
            yield page
            if path == "from/a":
                raise RemoteError("input_output", "the disk failed", "")


class Waiting(LocalFiles):
    """A target that is listed so late that the next page of the source has come by then."""

    async def tree(self, path: str, *, xattrs: bool = False) -> AsyncIterator[Page]:
        await asyncio.sleep(0.05)
        async for page in super().tree(path, xattrs=xattrs):
            yield page


@pytest.mark.parametrize(("count", "size"), [(FILES_AT_ONCE, BUNDLE_ROOM + 1), (27, BUNDLE_ROOM // 4)])
def test_a_tree_that_breaks_off_leaves_room_for_the_next(rig: Rig, count: int, size: int) -> None:
    for folder in ("a", "b"):
        (rig.source / folder).mkdir()
        (rig.target / folder).mkdir()
        for number in range(count):
            (rig.source / folder / f"{number}").write_bytes(bytes(size))

    async def main() -> None:
        copier = TreeCopier(rig.files(Breaking), rig.files(Waiting), CopyOptions(), Progress())
        async with asyncio.timeout(20):
            with pytest.raises(RemoteError, match="the disk failed"):
                await copier.copy_folder("from/a", await rig.files().stat("from/a"), "to/a")
            await copier.copy_folder("from/b", await rig.files().stat("from/b"), "to/b")

    rig.run(main())
    assert len(list((rig.target / "b").iterdir())) == count


class Counting(LocalFiles):
    """A source or target that counts in which way files go and come."""

    asked = 0
    bundled = 0
    parts = 0

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        self.asked += len(names)
        return await super().read_bundle(folder, names, xattrs=xattrs)

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        self.bundled += len(files)
        return await super().write_bundle(request, files, contents)

    async def open_part(self, request: OpenPart) -> PartOpened:
        self.parts += 1
        return await super().open_part(request)


@pytest.mark.parametrize(
    ("size", "older", "bundled"),
    [
        (900 * 1024, None, True),
        (900 * 1024, 600 * 1024, False),
        (600 * 1024, 900 * 1024, False),
        (400 * 1024, 900 * 1024, True),
        (BUNDLE_ROOM, None, False),
    ],
)
def test_a_file_that_fits_a_bundle_travels_in_one_unless_an_older_version_may_help(
    rig: Rig, size: int, older: int | None, bundled: bool
) -> None:
    (rig.source / "file").write_bytes(os.urandom(size))
    if older is not None:
        (rig.target / "copy").mkdir()
        (rig.target / "copy" / "file").write_bytes(os.urandom(older))
        os.utime(rig.target / "copy" / "file", (1, 1))
    source, target = rig.files(Counting), rig.files(Counting)
    progress = copy_all(rig, source, target, CopyOptions(Existing.OVERWRITE))
    assert not progress.failures
    assert (source.asked, target.bundled, target.parts) == ((1, 1, 0) if bundled else (0, 0, 1))
    assert (rig.target / "copy" / "file").read_bytes() == (rig.source / "file").read_bytes()


class Vanishing(LocalFiles):
    """A source that loses a file between listing and reading."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.doomed: Path | None = None

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        if self.doomed is not None:
            self.doomed.unlink()
            self.doomed = None
        return await super().read_bundle(folder, names, xattrs=xattrs)


def test_a_small_file_that_vanishes_leaves_the_others_of_its_bundle(rig: Rig) -> None:
    for name in ("one", "two", "three"):
        (rig.source / name).write_text(name)
    source = rig.files(Vanishing)
    source.doomed = rig.source / "two"
    progress = copy_all(rig, source, rig.files())
    assert [name for name, _reason in progress.failures] == ["from/two"]
    assert sorted(path.name for path in (rig.target / "copy").iterdir()) == ["one", "three"]
    assert (rig.target / "copy" / "three").read_text() == "three"


def test_update_copies_small_files_that_are_not_there(rig: Rig) -> None:
    (rig.source / "new").write_text("new")
    progress = copy_all(rig, rig.files(), rig.files(), CopyOptions(Existing.UPDATE))
    assert not progress.failures
    assert (rig.target / "copy" / "new").read_text() == "new"


class Recording(LocalFiles):
    """A target that checks of each bundle what a record of the wire could carry."""

    largest = 0

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        Recording.largest = max(Recording.largest, len(encode(files)) + sum(map(len, contents)))
        return await super().write_bundle(request, files, contents)

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        assert len(encode(ReadBundle(folder, names))) <= BODY_MAX
        return await super().read_bundle(folder, names, xattrs=xattrs)


@pytest.mark.parametrize(("count", "size", "depth"), [(1100, 940, 1), (300, 4096, 2), (1300, 0, 4)])
def test_bundles_with_long_names_fit_into_a_record(rig: Rig, count: int, size: int, depth: int) -> None:
    folder = rig.source.joinpath(*(letter * 240 for letter in "abcdefgh"[:depth]))
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:0120d}").write_bytes(os.urandom(size))
    Recording.largest = 0
    progress = copy_all(rig, rig.files(Recording), rig.files(Recording))
    assert not progress.failures
    assert progress.files == count
    assert 0 < Recording.largest <= BODY_MAX
    copied = rig.target / "copy" / folder.relative_to(rig.source)
    assert all((copied / path.name).read_bytes() == path.read_bytes() for path in folder.iterdir())


class Slow(LocalFiles):
    """A target whose disk takes its time, while the session to the source is lost."""

    begun: asyncio.Event
    go_on: asyncio.Event

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        self.begun.set()
        await self.go_on.wait()
        return await super().write_bundle(request, files, contents)


class Lent(LocalFiles):
    """A source whose bundles lie in a buffer, as those of the other side do; large files are cut."""

    released = 0

    async def read_bundle(self, folder: str, names: list[str], *, xattrs: bool = False) -> Bundle:
        bundle = await super().read_bundle(folder, names, xattrs=xattrs)

        def release() -> None:
            self.released += 1

        return Bundle(bundle.items, bundle.contents, release)


def test_the_buffer_of_a_bundle_is_not_given_back_under_a_thread(rig: Rig) -> None:
    """A cut cancels the copy while a thread still writes the bundle: its buffer must not be filled anew."""
    (rig.source / "small").write_text("small")
    source, target = rig.files(Lent), rig.files(Slow)

    async def main() -> None:
        target.begun, target.go_on = asyncio.Event(), asyncio.Event()
        attributes = await source.stat("from")
        copier = TreeCopier(source, target, CopyOptions(), Progress())
        task = asyncio.create_task(copier.copy_folder("from", attributes, "to/copy"))
        await target.begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    rig.run(main())
    assert source.released == 0


class Endless(LocalFiles):
    """A target that never stops naming blocks."""

    asked = 0

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        if isinstance(request, OpenPart):
            self.asked += 1
            assert self.asked < 10
            return PartOpened(1, [bytes(32)] * PART_BLOCKS_MAX)
        return await super().ask(request, deadline)


def test_a_target_that_names_more_blocks_than_a_file_has_is_refused(rig: Rig) -> None:
    async def main() -> None:
        attributes = Attributes(Kind.FILE, 3 * BLOCK_SIZE, 0, 0o644, 1)
        copier = FileCopier(rig.files(), rig.files(Endless), Progress())
        with pytest.raises(ProtocolViolation, match="more blocks"):
            await copier.copy(FileJob("from/x", "to/x", attributes, Replace.NEVER))

    rig.run(main())


class Wire(LocalFiles):
    """A tree whose requests must fit a record."""

    largest = 0

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        Wire.largest = max(Wire.largest, len(encode(request)))
        return await super().ask(request, deadline)


def test_requests_about_many_long_paths_fit_into_a_record(rig: Rig) -> None:
    """Folders are made, given their times and removed 1,024 at a time, fewer where their paths are long."""
    folder = "/".join(("to", *(letter * 250 for letter in "abcdefghijkl")))
    paths = [f"{folder}/{number:0200d}" for number in range(450)]
    files = rig.files(Wire)

    async def main() -> None:
        Wire.largest = 0
        assert set(await files.make_directories([paths[0]], parents=True)) == {0}
        assert set(await files.make_directories(paths[1:])) == {0}
        items = [FolderTimes(path, 1_000_000_000 * number, 0o700) for number, path in enumerate(paths)]
        assert set(await files.set_attributes(items)) == {0}
        assert (await files.stat(paths[-1])).mtime_ns == 449_000_000_000
        assert set(await files.remove_many(paths[1:])) == {0}
        removed, failures = await remove(files, ["to/" + "a" * 250], recursive=True, missing_ok=False)
        assert (removed, failures) == (13, [])

    rig.run(main())
    assert BODY_MAX // 2 < Wire.largest <= BODY_MAX
