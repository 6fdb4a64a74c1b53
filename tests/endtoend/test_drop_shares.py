"""A drop share among others: what asks for all shares passes it over, what asks for it by name is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.endtoend.world import World, new_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as made:
        made.start_relay()
        made.pair()
        library = made.a.folder("library")
        (library / "book").write_bytes(b"pages")
        made.up(made.a, f"{library}:ro", f"{made.a.folder('letterbox')}:drop")
        yield made


def test_all_shares_are_listed_without_a_failure(world: World) -> None:
    assert world.run(world.b, "tree").lines == ["letterbox/", "library/", "library/book"]
    assert [line.split()[-1] for line in world.run(world.b, "df").lines] == ["path", ":library"]
    assert [entry["path"] for entry in world.json(world.b, "df")] == [":library"]


def test_by_its_name_it_is_refused(world: World) -> None:
    for verb in ("tree", "df", "ls"):
        assert world.run(world.b, verb, ":letterbox", code=4).error == ":letterbox: the share does not grant this"


def test_a_share_that_grants_nothing_of_it_is_named_once(world: World) -> None:
    tree = world.b.folder("tree")
    (tree / "inner").mkdir()
    (tree / "inner" / "file").write_bytes(b"x")
    (tree / "second").mkdir()
    result = world.run(world.b, "cp", "-r", f"{tree}/.", ":library", code=4)
    assert result.err.count(":library/inner: ") == 1
    assert world.run(world.b, "sync", tree, ":library", code=4).error.startswith(":library/")
