"""Copies to disks that keep times in steps: copied once is copied, and a fine disk is never taken for one."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from gimmal.base.workers import Workers
from gimmal.protocol.features import GRAIN, OFFERED
from gimmal.protocol.messages import Attributes, Kind, Room
from gimmal.remote.copy_deciding import CopyOptions, grain_of, same_content
from gimmal.remote.copy_tree import TreeCopier
from gimmal.remote.grains import Grains
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool
from tests.exfat import exfat
from tests.remote.two_sides import Sides, TwoSides

SECOND = 1_000_000_000
TIME = 1_700_000_001 * SECOND + 123_456_789


def at(mtime_ns: int, kind: Kind = Kind.FILE, size: int = 5) -> Attributes:
    return Attributes(kind, size, mtime_ns, 0o644, 1)


@pytest.mark.parametrize(
    ("time", "grain"),
    [
        (TIME, 0),
        (4 * SECOND, 2 * SECOND),
        (5 * SECOND, SECOND),
        (5 * SECOND + 120_000_000, 10_000_000),
        (5 * SECOND + 100, 100),
    ],
)
def test_the_steps_are_the_coarsest_that_a_time_fits(time: int, grain: int) -> None:
    assert grain_of(time) == grain


def test_times_less_than_a_step_apart_are_the_same_only_where_there_are_steps() -> None:
    assert same_content(at(TIME), at(TIME))
    assert not same_content(at(TIME), at(TIME - 1))
    assert same_content(at(TIME), at(TIME // SECOND * SECOND), SECOND)
    assert same_content(at(TIME), at(TIME // SECOND * SECOND + SECOND), SECOND)
    assert not same_content(at(TIME), at(TIME - SECOND), SECOND)
    assert not same_content(at(TIME, size=6), at(TIME), SECOND)


def copy(base: Path, source: Path, target: Path) -> Progress:
    progress = Progress()
    shares = ShareTable([Share("from", source, Rights.READ_ONLY), Share("to", target, Rights.READ_WRITE)])
    service = ShareService(shares, base / "journals", bytes(32))
    session, workers, pool = service.open_session(), Workers(), BufferPool()

    async def main() -> None:
        one, other = LocalFiles(session, pool, workers), LocalFiles(session, pool, workers)
        attributes = await one.stat("from")
        await TreeCopier(one, other, CopyOptions(), progress).copy_folder("from", attributes, "to/copy")

    try:
        asyncio.run(main())
    finally:
        workers.close()
        session.close()
        service.close()
    return progress


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small file, and one that travels in blocks, with times to the nanosecond."""
    made = tmp_path / "source"
    made.mkdir()
    for index, size in enumerate((5, 300_000)):
        (made / str(index)).write_bytes(bytes(size))
        os.utime(made / str(index), ns=(TIME, TIME + index * 1_111_111_111))
    return made


def test_on_a_fine_disk_another_time_is_another_file(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    assert copy(tmp_path, source, target).failures == []
    for path in (target / "copy", target / "copy/0", target / "copy/1"):
        os.utime(path, ns=(4 * SECOND, TIME // SECOND // 2 * 2 * SECOND))  # as a coarse disk would show them
    assert len(copy(tmp_path, source, target).failures) == 2


@pytest.mark.parametrize("below", ["", "folder"])
def test_what_was_copied_to_exfat_counts_as_copied(tmp_path: Path, source: Path, below: str) -> None:
    with exfat(tmp_path) as mounted:
        _copied_counts_as_copied(tmp_path, source, mounted / below)


def _copied_counts_as_copied(tmp_path: Path, source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    first = copy(tmp_path, source, target)
    assert (first.files, first.failures) == (2, [])
    again = copy(tmp_path, source, target)
    assert (again.files, again.skipped, again.failures) == (0, 2, [])
    os.utime(source / "0", ns=(TIME, TIME + 5 * SECOND))
    changed = copy(tmp_path, source, target)
    assert (changed.skipped, len(changed.failures)) == (1, 1)


@pytest.mark.parametrize("features", [OFFERED, OFFERED & ~GRAIN], ids=["asked", "too old to be asked"])
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_coarse_disk_inside_a_share_on_a_fine_one(tmp_path: Path, source: Path, way: str, features: int) -> None:
    sides = TwoSides(tmp_path, far_features=features)
    near, far = ("near", "far") if way == "up" else ("far", "near")
    (tmp_path / near / "tree").mkdir()
    for place in ("disk/mounted", "disk/mounted/below", "fine"):
        shutil.copytree(source, tmp_path / near / "tree" / place, dirs_exist_ok=True, copy_function=shutil.copy2)
        for path in (tmp_path / near / "tree" / place).iterdir():
            if path.is_file():
                os.utime(path, ns=(TIME, TIME + 7_000_000 * len(path.name)))
    (tmp_path / far / "tree/disk").mkdir(parents=True)
    with exfat(tmp_path / far / "tree/disk"):
        options = CopyOptions()
        first = sides.copy(f"{near}/tree", f"{far}/tree", options)
        assert (first.files, first.failures) == (6, [])
        again = sides.copy(f"{near}/tree", f"{far}/tree", options)
        if way == "up" and not features & GRAIN:
            assert len(again.failures) == 4, "a far side that cannot be asked counts as keeping all of a time"
            return
        assert (again.files, again.skipped, again.failures) == (0, 6, [])
        below = sides.copy(f"{near}/tree/disk/mounted/below", f"{far}/tree/disk/mounted/below", options)
        assert (below.files, below.skipped, below.failures) == (0, 2, [])
        other = tmp_path / near / "tree/fine/0"
        os.utime(other, ns=(TIME, other.stat().st_mtime_ns // SECOND * SECOND))
        os.utime(tmp_path / far / "tree/fine/0", ns=(TIME, other.stat().st_mtime_ns + 10_000_000))
        changed = sides.copy(f"{near}/tree", f"{far}/tree", options)
        assert (changed.skipped, len(changed.failures)) == (5, 1), "on the fine disk another time is another file"


def test_few_are_asked_however_many_folders_lie_on_a_coarse_disk(tmp_path: Path) -> None:
    asked: list[str] = []

    class Target(LocalFiles):
        async def room(self, path: str, *, grain: bool = False) -> Room:
            asked.append(path)
            return Room(1, 1, 1, 2 * SECOND)

        def __init__(self) -> None:
            """It holds nothing: only its disk is asked about."""

    grains = Grains(Target())

    async def main() -> None:
        for number in range(100):
            for path in ("to/stick/file", f"to/stick/{number}/file", f"to/stick/{number}/deep/file"):
                assert await grains.of(at(TIME), at(TIME // SECOND // 2 * 2 * SECOND), path) == 2 * SECOND
                assert await grains.of(at(TIME), at(TIME), path) == 0
                assert await grains.of(at(TIME), None, path) == 0

    asyncio.run(main())
    assert asked == ["to/stick"]


def test_asking_for_steps_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    os.utime(sides.far, ns=(TIME, TIME))

    async def work(both: Sides) -> Room:
        return await both.far.room("far", grain=True)

    assert sides.run(work).grain == 0
    assert sides.far.stat().st_mtime_ns == TIME
    assert os.listdir(sides.far) == []
