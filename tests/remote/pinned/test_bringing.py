"""Pinned folders over a real session: what is fetched, what is told without a line, and what a second time costs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gimmal.agent.pinned import KeptContents
from gimmal.base.errors import RemoteError, UnreachableError
from gimmal.protocol.messages import Version
from gimmal.remote.file_cache import FileCache
from gimmal.remote.files import Files, version_of
from gimmal.remote.pinned import bringing
from gimmal.remote.pinned.bringing import bring_up_to_date
from gimmal.remote.pinned.store import PinnedStore
from gimmal.remote.tree.view import TreeView
from tests.remote.two_sides import Sides, TwoSides


@pytest.fixture
def store(tmp_path: Path) -> PinnedStore:
    (tmp_path / "half").mkdir()
    return PinnedStore(tmp_path / "half", bytes(range(32)), tmp_path)


def make(two: TwoSides) -> None:
    (two.far / "docs" / "deep" / "er").mkdir(parents=True)
    (two.far / "docs" / "deep" / "er" / "small").write_bytes(b"small")
    (two.far / "docs" / "empty").write_bytes(b"")
    (two.far / "docs" / "large").write_bytes(os.urandom(9_000_001))
    os.symlink("large", two.far / "docs" / "link")
    (two.far / "other").write_bytes(b"not pinned")


def test_all_below_a_pin_is_kept_and_a_second_time_costs_no_contents(tmp_path: Path, store: PinnedStore) -> None:
    two = TwoSides(tmp_path)
    make(two)
    store.pin(["far/docs", "far/docs/deep"])

    async def work(sides: Sides) -> None:
        outcome = await bring_up_to_date(sides.far, store, sides.workers)
        assert (outcome.files, outcome.size, outcome.fetched) == (3, 9_000_006, 9_000_006)
        assert (outcome.failed, outcome.no_room, outcome.missing) == ([], [], [])
        for path, attributes in store.tree().files:
            content = (two.base / path).read_bytes()
            if content:
                assert store.files.read(path, version_of(attributes), 0, len(content)) == content
        (two.far / "docs" / "empty").write_bytes(b"no more")
        (two.far / "docs" / "deep" / "er" / "small").unlink()
        before = sides.wire_bytes
        outcome = await bring_up_to_date(sides.far, store, sides.workers)
        assert (outcome.files, outcome.fetched) == (2, 7)
        assert sides.wire_bytes - before < 10_000
        assert len(list((tmp_path / "half" / "pinned" / "files").iterdir())) == 2

    two.run(work)


class NoLine:
    """Where there is no way to the other side."""

    async def __call__(self) -> Files:
        raise UnreachableError("no way", "none")


def test_without_a_line_it_is_listed_and_read_and_nothing_else_is(tmp_path: Path, store: PinnedStore) -> None:
    two = TwoSides(tmp_path)
    make(two)
    store.pin(["far/docs"])

    async def work(sides: Sides) -> None:
        await bring_up_to_date(sides.far, store, sides.workers)

        async def leads_there() -> bool:
            return False

        view = TreeView(sides.far, leads_there=leads_there)
        cache = FileCache(NoLine(), kept=KeptContents(store, sides.workers))
        try:
            for folder in store.tree().folders:
                view.remember(folder.path, folder.entries)
            told = {}
            for path in ("", "far", "far/docs", "far/docs/deep/er"):
                listing = await view.listing(path)
                assert listing.stale
                told[path] = {name.name for name in listing.names}
            assert told == {
                "": {"far"},
                "far": {"docs"},
                "far/docs": {"deep", "empty", "large", "link"},
                "far/docs/deep/er": {"small"},
            }
            found = await view.find("far/docs/large")
            assert found.stale
            file = cache.adopt("far/docs/large", found.attributes)
            with file.reader() as reader:
                assert await reader.read(0, file.size) == (two.far / "docs" / "large").read_bytes()
            assert view.requests == 0
        finally:
            await cache.close()
            await view.close()

    two.run(work)


def test_with_a_line_what_is_remembered_is_asked_for_first(tmp_path: Path, store: PinnedStore) -> None:
    two = TwoSides(tmp_path)
    make(two)
    store.pin(["far/docs"])

    async def work(sides: Sides) -> None:
        await bring_up_to_date(sides.far, store, sides.workers)
        (two.far / "docs" / "new").write_bytes(b"new")
        view = TreeView(sides.far)
        try:
            for folder in store.tree().folders:
                view.remember(folder.path, folder.entries)
            listing = await view.listing("far")
            assert not listing.stale
            assert {name.name for name in listing.names} == {"docs", "other"}
            assert "new" in {name.name for name in (await view.listing("far/docs")).names}
            with pytest.raises(RemoteError):
                await view.find("far/docs/absent")
        finally:
            await view.close()

    two.run(work)


def test_reading_what_is_kept_moves_nothing_over_the_line(tmp_path: Path, store: PinnedStore) -> None:
    two = TwoSides(tmp_path)
    make(two)
    store.pin(["far/docs"])

    async def work(sides: Sides) -> None:
        await bring_up_to_date(sides.far, store, sides.workers)

        async def files() -> Files:
            return sides.far

        cache = FileCache(files, kept=KeptContents(store, sides.workers))
        try:
            file = await cache.open("far/docs/large")
            before = sides.wire_bytes
            with file.reader() as reader:
                assert await reader.read(0, file.size) == (two.far / "docs" / "large").read_bytes()
            assert sides.wire_bytes == before
            (two.far / "docs" / "large").write_bytes(b"another version")
            file = await cache.open("far/docs/large", anew=True)
            with file.reader() as reader:
                assert await reader.read(0, 100) == b"another version"
        finally:
            await cache.close()

    two.run(work)


def test_the_half_is_asked_for_nothing_that_is_not_pinned(
    tmp_path: Path, store: PinnedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = TwoSides(tmp_path)
    make(two)
    asked: list[str] = []
    monkeypatch.setattr(store.files, "read", lambda path, *_: asked.append(path))

    async def work(sides: Sides) -> None:
        kept = KeptContents(store, sides.workers)
        assert await kept.read("far/docs/large", Version(1, 9, 1), 0, 5) is None
        store.pin(["far/docs"])
        assert await kept.read("far/docs/large", Version(1, 9, 1), 0, 5) is None
        assert not asked
        kept.look_again()
        for path in ("far/docs/large", "far/docsmore", "far/other"):
            await kept.read(path, Version(1, 9, 1), 0, 5)
        assert asked == ["far/docs/large"]

    two.run(work)


def test_what_has_no_room_is_left_out_and_named(
    tmp_path: Path, store: PinnedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "BYTES_MAX", 1_000_000)
    two = TwoSides(tmp_path)
    make(two)
    store.pin(["far/docs", "far/gone"])

    async def work(sides: Sides) -> None:
        outcome = await bring_up_to_date(sides.far, store, sides.workers)
        assert outcome.files == 2
        assert outcome.no_room == ["far/docs/large"]
        assert outcome.missing == ["far/gone"]

    two.run(work)


def test_too_many_entries_are_refused_and_what_was_kept_stays(
    tmp_path: Path, store: PinnedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = TwoSides(tmp_path)
    make(two)
    assert store.pin(["far/docs/deep"]) == ["far/docs/deep"]

    async def work(sides: Sides) -> None:
        await bring_up_to_date(sides.far, store, sides.workers)
        assert store.pin(["far/docs", "far/docs/deep"]) == ["far/docs"]
        monkeypatch.setattr(bringing, "ENTRIES_MAX", 5)
        with pytest.raises(RemoteError, match="more than 5 entries"):
            await bring_up_to_date(sides.far, store, sides.workers)
        assert [one.kept for one in store.state()] == [1, 1]

    two.run(work)


def test_a_file_that_changes_meanwhile_is_left_for_the_next_time(
    tmp_path: Path, store: PinnedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = TwoSides(tmp_path)
    make(two)
    store.pin(["far/docs/large"])
    begin = store.files.begin

    def changed(path: str, version: Version) -> object:
        (two.far / "docs" / "large").write_bytes(b"another")
        return begin(path, version)

    async def work(sides: Sides) -> None:
        monkeypatch.setattr(store.files, "begin", changed)
        outcome = await bring_up_to_date(sides.far, store, sides.workers)
        ((path, error),) = outcome.failed
        assert path == "far/docs/large"
        assert isinstance(error, RemoteError)
        monkeypatch.undo()
        assert (await bring_up_to_date(sides.far, store, sides.workers)).fetched == 7

    two.run(work)
