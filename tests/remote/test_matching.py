"""Patterns in far paths mean what a shell would fill in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Entry
from gimmal.remote import matching as module
from gimmal.remote.files_around import FilesAround
from gimmal.remote.matching import all_matching, matching
from tests.remote.two_sides import Sides, TwoSides

NAMES = ("one.jpg", "two.jpg", "two.png", ".hidden.jpg", "sub/three.jpg", "sub/four/five.jpg", "other/three.jpg", "[x]")


@pytest.fixture
def sides(tmp_path: Path) -> TwoSides:
    sides = TwoSides(tmp_path)
    for name in NAMES:
        path = sides.far / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return sides


def found(sides: TwoSides, *paths: str) -> list[str]:
    async def work(run: Sides) -> list[str]:
        return await all_matching(run.far, list(paths))

    return sides.run(work)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("far/*.jpg", ["far/one.jpg", "far/two.jpg"]),
        ("far/two.*", ["far/two.jpg", "far/two.png"]),
        ("far/.*", ["far/.hidden.jpg"]),
        ("far/t?o.[jp]*g", ["far/two.jpg", "far/two.png"]),
        ("far/*/three.jpg", ["far/other/three.jpg", "far/sub/three.jpg"]),
        ("far/*/*", ["far/other/three.jpg", "far/sub/four", "far/sub/three.jpg"]),
        ("f*/one.jpg", ["far/one.jpg"]),
        ("*", ["far"]),
        ("far/[x]", ["far/[x]"]),
        ("far/*.gif", ["far/*.gif"]),
        ("far/one.jpg/*", ["far/one.jpg/*"]),
        ("far/missing", ["far/missing"]),
        ("nothing/*", ["nothing/*"]),
        ("far/*/four/missing", ["far/*/four/missing"]),
        ("", [""]),
    ],
)
def test_what_a_pattern_means(sides: TwoSides, pattern: str, names: list[str]) -> None:
    assert found(sides, pattern) == names


def test_several_in_the_order_typed(sides: TwoSides) -> None:
    assert found(sides, "far/two.*", "far/one.jpg") == ["far/two.jpg", "far/two.png", "far/one.jpg"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../b"])
def test_a_hostile_listing_names_nothing_but_entries_of_the_folder(sides: TwoSides, name: str) -> None:
    class Hostile(FilesAround):
        async def entries(self, path: str) -> AsyncIterator[list[Entry]]:
            async for entries in self.inner.entries(path):
                yield [Entry(name, entries[0].attributes), *entries]

    async def work(run: Sides) -> None:
        assert await matching(Hostile(run.far), "far/*.png") == ["far/two.png"]
        assert "far/one.jpg" in await matching(Hostile(run.far), "far/*")
        assert f"far/{name}" not in await matching(Hostile(run.far), "far/*")
        assert f"far/{name}" not in await matching(Hostile(run.far), "far/.*")

    sides.run(work)


def test_no_more_than_the_limit(sides: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENTRIES_MAX", 1)

    async def work(run: Sides) -> None:
        with pytest.raises(RemoteError, match="more than"):
            await matching(run.far, "far/*.jpg")

    sides.run(work)
