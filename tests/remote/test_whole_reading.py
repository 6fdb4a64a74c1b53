"""Whole files and stretches read into memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.limits import BLOCK_SIZE, BUNDLE_CONTENT_MAX
from gimmal.remote.whole_reading import read_bytes, read_version
from tests.endtoend.world import content
from tests.remote.two_sides import Sides, TwoSides

SIZES = [0, 1, BUNDLE_CONTENT_MAX, BUNDLE_CONTENT_MAX + 1, BLOCK_SIZE + 1, 7 * BLOCK_SIZE + 99]


@pytest.mark.parametrize("size", SIZES)
def test_any_stretch_is_what_stands_there(tmp_path: Path, size: int) -> None:
    two = TwoSides(tmp_path)
    data = content(size)
    (two.far / "file").write_bytes(data)

    async def work(sides: Sides) -> None:
        for start in (0, 1, size // 2, size, size + 5):
            for end in (None, 0, 2, size // 2 + 1, size, size + 7):
                assert await read_bytes(sides.far, "far/file", start, end) == data[start:end]

    two.run(work)


@pytest.mark.parametrize("size", [10, 3 * BLOCK_SIZE])
def test_a_small_file_costs_one_question(tmp_path: Path, size: int) -> None:
    two = TwoSides(tmp_path)
    (two.far / "file").write_bytes(bytes(size))
    asked: list[str] = []

    async def work(sides: Sides) -> None:
        exchange = sides.session.exchange

        async def counted(request: object, *arguments: object, **named: object) -> object:
            asked.append(type(request).__name__)
            return await exchange(request, *arguments, **named)  # type: ignore[arg-type]

        sides.session.exchange = counted  # type: ignore[method-assign,assignment]
        assert len(await read_bytes(sides.far, "far/file")) == size

    two.run(work)
    assert asked == ["ReadBundle"] if size == 10 else asked[:2] == ["ReadBundle", "Stat"] and set(asked[2:]) == {"Read"}


def test_bytes_of_two_versions_never_meet(tmp_path: Path) -> None:
    two = TwoSides(tmp_path)
    (two.far / "file").write_bytes(bytes(2 * BLOCK_SIZE))

    async def work(sides: Sides) -> None:
        attributes = await sides.far.stat("far/file")
        (two.far / "new").write_bytes(bytes(3 * BLOCK_SIZE))
        os.replace(two.far / "new", two.far / "file")
        with pytest.raises(RemoteError) as refused:
            await read_version(sides.far, "far/file", attributes, 0, attributes.size)
        assert refused.value.code == "changed"

    two.run(work)


@pytest.mark.parametrize(
    ("name", "code"), [("missing", "not_found"), ("folder", "is_a_directory"), ("link", "link_refused")]
)
@pytest.mark.parametrize("end", [None, 10, 2 * BLOCK_SIZE])
def test_what_is_no_file_is_said(tmp_path: Path, name: str, code: str, end: int | None) -> None:
    two = TwoSides(tmp_path)
    (two.far / "folder").mkdir()
    (two.far / "link").symlink_to("folder")

    async def work(sides: Sides) -> None:
        with pytest.raises(RemoteError) as refused:
            await read_bytes(sides.far, f"far/{name}", 0, end)
        assert refused.value.code == code

    two.run(work)
