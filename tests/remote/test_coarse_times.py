"""Copies to disks that keep times in steps: copied once is copied, and a fine disk is never taken for one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gimmal.base.workers import Workers
from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.copy_deciding import CopyOptions, grain_of, same_content
from gimmal.remote.copy_tree import TreeCopier
from gimmal.remote.local_files import LocalFiles
from gimmal.remote.progress import Progress
from gimmal.share import listing
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, Share, ShareTable
from gimmal.transport.buffers import BufferPool
from tests.exfat import exfat

SECOND = 1_000_000_000
TIME = 1_700_000_001 * SECOND + 123_456_789


def at(mtime_ns: int, kind: Kind = Kind.FILE, size: int = 5) -> Attributes:
    return Attributes(kind, size, mtime_ns, 0o644, 1)


@pytest.mark.parametrize(
    ("times", "grain"),
    [
        ([], 0),
        ([TIME], 0),
        ([4 * SECOND, 8 * SECOND], 2 * SECOND),
        ([4 * SECOND, 5 * SECOND], SECOND),
        ([4 * SECOND, 5 * SECOND + 120_000_000], 10_000_000),
        ([4 * SECOND, 6 * SECOND, TIME], 0),
    ],
)
def test_the_steps_are_the_coarsest_that_all_times_fit(times: list[int], grain: int) -> None:
    assert grain_of([at(time) for time in times]) == grain
    assert grain_of([at(time, Kind.DIRECTORY) for time in times]) == grain


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


@pytest.mark.parametrize("fine", ["none", "the last file", "the share"])
def test_the_steps_are_known_when_all_of_the_target_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fine: str
) -> None:
    """What is met first may look like a coarse disk; a file that is the same only there waits until that is known."""
    monkeypatch.setattr(listing, "PAGE_BYTES_MAX", 300)
    source, target = tmp_path / "source", tmp_path / "target"
    names = [f"{number:03}" for number in range(50)]
    for folder in (source, target / "copy"):
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).write_bytes(b"same size")
            os.utime(folder / name, ns=(TIME, 10 * SECOND))
    os.utime(source / "000", ns=(TIME, 11 * SECOND + 1))
    os.link(source / "000", source / "001-linked")
    (target / "copy" / "001-linked").write_bytes(b"same size")
    os.utime(target / "copy" / "001-linked", ns=(TIME, 10 * SECOND))
    (target / "copy" / "zzz").write_bytes(b"not in the source")
    os.utime(target / "copy" / "zzz", ns=(TIME, TIME if fine == "the last file" else 20 * SECOND))
    os.utime(target / "copy", ns=(TIME, 30 * SECOND))
    os.utime(target, ns=(TIME, TIME if fine == "the share" else 40 * SECOND))
    done = copy(tmp_path, source, target)
    differing = 0 if fine == "none" else 2
    assert (done.skipped, len(done.failures), done.total_files) == (51 - differing, differing, 51)


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
