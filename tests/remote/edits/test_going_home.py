"""A journal goes home: stopped after any step and begun again, refused, out of room, or met by other changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from gimmal.base.errors import GimmalError, Interrupted, RemoteError, UnreachableError
from gimmal.protocol.codes import Code, error_of_code
from gimmal.protocol.messages import Answer, Replace, Request, Version
from gimmal.remote.edits.going_home import GoingHome
from gimmal.remote.edits.journal import JournalFile
from gimmal.remote.edits.left_over import send_left_over
from gimmal.remote.edits.operations import Gone, MakeFolder, Move, Operation, Remove, Save, SetTimes
from gimmal.remote.files import Block
from gimmal.remote.remote_files import RemoteFiles
from tests.patience import PATIENCE
from tests.remote.edits.rig import KEY, CutFiles, conflicts_of, places_of
from tests.remote.two_sides import Sides, TwoSides

TIME = 1_700_000_000_123_456_789
OLD = b"0123456789" * 100


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "old").write_bytes(OLD)
    return made


def version(path: Path) -> Version:
    state = path.stat()
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def journal_of(two: TwoSides) -> JournalFile:
    """All kinds of operations, those that build on each other too."""
    journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
    base = version(two.far / "old")
    journal.add(MakeFolder(1, "far/folder", 0o750))
    journal.add_save(Save(2, "far/old", base, 0, 500, 600, TIME, None), [(10, b"edit"), (590, b"end of it!")], [])
    journal.add_save(Save(3, "far/old", None, 2, 600, 600, TIME + 10**9, 0o600), [(0, b"again")], [])
    journal.add_save(Save(4, "far/.tmp", None, 0, 0, 0, TIME, None), [], [])
    journal.add_save(Save(5, "far/.tmp", None, 4, 0, 3_000_000, TIME, None), [(0, b"n" * 3_000_000)], [])
    journal.add(Move(6, "far/old", "far/old~", None, 3, True, None, 0))
    journal.add(Move(7, "far/.tmp", "far/old", None, 5, True, None, 0))
    journal.add(Remove(8, "far/old~", None, 6))
    journal.add_save(Save(9, "far/folder/x", None, 0, 0, 3, TIME, 0o640), [(0, b"abc")], [])
    journal.add(SetTimes(10, "far/folder/x", TIME - 10**9, None, 9))
    return journal


def check(two: TwoSides) -> None:
    # An edit whose opening was answered in vain lies there, seen by nobody, until its session ends.
    names = [path.name for path in two.far.iterdir() if not path.name.startswith(".gimmal-part-")]
    assert sorted(names) == ["folder", "old"]
    assert (two.far / "old").read_bytes() == b"n" * 3_000_000
    assert (two.far / "folder" / "x").read_bytes() == b"abc"
    assert (two.far / "folder" / "x").stat().st_mtime_ns == TIME - 10**9
    assert (two.far / "folder").stat().st_mode & 0o777 == 0o750
    assert not conflicts_of(two.base).read()


class Stops(CutFiles):
    """Breaks off at a question of one number, before or after it is answered."""

    at = 0
    after = False
    count = 0

    async def _through(self, request: Request, asking: Coroutine[Any, Any, Answer]) -> Answer:
        self.count += 1
        stops = self.count == self.at
        if stops and not self.after:
            asking.close()
            raise Interrupted("cut before it was asked")
        answer = await super()._through(request, asking)
        if stops:
            raise Interrupted("cut before the answer came")
        return answer


@pytest.mark.parametrize("after", [False, True])
def test_cut_at_any_question_and_begun_anew_each_operation_is_done_once(two: TwoSides, after: bool) -> None:
    async def work(sides: Sides) -> None:
        journal = journal_of(two)
        path, cuts = journal.path, 0
        journal.close()
        while True:
            cuts += 1
            claimed = JournalFile.claim(path, KEY)
            if claimed is None:
                break
            line = Stops(sides.session)
            # Each time a question later, so that every one of them is the one that is cut off.
            line.at, line.after = cuts, after
            with contextlib.suppress(Interrupted):
                home = GoingHome(line, claimed, sides.workers, "guest", conflicts_of(two.base))
                assert await home.run() == []
            claimed.close()
            assert cuts < 200
        assert cuts > 5
        check(two)

    two.run(work)


def test_killed_before_the_note_of_any_operation_it_is_not_done_twice(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        journal = journal_of(two)
        path = journal.path
        journal.close()
        while (claimed := JournalFile.claim(path, KEY)) is not None:

            def stop(_result: object) -> None:
                raise asyncio.CancelledError

            claimed.note_home = stop  # type: ignore[method-assign, assignment]
            first = next(iter(claimed.pending))
            with contextlib.suppress(asyncio.CancelledError):
                await GoingHome(sides.far, claimed, sides.workers, "guest", conflicts_of(two.base)).run()
            claimed.close()
            again = JournalFile.claim(path, KEY)
            assert again is not None
            only = {number: operation for number, operation in again.pending.items() if number == first}
            later = {number: operation for number, operation in again.pending.items() if number != first}
            again.pending = only
            assert await GoingHome(sides.far, again, sides.workers, "guest", conflicts_of(two.base)).run() == []
            again.pending = later
            again.close()
        check(two)

    two.run(work)


def test_what_is_refused_stays_and_holds_up_only_what_builds_on_it(two: TwoSides) -> None:
    class Refuses(RemoteFiles):
        async def ask(self, request: Request, deadline: float | None = 10.0) -> Answer:
            if getattr(request, "path", "") == "far/old" and type(request).__name__ == "QuickEdit":
                raise error_of_code(Code.NOT_GRANTED, "old")
            return await super().ask(request, deadline)

    async def work(sides: Sides) -> None:
        journal = journal_of(two)
        home = GoingHome(Refuses(sides.session), journal, sides.workers, "guest", None)
        (refused,) = await home.run()
        assert refused.operation.number == 2
        assert list(journal.pending) == [2, 3, 6, 7, 8]
        assert (two.far / "old").read_bytes() == OLD
        assert (two.far / "folder" / "x").read_bytes() == b"abc"
        assert await GoingHome(sides.far, journal, sides.workers, "guest", None).run() == []
        journal.remove()
        check(two)

    two.run(work)


def test_where_there_is_no_room_all_waits(two: TwoSides) -> None:
    class Full(RemoteFiles):
        async def ask(self, request: Request, deadline: float | None = 10.0) -> Answer:
            if type(request).__name__ == "QuickEdit":
                raise error_of_code(Code.NO_SPACE, "old")
            return await super().ask(request, deadline)

    async def work(sides: Sides) -> None:
        journal = journal_of(two)
        with pytest.raises(RemoteError, match="full"):
            await GoingHome(Full(sides.session), journal, sides.workers, "guest", None).run()
        assert list(journal.pending) == list(range(2, 11))
        journal.close()
        left = await send_left_over(sides.far, places_of(two.base), KEY, sides.workers, "guest", None)
        assert left == []
        check(two)

    two.run(work)


def test_what_the_other_side_did_meanwhile_is_kept(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        base = version(two.far / "old")
        (two.far / "gone").write_bytes(b"to be removed")
        (two.far / "moved").write_bytes(b"to be moved")
        journal.add_save(Save(1, "far/old", base, 0, 1000, 1000, TIME, None), [(0, b"mine")], [(4, OLD[4:])])
        journal.add_save(Save(2, "far/old", None, 1, 1000, 1000, TIME, None), [(4, b"mine too")], [])
        journal.add(Remove(3, "far/gone", version(two.far / "gone"), 0))
        journal.add_save(Save(4, "far/new", None, 0, 0, 3, TIME, None), [(0, b"new")], [])
        journal.add(Move(5, "far/moved", "far/target", version(two.far / "moved"), 0, False, None, 0))
        for name in ("old", "gone", "new", "target"):
            (two.far / "theirs").write_bytes(b"theirs " + name.encode())
            os.replace(two.far / "theirs", two.far / name)
        assert await GoingHome(sides.far, journal, sides.workers, "guest", conflicts_of(two.base)).run() == []
        journal.remove()
        for name in ("old", "gone", "new", "target"):
            assert (two.far / name).read_bytes() == b"theirs " + name.encode()
        noted = {conflict.path: conflict for conflict in conflicts_of(two.base).read()}
        assert set(noted) == {"far/old", "far/new", "far/target"}
        beside = {path: (two.base / conflict.mine).read_bytes() for path, conflict in noted.items()}
        assert beside["far/old"] == b"minemine too" + OLD[12:]
        assert beside["far/new"] == b"new"
        assert beside["far/target"] == b"to be moved"
        assert all(conflict.computer == "anna" and conflict.whole for conflict in noted.values())
        assert len(os.listdir(two.far)) == 7

    two.run(work)


def test_what_the_other_side_removed_meanwhile_comes_back_or_is_gone_as_was_wanted(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        base = version(two.far / "old")
        journal.add_save(Save(1, "far/a/b/old", None, 0, 0, 3, TIME, None), [(0, b"new")], [])
        journal.add_save(Save(2, "far/old", base, 0, 1000, 1000, TIME, None), [(0, b"mine")], [(4, OLD[4:])])
        journal.add(Remove(3, "far/missing", base, 0))
        journal.add(Move(4, "far/missing", "far/other", base, 0, True, None, 0))
        journal.add(SetTimes(5, "far/missing", TIME, None, 0))
        (two.far / "old").unlink()
        assert await GoingHome(sides.far, journal, sides.workers, "guest", conflicts_of(two.base)).run() == []
        journal.remove()
        assert (two.far / "a" / "b" / "old").read_bytes() == b"new"
        assert (two.far / "old").read_bytes() == b"mine" + OLD[4:]
        assert not conflicts_of(two.base).read()

    two.run(work)


def test_a_journal_of_a_later_version_or_a_damaged_one_does_not_hold_up_the_others(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        journal = journal_of(two)
        journal.close()
        strange = places_of(two.base)[0] / ("0" * 32)
        strange.mkdir()
        os.utime(strange, (1, 1))
        with contextlib.suppress(GimmalError):
            await send_left_over(sides.far, places_of(two.base), KEY, sides.workers, "guest", None)
        check(two)

    two.run(work)


def test_a_time_that_was_set_and_not_noted_is_known_again_and_none_is_given_to_another_version(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        base = version(two.far / "old")
        journal.add(SetTimes(1, "far/old", TIME, 0o600, 0, base))
        journal.add(SetTimes(2, "far/other", TIME, 0o600, 0, base))
        os.utime(two.far / "old", ns=(TIME, TIME))
        (two.far / "other").write_bytes(b"theirs")
        theirs = (two.far / "other").stat()
        assert await GoingHome(sides.far, journal, sides.workers, "guest", None).run() == []
        assert (two.far / "old").stat().st_mode & 0o777 == 0o600
        assert not journal.results[1].missed
        assert (two.far / "other").stat().st_mtime_ns == theirs.st_mtime_ns
        assert (two.far / "other").stat().st_mode == theirs.st_mode
        assert journal.results[2].missed
        journal.remove()

    two.run(work)


def test_a_file_that_home_puts_into_the_place_of_one_while_it_is_moved_is_not_taken_for_it(two: TwoSides) -> None:
    class Between(CutFiles):
        async def rename(self, source: str, target: str, replace: Replace, expected: Version | None = None) -> None:
            (two.far / "new").write_bytes(b"theirs")
            os.replace(two.far / "new", two.far / "old")
            await super().rename(source, target, replace, expected)

    async def work(sides: Sides) -> None:
        journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        journal.add(Move(1, "far/old", "far/other", version(two.far / "old"), 0, True, None, 0))
        journal.add_save(Save(2, "far/other", None, 1, 1000, 1000, TIME, None), [(0, b"mine")], [(4, OLD[4:])])
        line = Between(sides.session)
        assert await GoingHome(line, journal, sides.workers, "guest", conflicts_of(two.base)).run() == []
        journal.remove()
        assert (two.far / "other").read_bytes() == b"theirs"
        (conflict,) = conflicts_of(two.base).read()
        assert (two.base / conflict.mine).read_bytes() == b"mine" + OLD[4:]

    two.run(work)


def two_saves(journal: JournalFile, base: Version) -> None:
    journal.add_save(Save(1, "far/old", base, 0, 1000, 1000, TIME, None), [(0, b"FIRST")], [])
    later = TIME + 60 * 10**9
    journal.add_save(Save(2, "far/old", None, 1, 1000, 1000, later, None), [(5, b"SECOND")], [])


def saved_by_rename(journal: JournalFile, base: Version) -> None:
    journal.add_save(Save(1, "far/.tmp", None, 0, 0, 3, TIME, None), [(0, b"new")], [])
    journal.add(Move(2, "far/.tmp", "far/old", None, 1, True, base, 0))


def saved_with_a_backup(journal: JournalFile, base: Version) -> None:
    journal.add_save(Save(1, "far/.tmp", None, 0, 0, 3, TIME, None), [(0, b"new")], [])
    journal.add(Move(2, "far/old", "far/old~", base, 0, True, None, 0))
    journal.add(Move(3, "far/.tmp", "far/old", None, 1, True, None, 0))


def touched_and_saved(journal: JournalFile, base: Version) -> None:
    journal.add(SetTimes(1, "far/old", TIME, None, 0, base))
    journal.add_save(Save(2, "far/old", None, 1, 1000, 1000, TIME, None), [(0, b"FIRST")], [])


@pytest.mark.parametrize("fill", [two_saves, saved_by_rename, saved_with_a_backup, touched_and_saved])
def test_pulled_out_after_any_question_all_is_done_once_though_notes_that_were_not_durable_are_lost(
    tmp_path: Path, fill: Callable[[JournalFile, Version], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(stop: int) -> tuple[dict[str, bytes], bool]:
        base = tmp_path / str(stop)
        base.mkdir()
        two = TwoSides(base)
        (two.far / "old").write_bytes(OLD)
        durable: dict[Path, bytes] = {}

        async def work(sides: Sides) -> bool:
            journal = JournalFile.begin(places_of(base)[0], KEY, "anna")
            path = journal.path

            def sync(descriptor: int) -> None:
                if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                    durable[path] = path.read_bytes()

            monkeypatch.setattr(os, "fdatasync", sync)
            monkeypatch.setattr(os, "fsync", sync)
            journal.sync()
            fill(journal, version(two.far / "old"))
            line = Stops(sides.session)
            line.at, line.after = stop, True
            stopped = True
            with contextlib.suppress(Interrupted):
                await send_left_over_of(journal, line, sides, base)
                stopped = False
            journal.close()
            path.write_bytes(durable[path])
            await send_left_over(sides.far, places_of(base), KEY, sides.workers, "anna", conflicts_of(base))
            assert not conflicts_of(base).read()
            return stopped

        stopped = two.run(work)
        monkeypatch.undo()
        return {entry.name: entry.read_bytes() for entry in two.far.iterdir()}, stopped

    async def send_left_over_of(journal: JournalFile, line: Stops, sides: Sides, base: Path) -> None:
        await GoingHome(line, journal, sides.workers, "anna", conflicts_of(base)).run()
        journal.remove()

    expected, stopped = once(10_000)
    assert not stopped
    if fill is saved_with_a_backup:
        assert expected == {"old": b"new", "old~": OLD}
    for stop in range(1, 100):
        found, stopped = once(stop)
        assert found == expected
        if not stopped:
            break
    assert stop > 2


def test_a_save_that_goes_beside_has_the_bytes_of_the_saves_that_it_builds_on(two: TwoSides) -> None:
    def change(operation: Operation, _gone: Gone) -> None:
        if operation.number == 1:
            (two.far / "old").write_bytes(b"theirs" * 200)

    async def work(sides: Sides) -> None:
        journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        base = version(two.far / "old")
        journal.add_save(Save(1, "far/old", base, 0, 1000, 1000, TIME, None), [(0, b"FIRST")], [(0, OLD)])
        later = TIME + 60 * 10**9
        journal.add_save(Save(2, "far/old", None, 1, 1 << 62, 1000, later, None), [(500, b"SECOND")], [])
        going = GoingHome(sides.far, journal, sides.workers, "guest", conflicts_of(two.base), change)
        assert await going.run() == []
        journal.remove()
        assert (two.far / "old").read_bytes() == b"theirs" * 200
        (conflict,) = conflicts_of(two.base).read()
        assert conflict.whole
        assert (two.base / conflict.mine).read_bytes() == b"FIRST" + OLD[5:500] + b"SECOND" + OLD[506:]

    two.run(work)


@pytest.mark.parametrize("code", [Code.INPUT_OUTPUT, Code.CORRUPT, Code.LIMIT, Code.UNKNOWN_PART, Code.NO_SPACE])
def test_one_file_that_cannot_be_written_there_holds_up_no_other_file_share_or_journal(
    two: TwoSides, code: Code
) -> None:
    class Fails(CutFiles):
        fails = True

        async def _through(self, request: Request, asking: Coroutine[Any, Any, Answer]) -> Answer:
            if self.fails and getattr(request, "path", "").startswith("far/bad") and "Edit" in type(request).__name__:
                asking.close()
                raise error_of_code(code, "bad")
            return await super()._through(request, asking)

    async def work(sides: Sides) -> None:
        first = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        for number, path in enumerate(("far/bad", "other/a", "far/good"), start=1):
            first.add_save(Save(number, path, None, 0, 0, 3, TIME, None), [(0, b"abc")], [])
        first.close()
        second = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        second.add_save(Save(1, "far/second", None, 0, 0, 3, TIME, None), [(0, b"abc")], [])
        second.close()
        os.utime(first.path, (1, 1))
        line = Fails(sides.session)
        with contextlib.suppress(RemoteError):
            await send_left_over(line, places_of(two.base), KEY, sides.workers, "guest", None)
        assert (two.far / "second").exists()
        claimed = JournalFile.claim(first.path, KEY)
        assert claimed is not None
        # No share is called other: that it is asked for all the same is told by a refusal of its own.
        assert list(claimed.pending) == ([1, 2, 3] if code is Code.NO_SPACE else [1, 2])
        assert (two.far / "good").exists() == (code is not Code.NO_SPACE)
        assert claimed.not_done[1].startswith("bad: ")
        line.fails = False
        going = GoingHome(line, claimed, sides.workers, "guest", None)
        assert [refused.operation.number for refused in await going.run()] == [2]
        assert (two.far / "bad").read_bytes() == (two.far / "good").read_bytes() == b"abc"
        assert list(claimed.not_done) == [2]
        claimed.close()

    two.run(work)


@pytest.mark.parametrize("silent", ["QuickEdit", "OpenEdit", "WriteEdit", "CommitEdit", "ReadBlock"])
def test_a_peer_that_lives_and_does_not_answer_lets_go_of_the_journal(
    two: TwoSides, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gimmal.remote.edits.going_home.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("gimmal.remote.edits.going_home.SLOWEST_LINE", 1 << 40)

    class Silent(CutFiles):
        async def _through(self, request: Request, asking: Coroutine[Any, Any, Answer]) -> Answer:
            if type(request).__name__ == silent:
                asking.close()
                await asyncio.Event().wait()
            return await super()._through(request, asking)

        async def read_block(self, *args: Any, **named: Any) -> Block:
            if silent == "ReadBlock":
                await asyncio.Event().wait()
            return await super().read_block(*args, **named)

    async def work(sides: Sides) -> None:
        journal = JournalFile.begin(places_of(two.base)[0], KEY, "anna")
        (two.far / "small").write_bytes(b"abc" if silent == "ReadBlock" else b"")
        os.utime(two.far / "small", ns=(TIME, TIME))
        base = None if silent == "ReadBlock" else version(two.far / "small")
        journal.add_save(Save(1, "far/small", base, 0, 0, 3, TIME, None), [(0, b"abc")], [])
        large = b"n" * 3_000_000
        journal.add_save(Save(2, "far/large", None, 0, 0, len(large), TIME, None), [(0, large)], [])
        path = journal.path
        journal.close()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(UnreachableError):
                await send_left_over(Silent(sides.session), places_of(two.base), KEY, sides.workers, "guest", None)
        claimed = JournalFile.claim(path, KEY)
        assert claimed is not None
        claimed.close()
        assert await send_left_over(sides.far, places_of(two.base), KEY, sides.workers, "guest", None) == []
        assert (two.far / "small").read_bytes() == b"abc"
        assert (two.far / "large").read_bytes() == large
        assert len(os.listdir(two.far)) == 3

    two.run(work)
