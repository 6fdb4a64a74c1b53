"""DigestBlocks and DigestFiles: digests of what lies on the disk, within bounds, below the share only."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.limits import BLOCK_SIZE, DIGEST_BLOCKS_MAX
from gimmal.protocol.messages import BlockDigests, DigestBlocks, DigestFiles, FileDigests, Version
from tests.rotten_disk import rotten_disk
from tests.share.rig import Rig


def blocks_of(rig: Rig, path: str, first: int = 0, count: int = DIGEST_BLOCKS_MAX) -> list[bytes]:
    answer = rig.session.answer(DigestBlocks(path, first, count))
    assert isinstance(answer, BlockDigests), answer
    return answer.digests


def digests_of(content: bytes) -> list[bytes]:
    return [blake3_digest(content[at : at + BLOCK_SIZE]) for at in range(0, len(content), BLOCK_SIZE)]


def files_of(rig: Rig, folder: str, names: list[str]) -> list[bytes | int]:
    """The digest of each file, or its code."""
    answer = rig.session.answer(DigestFiles(folder, names))
    assert isinstance(answer, FileDigests), answer
    for file in answer.files:
        assert bool(file.code) != bool(file.digest)
        assert bool(file.code) == (file.attributes is None)
    return [file.code or file.digest for file in answer.files]


class TestBlocks:
    @pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE + 12_345])
    def test_every_block_has_its_digest(self, rig: Rig, size: int) -> None:
        content = random.Random(size).randbytes(size)
        (rig.ro / "file").write_bytes(content)
        assert blocks_of(rig, "ro/file") == digests_of(content)

    def test_some_blocks_are_asked_for(self, rig: Rig) -> None:
        content = random.Random(1).randbytes(2 * BLOCK_SIZE + 1)
        (rig.rw / "file").write_bytes(content)
        whole = digests_of(content)
        assert blocks_of(rig, "rw/file", 1, 1) == whole[1:2]
        assert blocks_of(rig, "rw/file", 2) == whole[2:]
        assert blocks_of(rig, "rw/file", 3) == []
        assert blocks_of(rig, "rw/file", (1 << 32) - 1) == []

    def test_holes_are_zeros_and_are_not_read(self, rig: Rig) -> None:
        with (rig.rw / "sparse").open("wb") as file:
            file.truncate(8 << 40)
            file.seek(BLOCK_SIZE + 10)
            file.write(b"data")
        answer = rig.session.answer(DigestBlocks("rw/sparse"))
        assert isinstance(answer, BlockDigests)
        zeros = blake3_digest(bytes(BLOCK_SIZE))
        data = bytearray(BLOCK_SIZE)
        data[10:14] = b"data"
        assert answer.digests == [zeros, blake3_digest(data), *[zeros] * (DIGEST_BLOCKS_MAX - 2)]

    def test_another_version_is_refused(self, rig: Rig) -> None:
        (rig.rw / "file").write_bytes(b"content")
        state = (rig.rw / "file").stat()
        right = Version(state.st_ino, state.st_size, state.st_mtime_ns)
        assert isinstance(rig.session.answer(DigestBlocks("rw/file", version=right)), BlockDigests)
        for wrong in (Version(1, 7, right.mtime_ns), Version(right.identity, 7, 1)):
            assert rig.code(DigestBlocks("rw/file", version=wrong)) == Code.CHANGED

    def test_what_is_no_file_of_the_share_is_refused(self, rig: Rig) -> None:
        (rig.rw / "folder").mkdir()
        (rig.rw / "link").symlink_to("/etc/passwd")
        os.mkfifo(rig.rw / "pipe")
        (rig.drop / "file").write_bytes(b"content")
        for path, code in (
            ("rw", Code.IS_A_DIRECTORY),
            ("rw/folder", Code.IS_A_DIRECTORY),
            ("rw/link", Code.LINK_REFUSED),
            ("rw/pipe", Code.SPECIAL_FILE),
            ("rw/nothing", Code.NOT_FOUND),
            ("rw/../ro/file", Code.BAD_NAME),
            ("drop/file", Code.NOT_GRANTED),
            ("", Code.NOT_GRANTED),
        ):
            assert rig.code(DigestBlocks(path)) == code, path


class TestFiles:
    def test_each_file_has_its_digest_or_a_code(self, rig: Rig) -> None:
        content = random.Random(2).randbytes(BLOCK_SIZE)
        (rig.rw / "below").mkdir()
        (rig.rw / "block").write_bytes(content)
        (rig.rw / "large").write_bytes(content + b"1")
        (rig.rw / "below" / "empty").write_bytes(b"")
        (rig.rw / "link").symlink_to("block")
        assert files_of(rig, "rw", ["block", "large", "below/empty", "link", "below", "none", "../ro/x", "block"]) == [
            small_file_digest(content),
            Code.TOO_LARGE,
            small_file_digest(b""),
            Code.LINK_REFUSED,
            Code.IS_A_DIRECTORY,
            Code.NOT_FOUND,
            Code.BAD_NAME,
            small_file_digest(content),
        ]

    def test_no_more_bytes_are_read_for_one_request_than_allowed(self, rig: Rig) -> None:
        for name in ("block", "small"):
            (rig.rw / name).write_bytes(bytes(BLOCK_SIZE if name == "block" else 1))
        codes = files_of(rig, "rw", ["block"] * 15 + ["small"] + ["block"] * 3 + ["small"])
        assert [code if isinstance(code, int) else 0 for code in codes] == [0] * 16 + [Code.TOO_LARGE] * 3 + [0]

    def test_an_own_name_and_a_share_without_look_are_refused(self, rig: Rig) -> None:
        (rig.rw / ".gimmal-part-x").write_bytes(b"")
        assert files_of(rig, "rw", [".gimmal-part-x"]) == [Code.NOT_FOUND]
        assert rig.code(DigestFiles("drop", ["x"])) == Code.NOT_GRANTED


def test_a_byte_that_rots_on_the_disk_is_seen(tmp_path: Path) -> None:
    """The page cache still holds what was written: it must not be what is read."""
    with rotten_disk(tmp_path) as disk:
        (disk.folder / "rw").mkdir()
        rig = Rig(disk.folder)
        try:
            large = random.Random(3).randbytes(2 * BLOCK_SIZE)
            small = random.Random(4).randbytes(5_000)
            for name, content in (("large", large), ("small", small)):
                assert rig.upload(f"rw/{name}", content)
            assert blocks_of(rig, "rw/large") == digests_of(large)
            assert files_of(rig, "rw", ["small"]) == [small_file_digest(small)]
            disk.rot(rig.rw / "large", BLOCK_SIZE + 9)
            disk.rot(rig.rw / "small")
            found = blocks_of(rig, "rw/large")
            assert found[0] == digests_of(large)[0]
            assert found[1] != digests_of(large)[1]
            assert files_of(rig, "rw", ["small"]) != [small_file_digest(small)]
        finally:
            rig.close()
