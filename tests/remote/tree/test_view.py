"""The view over a real session and real folders: what it costs, how late it is, and what it does without a line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from gimmal.agent.forwarding import Forwarding
from gimmal.agent.local_commands import local_session
from gimmal.base.errors import DeadlinePassed, GimmalError, RemoteError
from gimmal.base.tasks import Tasks
from gimmal.protocol.codes import Code
from gimmal.protocol.features import OFFERED, WATCH
from gimmal.protocol.messages import (
    Answer,
    Change,
    ChangeKind,
    CloseReason,
    Entry,
    Failed,
    FolderTimes,
    Kind,
    Page,
    Request,
    Watch,
)
from gimmal.remote.remote_files import RemoteFiles
from gimmal.remote.tree import cache, notices
from gimmal.remote.tree.cache import TreeCache
from gimmal.remote.tree.view import Touched, TreeView
from gimmal.share.notice_serving import NoticeServing
from gimmal.share.shares import Rights
from tests.patience import PATIENCE, within
from tests.remote.two_sides import Sides, TwoSides

pytestmark = pytest.mark.skipif(not Path("/proc/sys/fs/inotify").exists(), reason="the system tells of no changes")


def two_sides(tmp_path: Path, **named: object) -> TwoSides:
    return TwoSides(tmp_path, **named)  # type: ignore[arg-type]


@asynccontextmanager
async def viewed(sides: Sides, cache: TreeCache | None = None) -> AsyncIterator[TreeView]:
    view = TreeView(sides.far, cache)
    try:
        yield view
    finally:
        await view.close()


class SlowLine:
    """A line on which everything takes its time, as long each way.

    Args:
        seconds: each way.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends: list[socket.socket] = []

    def wires(self) -> tuple[socket.socket, socket.socket]:
        """The two ends, on the running loop."""
        loop = asyncio.get_running_loop()
        (ours, here), (theirs, there) = socket.socketpair(), socket.socketpair()
        self._ends = [here, there]
        for end, other in ((here, there), (there, here)):
            end.setblocking(False)
            loop.add_reader(end, self._pass_on, loop, end, other)
        return ours, theirs

    def _pass_on(self, loop: asyncio.AbstractEventLoop, end: socket.socket, other: socket.socket) -> None:
        data = end.recv(1 << 20)
        if data:
            loop.call_later(self._seconds, self._send, other, data)
        else:
            loop.remove_reader(end)
            loop.call_later(self._seconds, self._end, other)

    def _send(self, end: socket.socket, data: bytes) -> None:
        with contextlib.suppress(OSError):
            end.sendall(data)  # far less than the system takes at once

    def _end(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        for end in self._ends:
            end.close()


async def eventually(what: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await what():
            await asyncio.sleep(0.01)


async def names(view: TreeView, path: str) -> set[str]:
    return {name.name for name in (await view.listing(path)).names}


async def walk(view: TreeView, path: str) -> int:
    """As find does: list each folder, look at each entry."""
    count = 0
    for name in (await view.listing(path)).names:
        count += 1
        inner = f"{path}/{name.name}"
        found = await view.find(inner)
        if found.attributes.kind is Kind.DIRECTORY:
            count += await walk(view, inner)
    return count


def make_tree(base: Path, folders: int, files: int) -> int:
    for number in range(folders):
        folder = base / f"folder {number}"
        folder.mkdir()
        for file in range(files):
            (folder / f"file {file}").write_bytes(b"x")
    return folders * (files + 1)


def test_a_cold_walk_asks_once_for_each_folder_and_a_warm_one_nothing(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    count = make_tree(two.far, 40, 25)

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            assert await walk(view, "far") == count
            cold = view.requests
            # 41 folders, and the share's own attributes are not asked for.
            assert cold <= 42, cold
            assert view.watched == 41
            await asyncio.sleep(1.2)  # longer than anything is believed that is not watched
            assert await walk(view, "far") == count
            assert view.requests == cold

    two.run(work)


def test_what_the_other_side_changes_is_seen_without_a_question(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "sub").mkdir()
    (two.far / "sub" / "old").write_bytes(b"old")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            await walk(view, "far")
            before = view.requests
            (two.far / "sub" / "new").write_bytes(b"longer than before")
            (two.far / "sub" / "old").write_bytes(b"other")

            async def seen() -> bool:
                return "new" in await names(view, "far/sub") and (await view.find("far/sub/old")).attributes.size == 5

            await eventually(seen)
            await eventually(lambda: size_is(view, "far/sub/new", 18))
            assert (await view.find("far/sub")).attributes.mtime_ns == (two.far / "sub").stat().st_mtime_ns
            (two.far / "sub" / "old").unlink()
            os.rename(two.far / "sub" / "new", two.far / "sub" / "moved")
            await eventually(lambda: names_are(view, "far/sub", {"moved"}))
            assert view.requests == before

    two.run(work)


def test_a_change_is_seen_after_a_round_trip_and_two_tenths_of_a_second(tmp_path: Path) -> None:
    each_way = 0.025
    two, line = two_sides(tmp_path), SlowLine(each_way)
    two.wires = line.wires
    (two.far / "sub").mkdir()
    late: list[float] = []

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            loop = asyncio.get_running_loop()
            await walk(view, "far")
            before = view.requests
            for number in range(20):
                told = asyncio.Event()
                view.on_change = lambda _changes, told=told: told.set()  # type: ignore[misc]
                (two.far / "sub" / f"{number}").write_bytes(b"x")
                changed = loop.time()
                async with asyncio.timeout(PATIENCE):
                    while f"{number}" not in await names(view, "far/sub"):
                        await told.wait()
                        told.clear()
                late.append(loop.time() - changed)
            assert view.requests == before

    try:
        two.run(work)
    finally:
        line.close()
    late.sort()
    assert late[0] >= each_way
    assert within(late[-1], 2 * each_way + 0.2, "a change on the other side is seen, 50 ms, worst of 20")


async def size_is(view: TreeView, path: str, size: int) -> bool:
    return (await view.find(path)).attributes.size == size


async def names_are(view: TreeView, path: str, expected: set[str]) -> bool:
    return await names(view, path) == expected


def test_a_folder_that_is_moved_away_is_not_told_under_its_old_path(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "a" / "b" / "c").mkdir(parents=True)
    (two.far / "a" / "b" / "c" / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            # Only the deepest is listed: those above are watched by the other side itself.
            assert await names(view, "far/a/b/c") == {"file"}
            os.rename(two.far / "a", two.far / "z")

            async def gone() -> bool:
                try:
                    await view.listing("far/a/b/c")
                except RemoteError as error:
                    return error.code == "not_found"
                return False

            await eventually(gone)
            assert await names(view, "far/z/b/c") == {"file"}

    two.run(work)


def test_own_changes_are_seen_at_once_and_cost_no_further_question(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "sub").mkdir()
    for name in ("file", "second"):
        (two.far / "sub" / name).write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            await walk(view, "far")
            number = (await view.find("far/sub/file")).number
            before = view.requests
            await view.rename("far/sub/file", "far/sub/other")
            assert await names(view, "far/sub") == {"other", "second"}
            assert (await view.find("far/sub/other")).number == number
            await view.remove("far/sub/second")
            assert await names(view, "far/sub") == {"other"}
            with pytest.raises(RemoteError, match="no such file"):
                await view.find("far/sub/second")
            assert view.requests == before
            await view.make_directory("far/sub/made")
            assert (await view.find("far/sub/made")).attributes.kind is Kind.DIRECTORY
            await view.set_attributes(FolderTimes("far/sub/made", 1_000_000_000, 0o700))
            assert (await view.find("far/sub/made")).attributes.mode == 0o700

    two.run(work)


def test_what_needs_no_question_is_at_hand(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "sub").mkdir()
    (two.far / "sub" / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            assert view.at_hand("far/sub/file") is None
            await walk(view, "far")
            await asyncio.sleep(1.2)  # longer than anything is believed that is not watched
            before = view.requests
            assert view.at_hand("far/sub/file") == await view.find("far/sub/file")
            assert view.at_hand("far/sub/absent") is None
            assert view.requests == before
            for link in list(sides.session.links):
                link.leave(drain=False)
            await asyncio.sleep(0)
            # What is known still is told by ``find``, as stale.
            assert view.at_hand("far/sub/file") is None

    two.run(work)


def test_many_who_look_ask_once(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            listings = await asyncio.gather(*(view.listing("far") for _ in range(50)))
            assert all(len(listing.names) == 1 for listing in listings)
            assert view.requests == 1

    two.run(work)


@pytest.mark.parametrize("features", [OFFERED & ~WATCH, OFFERED], ids=["too old to watch", "watches"])
def test_nothing_is_believed_for_long_that_is_not_watched(tmp_path: Path, features: int) -> None:
    two = two_sides(tmp_path, far_features=features)
    (two.far / "one").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            assert await names(view, "far") == {"one"}
            assert view.watched == (1 if features & WATCH else 0)
            (two.far / "two").write_bytes(b"x")
            await eventually(lambda: names_are(view, "far", {"one", "two"}))
            assert (view.requests > 1) is not bool(features & WATCH)

    two.run(work)


def test_names_that_are_not_there_are_remembered(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "sub").mkdir()

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            await view.listing("far/sub")
            before = view.requests
            for name in ("a", "b", "a"):
                with pytest.raises(RemoteError, match="no such file"):
                    await view.find(f"far/sub/{name}")
            assert view.requests == before
            (two.far / "sub" / "a").write_bytes(b"x")

            async def there() -> bool:
                try:
                    return (await view.find("far/sub/a")).attributes.size == 1
                except RemoteError:
                    return False

            await eventually(there)
            assert view.requests == before

    two.run(work)


def test_a_listing_stays_readable_without_a_line_and_says_so(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            await walk(view, "far")
            for link in list(sides.session.links):
                link.leave(drain=False)
            await asyncio.sleep(0)
            assert view.watched == 0
            listing = await view.listing("far")
            assert listing.stale
            assert [name.name for name in listing.names] == ["file"]
            found = await view.find("far/file")
            assert found.stale
            assert found.attributes.size == 1

    two.run(work)


def test_a_share_that_takes_and_shows_nothing_can_be_looked_at(tmp_path: Path) -> None:
    two = two_sides(tmp_path, far_rights=Rights.DROP)

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            for _ in range(4):
                assert (await view.find("far")).attributes.mode == 0o333
            with pytest.raises(RemoteError):
                await view.listing("far")
            assert view.watched == 0

    two.run(work)


def test_what_is_kept_is_bounded_and_watches_of_the_rest_are_given_back(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    make_tree(two.far, 30, 10)

    async def work(sides: Sides) -> None:
        cache = TreeCache(entries_max=150)
        async with viewed(sides, cache) as view:
            await walk(view, "far")
            assert cache.kept[0] <= 150
            assert 0 < view.watched < 15

    two.run(work)


def test_a_view_through_the_agent_is_told_of_changes_too(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "sub").mkdir()
    (two.far / "sub" / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        tasks = Tasks()
        ends = socket.socketpair()
        for end in ends:
            end.setblocking(False)
        forwarding = Forwarding(sides.session, tasks)
        agent = local_session(ends[0], sides.session.pool, forwarding, opener=False)
        forwarding.watch(agent)
        command = local_session(ends[1], sides.session.pool, None, opener=True)
        view = TreeView(RemoteFiles(command))
        other = TreeView(sides.far)  # whose numbers of streams are others
        try:
            await walk(other, "far")
            await walk(view, "far")
            before = view.requests
            assert view.watched == 2
            (two.far / "sub" / "new").write_bytes(b"x")
            for one in (view, other):
                await eventually(partial(names_are, one, "far/sub", {"file", "new"}))
            assert view.requests == before
        finally:
            await view.close()
            command.close(CloseReason.DONE)
            await command.finished()
            await agent.finished()
            await tasks.close()
        assert not agent.streams.out
        # Only the stream of the other view is left.
        assert len(sides.session.streams.into) == 1
        await other.close()

    two.run(work)


@pytest.mark.parametrize("heard_seconds", [5.0, -1.0], ids=["heard of late", "not heard of"])
def test_what_is_known_is_told_at_once_where_the_agent_has_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard_seconds: float
) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        line = True

        async def leads_there() -> bool:
            return line

        view = TreeView(sides.far, leads_there=leads_there)  # whose own link is always there
        try:
            await view.listing("far")
            before = view.requests
            line = False
            monkeypatch.setattr(cache, "HEARD_SECONDS", heard_seconds)
            if heard_seconds > 0:
                view._stream.close()  # as the agent does when its own link goes
                view._cache.lost()
            listing = await view.listing("far")
            assert listing.stale
            assert [name.name for name in listing.names] == ["file"]
            assert view.requests == before
            line = True
            assert not (await view.listing("far")).stale
            assert view.requests > before
        finally:
            await view.close()

    two.run(work)


def test_another_session_checks_what_is_known_and_is_told_of_changes_again(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            await view.listing("far")
            number = (await view.find("far/file")).number
            view.use(RemoteFiles(sides.session))
            assert view.watched == 0
            before = view.requests
            assert await names(view, "far") == {"file"}
            assert view.requests == before + 1
            assert view.watched == 1
            assert (await view.find("far/file")).number == number
            (two.far / "new").write_bytes(b"x")
            await eventually(lambda: names_are(view, "far", {"file", "new"}))
            assert view.requests == before + 1

    two.run(work)


class LateFiles(RemoteFiles):
    """Asks for all changes, and hears so late that something has come about meanwhile."""

    def __init__(self, files: RemoteFiles, answer: Answer | GimmalError) -> None:
        super().__init__(files.session)
        self._late = answer
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        if not isinstance(request, Watch):
            return await super().ask(request, deadline)
        self.asked.set()
        await self.go_on.wait()
        if isinstance(self._late, GimmalError):
            raise self._late
        return self._late


@pytest.mark.parametrize("answer", [Failed(Code.INVALID), DeadlinePassed("it was late", "")], ids=["refused", "late"])
def test_word_of_a_session_that_was_left_changes_nothing_in_the_next(
    tmp_path: Path, answer: Answer | GimmalError
) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        late = LateFiles(sides.far, answer)
        view = TreeView(late)
        try:
            await view.listing("far")
            asking = asyncio.create_task(view._sync())
            await late.asked.wait()
            view.use(RemoteFiles(sides.session))
            await view.listing("far")
            assert view.watched == 1
            late.go_on.set()
            await asking
            assert view.watched == 1
            before = view.requests
            (two.far / "new").write_bytes(b"x")
            await eventually(lambda: names_are(view, "far", {"file", "new"}))
            assert view.requests == before
            assert not (await view.listing("far")).stale
        finally:
            await view.close()

    two.run(work)


def test_who_gives_up_waiting_does_not_take_the_answer_from_the_others(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            first, second = (asyncio.ensure_future(view.listing("far")) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            assert [name.name for name in (await second).names] == ["file"]
            with contextlib.suppress(asyncio.CancelledError):
                await first
            assert view.requests == 1

    two.run(work)


def test_a_stream_that_cannot_be_opened_in_time_keeps_nobody_from_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")
    (two.far / "folder").mkdir()

    async def never(_serving: object, _incoming: object, _request: object) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            with monkeypatch.context() as patched:
                patched.setattr(NoticeServing, "_open_stream", never)
                patched.setattr(notices, "OPEN_SECONDS", 0.1)
                assert await names(view, "far") == {"file", "folder"}
                assert view.watched == 0

            async def watched() -> bool:
                return await names(view, "far/folder") == set() and view.watched == 1

            await eventually(watched)

    two.run(work)


def test_names_that_may_not_be_are_left_out(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        async with viewed(sides) as view:
            await view.listing("far")
            file = (await view.find("far/file")).attributes
            bad = ["..", "a/b", "a\\b", "\u202e", "x" * 300]
            view._noticed([Change(1, ChangeKind.ENTRY, name, file) for name in [*bad, "good"]])
            assert await names(view, "far") == {"file", "good"}

    two.run(work)


class LyingFiles(RemoteFiles):
    """Adds names to each listing that may not be."""

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        answer = await super().ask(request, deadline)
        if isinstance(answer, Page):
            file = answer.entries[0].attributes
            return replace(answer, entries=[*answer.entries, *(Entry(name, file) for name in ("..", "a/b", "\x00"))])
        return answer


def test_names_in_a_listing_that_may_not_be_are_left_out(tmp_path: Path) -> None:
    two = two_sides(tmp_path)
    (two.far / "file").write_bytes(b"x")

    async def work(sides: Sides) -> None:
        view = TreeView(LyingFiles(sides.session))
        try:
            assert await names(view, "far") == {"file"}
        finally:
            await view.close()

    two.run(work)


def test_who_keeps_something_is_told_what_to_look_at_again(tmp_path: Path) -> None:
    sides = two_sides(tmp_path)
    (sides.far / "folder").mkdir()
    (sides.far / "folder" / "file").write_text("x")

    async def work(running: Sides) -> None:
        async with viewed(running) as view:
            told: list[Touched] = []
            view.on_touched = told.extend
            assert view.borne_out("far/folder/file") == (False, False)
            await view.listing("far/folder")
            assert view.borne_out("far/folder/file") == (True, True)
            assert view.borne_out("far/folder/none") == (True, False)
            assert view.borne_out("far/folder") == (False, False), "nobody watches the share"
            assert view.borne_out("") == (True, False)
            number = (await view.find("far/folder/file")).number
            assert view.number_of("far/folder/file") == number
            assert view.number_of("far/folder/none") is None
            (sides.far / "folder" / "file").write_text("longer")
            (sides.far / "folder" / "new").write_text("n")

            async def both_told() -> bool:
                return {Touched("far/folder", "file"), Touched("far/folder", "new")} <= set(told)

            await eventually(both_told)
            assert Touched(None) not in told
            assert view.number_of("far/folder/file") == number
            view.use(running.far)
            assert told[-1] == Touched(None)
            assert view.borne_out("far/folder/file") == (False, False)

    sides.run(work)
