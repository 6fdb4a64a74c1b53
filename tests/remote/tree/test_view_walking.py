"""Walking through the view over a real session: what is listed ahead is kept by the same rules, and bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError, UnreachableError
from gimmal.protocol.features import OFFERED, WATCH
from gimmal.protocol.messages import Answer, List, Request, Unwatch
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree.view import TreeView
from gimmal.remote.tree.walking import FIRST_FOLDERS
from gimmal.share import listing
from tests.remote.tree.test_view import SlowLine, eventually, make_tree, names, two_sides, viewed, walk
from tests.remote.two_sides import Sides

pytestmark = pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="the system tells of no changes")


class CountingFiles(RemoteFiles):
    """Counts how many listings are under way at most, and how often somebody waits for the first of some."""

    under_way = 0
    most = 0
    waits = 0
    listed: tuple[str, ...] = ()
    unwatched = 0

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        if isinstance(request, Unwatch):
            self.unwatched += len(request.watches)
        if not isinstance(request, List):
            return await super().ask(request, deadline)
        self.listed = (*self.listed, request.path)
        self.waits += self.under_way == 0
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await super().ask(request, deadline)
        finally:
            self.under_way -= 1


def test_a_cold_walk_has_many_folders_under_way_and_asks_nothing_twice(tmp_path: Path) -> None:
    two, line = two_sides(tmp_path), SlowLine(0.01)
    two.wires = line.wires
    count = make_tree(two.far, 100, 5)

    async def work(sides: Sides) -> None:
        files = CountingFiles(sides.session)
        view = TreeView(files)
        try:
            assert await walk(view, "far") == count
            assert view.watched == 101
            assert len(files.listed) == len(set(files.listed)) == 101
            assert files.most >= 16
            # One after another they would be 101.
            assert files.waits <= 10
            before = view.requests
            (two.far / "folder 7" / "new").write_bytes(b"x")

            async def seen() -> bool:
                return "new" in await names(view, "far/folder 7")

            await eventually(seen)
            assert await walk(view, "far") == count + 1
            assert view.requests == before
        finally:
            await view.close()

    try:
        two.run(work)
    finally:
        line.close()


def test_a_plain_listing_asks_for_nothing_else(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    make_tree(two.far, 20, 2)

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            for name in (await view.listing("far")).names:
                await view.find(f"far/{name.name}")
            assert view.requests == 1

    two.run(work)


def test_who_looks_into_one_folder_has_a_few_more_listed(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    make_tree(two.far, 40, 2)

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            await view.listing("far")
            await view.listing("far/folder 3")

            async def all_came() -> bool:
                return view.watched == 2 + FIRST_FOLDERS + 2

            await eventually(all_came)
            assert view.requests == 2 + FIRST_FOLDERS + 2

    two.run(work)


def test_a_folder_of_many_pages_is_not_read_to_its_end_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_BYTES_MAX", 1024)
    two = two_sides(tmp_path)
    make_tree(two.far, 3, 100)

    async def work(sides: Sides) -> None:
        files = CountingFiles(sides.session)
        view = TreeView(files)
        try:
            await view.listing("far")
            await view.listing("far/folder 0")

            async def given_back() -> bool:
                return files.unwatched == 2

            await eventually(given_back)
            read = [files.listed.count(f"far/folder {number}") for number in range(3)]
            assert read[0] > 4
            assert read[1:] == [1, 1]
            assert view.watched == 2
            assert len(await names(view, "far/folder 2")) == 100
            assert view.watched == 3
        finally:
            await view.close()

    two.run(work)


def test_without_watches_what_is_listed_ahead_is_believed_no_longer(tmp_path: Path) -> None:
    two = two_sides(tmp_path, far_features=OFFERED & ~WATCH)
    count = make_tree(two.far, 30, 5)

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            assert await walk(view, "far") == count
            (two.far / "folder 29" / "new").write_bytes(b"x")

            async def seen() -> bool:
                return "new" in await names(view, "far/folder 29")

            await eventually(seen)
            cold = view.requests
            assert cold >= 31

    two.run(work)


class BreakingFiles(RemoteFiles):
    """Nobody is told anything of some folders."""

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        if isinstance(request, List) and request.path.endswith("4"):
            raise UnreachableError("no answer", "try again")
        return await super().ask(request, deadline)


def test_what_is_asked_ahead_in_vain_is_nobodys_failure(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    make_tree(two.far, 10, 2)

    async def work(sides: Sides) -> None:
        view = TreeView(BreakingFiles(sides.session))
        try:
            await view.listing("far")
            for number in range(4):
                # Still asked, though what was asked ahead had no answer.
                assert not (await view.listing(f"far/folder {number}")).stale
            with pytest.raises(UnreachableError):
                await view.listing("far/folder 4")
            with pytest.raises(RemoteError, match="no such"):
                await view.listing("far/folder 11")
        finally:
            await view.close()

    two.run(work)
