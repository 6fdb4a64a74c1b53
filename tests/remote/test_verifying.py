"""--verify: what lies on the target's disk is what was sent, or is named."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gimmal.base.errors import Interrupted, RemoteError
from gimmal.protocol.features import FIDELITY, MEASURE, OFFERED, TRASH
from gimmal.protocol.limits import BLOCK_SIZE, CALL_SECONDS
from gimmal.protocol.messages import Answer, BundleFile, Commit, DigestBlocks, DigestFiles, Request, WriteBundle
from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.files import Files
from gimmal.remote.files_around import FilesAround
from gimmal.remote.filters import Filters
from gimmal.remote.progress import Progress
from gimmal.remote.sync import SyncJob, sync_once
from gimmal.remote.sync_kinds import STAGE_PREFIX
from gimmal.remote.verifying import BATCH_FILES, CORRUPT, DIFFERS
from gimmal.share.shares import Rights
from tests.figures import figure
from tests.remote.two_sides import Sides, TwoSides, copy_between
from tests.rotten_disk import rotten_disk

VERIFY = CopyOptions(verify=True)
SIZES = {"empty": 0, "one": 1, "small": 5_000, "middle": 300_000, "block": BLOCK_SIZE, "large": 3 * BLOCK_SIZE + 7}


def make_tree(folder: Path, sizes: dict[str, int] = SIZES) -> None:
    (folder / "below").mkdir(parents=True)
    for number, (name, size) in enumerate(sizes.items()):
        for place in (folder, folder / "below"):
            (place / name).write_bytes(random.Random(f"{number} {place.name}").randbytes(size))


class Watched(FilesAround):
    """The target of a copy; something is done to it whenever a file was placed, and its questions are counted."""

    def __init__(self, inner: Files, placed: Callable[[str], None] | None = None) -> None:
        super().__init__(inner)
        self.placed = placed or (lambda _path: None)
        self.asked: list[Request] = []

    async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
        self.asked.append(request)
        return await self.inner.ask(request, deadline)

    async def commit(self, request: Commit, path: str) -> object:  # type: ignore[override]
        found = await super().commit(request, path)
        self.placed(path)
        return found

    async def write_bundle(
        self, request: WriteBundle, files: list[BundleFile], contents: Sequence[memoryview]
    ) -> list[int]:
        codes = await super().write_bundle(request, files, contents)
        for file in files:
            self.placed(f"{request.folder}/{file.name}")
        return codes


def flip(path: Path, at: int = 0) -> None:
    """Change a byte of a file and nothing else of it."""
    state = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def copy_watched(
    sides: TwoSides, source: str, target: str, placed: Callable[[str], None], options: CopyOptions = VERIFY
) -> Progress:
    progress = Progress()

    async def work(run: Sides) -> None:
        if target.startswith("far"):
            run.far = Watched(run.far, placed)  # type: ignore[assignment]
        else:
            run.near = Watched(run.near, placed)  # type: ignore[assignment]
        await copy_between(run, source, target, progress, options)

    sides.run(work)
    return progress


@pytest.fixture(params=["up", "down"])
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    return ("near", "far") if request.param == "up" else ("far", "near")


def test_every_file_is_read_again(tmp_path: Path, way: tuple[str, str]) -> None:
    sides = TwoSides(tmp_path)
    source, target = way
    make_tree(tmp_path / source / "tree")
    progress = sides.copy(f"{source}/tree", f"{target}/copy", VERIFY)
    assert (progress.files, progress.verified, progress.to_verify, progress.failed) == (12, 12, 12, 0)
    again = sides.copy(f"{source}/tree", f"{target}/copy", VERIFY)
    assert (again.files, again.skipped, again.verified, again.failed) == (0, 12, 12, 0)
    one = sides.copy(f"{source}/tree/large", f"{target}/one", VERIFY)
    assert (one.files, one.verified) == (1, 1)
    plain = sides.copy(f"{source}/tree", f"{target}/plain")
    assert (plain.files, plain.verified, plain.to_verify) == (12, 0, 0)


def test_a_copy_within_the_other_side_is_read_again(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    make_tree(sides.far / "tree")
    progress = sides.copy("far/tree", "far/copy", VERIFY)
    assert (progress.files, progress.verified) == (12, 12)


@pytest.mark.parametrize("name", [name for name in SIZES if name != "empty"])
def test_a_file_that_the_disk_does_not_hold_is_named_and_stays(tmp_path: Path, way: tuple[str, str], name: str) -> None:
    sides = TwoSides(tmp_path)
    source, target = way
    make_tree(tmp_path / source / "tree")
    at = SIZES[name] // 2

    def placed(path: str) -> None:
        if path.endswith(f"below/{name}"):
            flip(tmp_path / path, at)

    progress = copy_watched(sides, f"{source}/tree", f"{target}/copy", placed)
    (shown, reason), *more = progress.failures
    assert not more
    assert shown.endswith(f"copy/below/{name}")
    assert reason == CORRUPT
    assert (progress.files, progress.verified, progress.failed) == (11, 11, 1)
    assert progress.bytes == 2 * sum(SIZES.values()) - SIZES[name]
    assert (tmp_path / target / "copy" / "below" / name).stat().st_size == SIZES[name]
    again = sides.copy(f"{source}/tree", f"{target}/copy", VERIFY)
    assert [reason for _name, reason in again.failures] == [DIFFERS]
    assert (again.skipped, again.verified) == (11, 11)


def test_a_file_that_was_changed_or_went_is_not_called_corrupt(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    make_tree(sides.near / "tree")

    def placed(path: str) -> None:
        if path.endswith("below/small"):
            (tmp_path / path).write_bytes(b"written by another program")
        elif path.endswith("below/large"):
            (tmp_path / path).unlink()

    progress = copy_watched(sides, "near/tree", "far/copy", placed)
    assert sorted((name.rpartition("/")[2], reason) for name, reason in progress.failures) == [
        ("large", "no such file or folder"),
        ("small", "the file changed meanwhile"),
    ]
    assert progress.verified == 10


def test_the_disk_is_read_and_not_what_the_system_remembers(tmp_path: Path) -> None:
    """A byte rots on the disk of the other side between placing and reading again."""
    with rotten_disk(tmp_path) as disk:
        sides = TwoSides(tmp_path, far=disk.folder)
        make_tree(sides.near / "tree", {"small": 5_000, "large": 2 * BLOCK_SIZE + 9})

        def placed(path: str) -> None:
            if "/below/" in path:
                disk.rot(disk.folder / path.partition("/")[2], 4_000)

        progress = copy_watched(sides, "near/tree", "far/copy", placed)
        assert [reason for _name, reason in progress.failures] == [CORRUPT, CORRUPT]
        assert progress.verified == 2


def test_a_sync_compares_what_was_there_and_deletes_nothing_where_a_disk_is_bad(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    make_tree(sides.near / "tree")

    def sync() -> Progress:
        progress = Progress()

        async def work(run: Sides) -> None:
            job = SyncJob(
                "near/tree", "far/copy", CopyOptions(Existing.OVERWRITE, verify=True), Filters([]), delete=True
            )
            await sync_once(run.near, run.far, job, progress)

        sides.run(work)
        return progress

    assert sync().verified == 12
    (sides.far / "copy" / "more").write_bytes(b"")
    flip(sides.far / "copy" / "small")
    bad = sync()
    assert [reason for _name, reason in bad.failures] == [DIFFERS]
    assert (bad.deleted, bad.not_deleted, bad.verified) == (0, 1, 11)
    assert (sides.far / "copy" / "more").exists()
    (sides.far / "copy" / "small").unlink()
    good = sync()
    assert (good.files, good.skipped, good.verified, good.failed, good.deleted) == (1, 11, 12, 0, 1)


@pytest.mark.parametrize("bad", [False, True])
def test_what_takes_the_place_of_another_kind_is_read_again_before_the_old_goes(tmp_path: Path, bad: bool) -> None:
    sides = TwoSides(tmp_path)
    source, target = sides.near / "tree", sides.far / "tree"
    for folder in (source / "was a file", target / "was a folder"):
        folder.mkdir(parents=True)
    (source / "was a file" / "small").write_bytes(b"small")
    (source / "was a file" / "large").write_bytes(random.Random(1).randbytes(BLOCK_SIZE + 1))
    (source / "was a folder").write_bytes(b"a file now")
    (target / "was a folder" / "old").write_bytes(b"old")
    (target / "was a file").write_bytes(b"a file")
    progress = Progress()

    def placed(path: str) -> None:
        if bad:
            flip(sides.base / path)

    async def work(run: Sides) -> None:
        job = SyncJob("near/tree", "far/tree", CopyOptions(Existing.OVERWRITE, verify=True), Filters([]), delete=True)
        await sync_once(run.near, Watched(run.far, placed), job, progress)

    sides.run(work)
    if bad:
        # Only what came in a bundle is changed by the watcher.
        assert [reason for _name, reason in progress.failures] == [
            CORRUPT,
            "not all of what is to replace it could be copied, so it stays",
        ]
        assert (target / "was a file").read_bytes() == b"a file"
    else:
        assert progress.failures == []
        assert (progress.verified, progress.to_verify, progress.files) == (3, 3, 3)
        assert (target / "was a file" / "small").read_bytes() == b"small"
    assert (target / "was a folder").read_bytes() == b"a file now"
    assert not any(path.name.startswith(STAGE_PREFIX) for path in target.rglob("*"))


def test_with_update_a_newer_file_is_not_compared(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    for folder, time in ((sides.near, 1_000), (sides.far, 2_000)):
        (folder / "file").write_text(folder.name)
        os.utime(folder / "file", (time, time))
    progress = sides.copy("near/file", "far/file", CopyOptions(Existing.UPDATE, verify=True))
    assert (progress.skipped, progress.verified, progress.failed) == (1, 0, 0)


def test_a_target_that_cannot_be_read_again_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    for number, (sides, code) in enumerate(
        (
            (TwoSides(_folder(tmp_path, "old"), far_features=OFFERED & ~MEASURE), "unsupported"),
            (TwoSides(_folder(tmp_path, "drop"), Rights.DROP), "not_granted"),
        )
    ):
        (sides.near / "file").write_bytes(b"content")
        with pytest.raises(RemoteError) as refused:
            sides.copy("near/file", f"far/{number}", VERIFY)
        assert refused.value.code == code
        assert refused.value.hint.endswith("leave out --verify")
        assert not list(sides.far.iterdir())


def test_a_source_that_is_too_old_to_digest_is_read(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, far_features=FIDELITY | TRASH)
    make_tree(sides.far / "tree")
    assert sides.copy("far/tree", "near/copy", VERIFY).verified == 12
    flip(sides.near / "copy" / "large", 2 * BLOCK_SIZE)
    again = sides.copy("far/tree", "near/copy", VERIFY)
    assert (again.skipped, again.verified, [reason for _name, reason in again.failures]) == (11, 11, [DIFFERS])


def test_small_files_cost_no_round_trip_each_and_no_contents_pass_the_line(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    (sides.near / "tree").mkdir()
    count, size = 2 * BATCH_FILES + 5, 2_000
    for number in range(count):
        (sides.near / "tree" / f"{number}").write_bytes(random.Random(number).randbytes(size))
    wire: dict[bool, int] = {}
    asked: list[Request] = []

    for verify in (False, True):

        async def work(run: Sides, verify: bool = verify) -> None:
            run.far = watched = Watched(run.far)  # type: ignore[assignment]
            progress = Progress()
            await copy_between(run, "near/tree", f"far/{verify}", progress, CopyOptions(verify=verify))
            assert progress.files == count
            assert progress.verified == (count if verify else 0)
            wire[verify] = run.wire_bytes
            asked.extend(watched.asked)

        sides.run(work)
    digests = [request for request in asked if isinstance(request, DigestFiles)]
    assert len(digests) == 3
    more = (wire[True] - wire[False]) / count
    figure("--verify of small files: bytes on the line for each", round(more), "<= 120")
    assert more <= 120
    # And where all is there already, no contents pass at all.
    seen = sides.copy("near/tree", "far/True", VERIFY)
    assert (seen.skipped, seen.verified) == (count, count)


def test_large_files_are_asked_for_by_many_blocks_and_holes_are_not_read(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    with (sides.near / "sparse").open("wb") as file:
        file.truncate(100 * BLOCK_SIZE)
        file.seek(70 * BLOCK_SIZE)
        file.write(b"data")
    asked: list[Request] = []

    async def work(run: Sides) -> None:
        run.far = watched = Watched(run.far)  # type: ignore[assignment]
        progress = Progress()
        await copy_between(run, "near/sparse", "far/sparse", progress, VERIFY)
        assert progress.verified == 1
        asked.extend(watched.asked)

    sides.run(work)
    assert [request.first for request in asked if isinstance(request, DigestBlocks)] == [0, 64]


def test_a_cut_while_files_are_read_again_is_an_interruption(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    make_tree(sides.near / "tree")

    class Cut(Watched):
        async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
            if isinstance(request, DigestFiles):
                raise Interrupted("cut", "")
            return await super().ask(request, deadline)

    async def work(run: Sides) -> None:
        run.far = Cut(run.far)  # type: ignore[assignment]
        with pytest.raises(Interrupted):
            await copy_between(run, "near/tree", "far/copy", Progress(), VERIFY)

    sides.run(work)
    assert sides.copy("near/tree", "far/copy", VERIFY).verified == 12


def test_a_mistake_in_reading_again_is_not_taken_for_good(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    make_tree(sides.near / "tree")

    class Wrong(Watched):
        async def ask(self, request: Request, deadline: float | None = CALL_SECONDS) -> Answer:
            if isinstance(request, DigestFiles):
                raise ZeroDivisionError
            return await super().ask(request, deadline)

    async def work(run: Sides) -> None:
        run.far = Wrong(run.far)  # type: ignore[assignment]
        with pytest.raises(ZeroDivisionError):
            await copy_between(run, "near/tree", "far/copy", Progress(), VERIFY)

    sides.run(work)


def _folder(base: Path, name: str) -> Path:
    (base / name).mkdir()
    return base / name
