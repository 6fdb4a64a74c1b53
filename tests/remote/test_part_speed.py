"""Disks, ciphers and the round trip, by whatever rights there are; and nothing stays behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.remote.part_speed import DiskSpeed, measure_cipher, measure_disk, measure_round_trip, some_share
from gimmal.share.shares import Rights
from tests.remote.two_sides import Sides, TwoSides

LENGTH = 2 << 20


def disk_of(sides: TwoSides, path: str) -> DiskSpeed:
    async def work(run: Sides) -> DiskSpeed:
        return await measure_disk(run.far if path.startswith("far") else run.near, path, LENGTH)

    return sides.run(work)


@pytest.mark.parametrize("path", ["near", "far", "far/folder", "far/folder/file"])
def test_a_disk_that_may_be_written_is_written_and_read(tmp_path: Path, path: str) -> None:
    sides = TwoSides(tmp_path)
    (sides.far / "folder").mkdir()
    (sides.far / "folder" / "file").write_bytes(b"content")
    before = sorted(sides.far.rglob("*"))
    speed = disk_of(sides, path)
    assert speed.read
    assert speed.write
    assert sorted(sides.far.rglob("*")) == before
    assert not list(sides.near.iterdir())


def test_a_disk_that_may_only_be_read_is_read_by_a_file_that_is_there(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, Rights.READ_ONLY)
    (sides.far / "folder").mkdir()
    assert disk_of(sides, "far") == DiskSpeed(note="it may not be written, and holds no file of 4 MiB to read")
    (sides.far / "folder" / "large").write_bytes(os.urandom(2 * BLOCK_SIZE))
    (sides.far / "small").write_bytes(b"content")
    for path in ("far", "far/folder", "far/folder/large"):
        speed = disk_of(sides, path)
        assert speed.read
        assert speed.write is None
        assert speed.note == "it may not be written"


def test_a_disk_that_takes_only_new_files_is_written(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path, Rights.DROP)
    speed = disk_of(sides, "far")
    assert speed.write
    assert speed.read is None
    assert speed.note == "nothing in a drop share can be read"
    assert not list(sides.far.iterdir())


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RemoteError) as refused:
        disk_of(TwoSides(tmp_path), "far/none")
    assert refused.value.code == "not_found"


def test_ciphers_and_round_trip_are_measured(tmp_path: Path) -> None:
    async def work(run: Sides) -> tuple[float | None, float | None, float, str]:
        ciphers = await measure_cipher(run.near), await measure_cipher(run.far)
        return *ciphers, await measure_round_trip(run.far), await some_share(run.far)

    here, there, round_trip, share = TwoSides(tmp_path).run(work)
    assert here
    assert there
    assert 0 < round_trip < 10
    assert share == "far"
