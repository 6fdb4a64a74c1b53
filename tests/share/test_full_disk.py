"""A disk that is full, or fills up on the way."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import (
    CommitEdit,
    Copy,
    Done,
    EditOpened,
    Failed,
    Found,
    MakeDirectories,
    OpenEdit,
    OpenPart,
    PartOpened,
    Replace,
    Version,
    WriteEdit,
)
from tests.exfat import exfat
from tests.patience import PATIENCE
from tests.share.rig import SOURCE, Rig, upload, write_block


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Rig]:
    """Shares on a disk of 16 MiB."""
    if os.geteuid():
        pytest.skip("needs root to mount a small disk")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m,nr_inodes=200", "tmpfs", str(mounted)]
    if subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("this system mounts nothing")
    rig = Rig(mounted / "side")
    yield rig
    rig.close()
    subprocess.run(["umount", str(mounted)], check=True, timeout=PATIENCE)


def test_what_cannot_fit_is_said_at_once(small: Rig) -> None:
    assert small.code(OpenPart("rw/file", 17 << 20, SOURCE)) == Code.NO_SPACE
    assert os.listdir(small.rw) == []


def test_a_disk_that_fills_up_on_the_way(small: Rig) -> None:
    content = os.urandom(3 * BLOCK_SIZE)
    blocks = [content[start : start + BLOCK_SIZE] for start in range(0, len(content), BLOCK_SIZE)]
    (small.rw / "old").write_bytes(b"old")
    opened = small.session.answer(OpenPart("rw/old", len(content), SOURCE, Replace.ALWAYS))
    assert isinstance(opened, PartOpened)
    write_block(small.session, opened.part, 0, blocks[0])
    (small.base / "hog").write_bytes(bytes(9 << 20))
    assert write_block(small.session, opened.part, 1, blocks[1]) == Failed(Code.NO_SPACE)
    assert (small.rw / "old").read_bytes() == b"old"
    (small.base / "hog").unlink()
    small.again()
    again = small.session.answer(OpenPart("rw/old", len(content), SOURCE, Replace.ALWAYS))
    assert isinstance(again, PartOpened)
    assert again.blocks == [blake3_digest(blocks[0])]  # what was there stays for another try
    answer, sent = upload(small.session, "rw/old", content, Replace.ALWAYS)
    assert isinstance(answer, Found)
    assert sent == 2
    assert (small.rw / "old").read_bytes() == content


def test_a_bundle_and_a_copy_on_a_full_disk(small: Rig) -> None:
    (small.rw / "source").write_bytes(bytes(6 << 20))
    (small.rw / "old").write_bytes(b"old")
    (small.base / "hog").write_bytes(bytes(9 << 20))
    codes = small.bundle(
        "rw", {f"{number}": bytes(400_000) for number in range(4)} | {"old": bytes(900_000)}, Replace.ALWAYS
    )
    assert isinstance(codes, list)
    assert Code.NO_SPACE in codes
    for number in range(4):
        path = small.rw / f"{number}"
        assert path.exists() == (codes[number] == 0)
        assert not path.exists() or path.stat().st_size == 400_000
    assert (small.rw / "old").read_bytes() in (b"old", bytes(900_000))
    assert small.code(Copy("rw/source", "rw/copy")) == Code.NO_SPACE
    assert small.code(Copy("rw/source", "rw/old", Replace.ALWAYS)) == Code.NO_SPACE
    assert not [name for name in os.listdir(small.rw) if name.startswith(".gimmal")]


def test_an_edit_on_a_full_disk(small: Rig) -> None:
    (small.rw / "file").write_bytes(bytes(6 << 20))
    state = (small.rw / "file").stat()
    base = Version(state.st_ino, state.st_size, state.st_mtime_ns)
    whole = OpenEdit("rw/file", base, base.size, base.size, Replace.EXPECTED)
    opened = small.session.answer(whole)
    assert isinstance(opened, EditOpened)
    (small.base / "hog").write_bytes(bytes(3 << 20))
    assert small.code(whole) == Code.NO_SPACE
    more = os.urandom(1 << 19)
    write = [WriteEdit(opened.edit, (((6 << 20) + at, len(more)),), more, blake3_digest(more)) for at in (0, 1 << 20)]
    assert small.session.answer(write[0]) == Done()
    with contextlib.suppress(OSError):
        (small.base / "hog").write_bytes(bytes(9 << 20))
    assert small.code(write[1]) == Code.NO_SPACE
    (small.base / "hog").unlink()
    assert small.session.answer(write[1]) == Done(), "written again, it is whole"
    assert isinstance(small.session.answer(CommitEdit(opened.edit)), Found)
    assert (small.rw / "file").read_bytes() == bytes(6 << 20) + more + bytes(1 << 19) + more
    assert os.listdir(small.rw) == ["file"]


def test_no_room_for_another_name(small: Rig) -> None:
    answer = small.session.answer(MakeDirectories([f"rw/{number}" for number in range(250)]))
    assert set(answer.codes) == {0, Code.NO_SPACE}
    assert small.code(OpenPart("rw/file", 1, SOURCE)) == Code.NO_SPACE


def test_a_file_larger_than_the_system_allows(rig: Rig) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    opened = rig.session.answer(OpenPart("rw/file", 2 * BLOCK_SIZE, SOURCE))
    assert isinstance(opened, PartOpened)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (BLOCK_SIZE + 1000, before[1]))
        assert not isinstance(write_block(rig.session, opened.part, 0, bytes(BLOCK_SIZE)), Failed)
        assert write_block(rig.session, opened.part, 1, bytes(BLOCK_SIZE)) == Failed(Code.TOO_LARGE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert isinstance(rig.upload("rw/file", bytes(2 * BLOCK_SIZE)), Found)


def test_a_sparse_file_on_a_disk_without_holes_needs_room_for_all_of_it(tmp_path: Path) -> None:
    with exfat(tmp_path) as disk:
        rig = Rig(disk / "side")
        before = os.statvfs(disk).f_bfree
        sparse = OpenPart("rw/file", 1 << 44, SOURCE, data=((0, 1),))
        assert rig.code(sparse) == Code.NO_SPACE
        assert os.statvfs(disk).f_bfree == before, "not a zero was written"
        assert os.listdir(rig.rw) == []
        assert isinstance(rig.session.answer(OpenPart("rw/file", 9 << 20, SOURCE, data=((1, 1),))), PartOpened)
        rig.close()


def test_a_sparse_file_may_be_larger_than_a_disk_with_holes(small: Rig) -> None:
    opened = small.session.answer(OpenPart("rw/file", 1 << 40, SOURCE, data=((0, 1),)))
    assert isinstance(opened, PartOpened)
    assert os.listdir(small.rw) != []
