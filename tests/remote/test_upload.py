"""Whole files sent from memory: one question for a small one, a part file for a large one."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.limits import BLOCK_SIZE, BUNDLE_CONTENT_MAX
from gimmal.protocol.messages import Replace
from gimmal.remote.files import version_of
from gimmal.remote.upload import Upload
from gimmal.share.shares import Rights
from tests.endtoend.world import content, part_files
from tests.remote.two_sides import Sides, TwoSides


def loader(data: bytes) -> Callable[[int], Awaitable[bytes]]:
    async def load(index: int) -> bytes:
        return data[index * BLOCK_SIZE : (index + 1) * BLOCK_SIZE]

    return load


@pytest.mark.parametrize(
    "size", [0, 1, BUNDLE_CONTENT_MAX, BUNDLE_CONTENT_MAX + 1, BLOCK_SIZE, 3 * BLOCK_SIZE + 5, 8 * BLOCK_SIZE]
)
def test_a_file_is_there_when_it_is_placed_and_not_before(tmp_path: Path, size: int) -> None:
    two = TwoSides(tmp_path)
    data = content(size)
    sent: list[int] = []

    async def work(sides: Sides) -> None:
        upload = Upload(
            sides.far, "far/new", size, loader(data), replace=Replace.NEVER, mtime_ns=7 * 10**9, sent=sent.append
        )
        await upload.send()
        assert not (two.far / "new").exists()
        await upload.place()
        assert (two.far / "new").read_bytes() == data
        assert os.stat(two.far / "new").st_mtime_ns == 7 * 10**9

    two.run(work)
    assert sum(sent) == size
    assert part_files(two.far) == []


@pytest.mark.parametrize("size", [10, BLOCK_SIZE + 1])
def test_what_stands_there_is_replaced_only_where_that_is_wanted(tmp_path: Path, size: int) -> None:
    two = TwoSides(tmp_path)
    (two.far / "file").write_bytes(b"old")
    data = content(size)

    async def placed(sides: Sides, replace: Replace) -> None:
        upload = Upload(sides.far, "far/file", size, loader(data), replace=replace)
        await upload.send()
        await upload.place()

    async def work(sides: Sides) -> None:
        with pytest.raises(RemoteError) as refused:
            await placed(sides, Replace.NEVER)
        assert refused.value.code == "exists"
        assert (two.far / "file").read_bytes() == b"old"
        await placed(sides, Replace.ALWAYS)

    two.run(work)
    assert (two.far / "file").read_bytes() == data
    assert part_files(two.far) == []


def test_only_the_version_that_was_expected_is_replaced(tmp_path: Path) -> None:
    two = TwoSides(tmp_path)
    (two.far / "file").write_bytes(b"old")

    async def work(sides: Sides) -> None:
        expected = version_of(await sides.far.stat("far/file"))
        upload = Upload(
            sides.far, "far/file", 5, loader(b"newer"), replace=Replace.EXPECTED, expected=expected, mtime_ns=1
        )
        await upload.send()
        (two.far / "file").write_bytes(b"other than expected")
        with pytest.raises(RemoteError) as refused:
            await upload.place()
        assert refused.value.code == "changed"

    two.run(work)
    assert (two.far / "file").read_bytes() == b"other than expected"
    assert part_files(two.far) == []


def test_what_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    two = TwoSides(tmp_path)
    data = content(2 * BLOCK_SIZE)

    async def work(sides: Sides) -> None:
        upload = Upload(sides.far, "far/file", len(data), loader(data), replace=Replace.ALWAYS)
        await upload.send()
        assert len(part_files(two.far)) == 1
        await upload.discard()
        with pytest.raises(RemoteError, match="the part file is gone"):
            await upload.place()

    two.run(work)
    assert list(two.far.iterdir()) == []


@pytest.mark.parametrize("size", [100, 3 * BLOCK_SIZE])
def test_bytes_that_run_short_make_no_file(tmp_path: Path, size: int) -> None:
    two = TwoSides(tmp_path)

    async def work(sides: Sides) -> None:
        upload = Upload(sides.far, "far/file", size, loader(bytes(size - 1)), replace=Replace.ALWAYS)
        with pytest.raises(RemoteError) as refused:
            await upload.send()
            await upload.place()
        assert refused.value.code == "changed"

    two.run(work)
    assert list(two.far.iterdir()) == []


def test_a_small_file_may_be_dropped_where_nothing_else_is_granted(tmp_path: Path) -> None:
    two = TwoSides(tmp_path, far_rights=Rights.DROP)

    async def work(sides: Sides) -> None:
        upload = Upload(sides.far, "far/file", 3, loader(b"abc"), replace=Replace.NEVER)
        await upload.send()
        await upload.place()

    two.run(work)
    assert (two.far / "file").read_bytes() == b"abc"
