"""Reading past the page cache: the same bytes on every file system, and those of the disk where that can be."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.uncached import CHUNK, UncachedFile
from tests.rotten_disk import rotten_disk


def whole(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        file = UncachedFile(descriptor)
        found = b""
        while some := file.read(len(found), CHUNK):
            found += bytes(some)
            if len(some) % 4096:
                break
        return found
    finally:
        os.close(descriptor)


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder on the disk of the tests, and one that lies in memory."""
    if request.param == "disk":
        yield tmp_path
        return
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no file system in memory here")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        yield Path(made)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_what_was_just_written_is_read(folder: Path, size: int) -> None:
    path = folder / "file"
    path.write_bytes(content := random.Random(size).randbytes(size))
    assert whole(path) == content


def test_a_part_of_a_file_is_as_long_as_asked_for(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(content := random.Random(1).randbytes(100_000))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        file = UncachedFile(descriptor)
        assert bytes(file.read(8192, 10)) == content[8192:8202]
        assert bytes(file.read(98_304, CHUNK)) == content[98_304:]
        assert not file.read(102_400, 10)
        assert file.nanoseconds > 0
    finally:
        os.close(descriptor)


def test_a_file_that_can_only_be_read_is_read(folder: Path) -> None:
    path = folder / "file"
    path.write_bytes(b"some bytes")
    path.chmod(0o400)
    assert whole(path) == b"some bytes"


def test_a_folder_fails_as_the_system_says(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            UncachedFile(descriptor).read(0, 10)
    finally:
        os.close(descriptor)


def test_the_bytes_are_those_of_the_disk_and_not_of_memory(tmp_path: Path) -> None:
    with rotten_disk(tmp_path) as disk:
        path = disk.folder / "file"
        path.write_bytes(content := random.Random(2).randbytes(3_000_000))
        assert whole(path) == content
        disk.rot(path, 2_000_000)
        assert whole(path) != content
