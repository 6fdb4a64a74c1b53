"""On a line that has stopped without a word no call takes longer than it may, and what was saved is kept."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gimmal.base.errors import GimmalError, RemoteError, UnreachableError
from tests.patience import within
from tests.remote.edits.rig import CutFiles, edited_tree, until
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

CONTENT = content_of(200_000)
CALL_SECONDS = 2.0


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    for name in ("known", "other", "unread"):
        (made.far / name).write_bytes(CONTENT)
    return made


def test_what_is_known_not_to_be_there_is_told_so_in_half_a_call_and_can_be_made(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line, call_seconds=CALL_SECONDS) as tree:
            await tree.listing("far")
            monkeypatch.setattr("gimmal.remote.tree.cache.HEARD_SECONDS", -1.0)  # it was heard of long ago
            line.is_frozen = True
            began = asyncio.get_running_loop().time()
            with pytest.raises(RemoteError) as failed:
                await tree.find("far/new")
            assert failed.value.code == "not_found"
            assert within(asyncio.get_running_loop().time() - began, 0.6 * CALL_SECONDS)
            new = await tree.open("far/new", write=True, create=True)
            await new.write(0, b"new")
            await new.close()
            assert tree.waiting
            line.is_frozen = False
            await until(lambda: not tree.waiting)
            assert (two.far / "new").read_bytes() == b"new"

    two.run(work)


def test_what_is_here_of_a_file_is_read_past_its_end_in_half_a_call(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line, call_seconds=2 * CALL_SECONDS) as tree:
            await tree.listing("far")
            file = await tree.open("far/known")
            assert await file.read(0, len(CONTENT)) == CONTENT
            monkeypatch.setattr("gimmal.remote.tree.cache.HEARD_SECONDS", -1.0)  # it was heard of long ago
            line.is_frozen = True
            async with asyncio.timeout(CALL_SECONDS):  # as long as the kernel waits for bytes
                assert await file.read(0, 2 * len(CONTENT)) == CONTENT
            line.is_frozen = False
            await file.close()

    two.run(work)


async def timed(call: Awaitable[object]) -> tuple[float, bool]:
    """Seconds, and whether it succeeded."""
    loop = asyncio.get_running_loop()
    began, good = loop.time(), True
    try:
        await call
    except GimmalError:
        good = False
    return loop.time() - began, good


def test_every_call_ends_in_time_and_saves_are_kept(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line, call_seconds=CALL_SECONDS) as tree:
            await tree.listing("far")
            file = await tree.open("far/known", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            unread = await tree.open("far/unread")
            line.is_frozen = True
            await file.write(0, b"while it stood still")
            new: list[object] = []

            async def create() -> None:
                made = await tree.open("far/new", write=True, create=True, exclusive=True)
                new.append(made)
                await made.write(0, b"new")
                await made.close()

            calls: dict[str, tuple[Callable[[], Awaitable[object]], bool]] = {
                "sync": (file.sync, True),
                "read what is here": (lambda: file.read(0, 1000), True),
                "read what is not": (lambda: unread.read(0, 1000), False),
                "find": (lambda: tree.find("far/known"), True),
                "find what was never asked for": (lambda: tree.find("far/folder/x"), False),
                "listing": (lambda: tree.listing("far"), True),
                "create, write and close": (create, True),
                "rename": (lambda: tree.rename("far/new", "far/renamed"), True),
                "make_directory": (lambda: tree.make_directory("far/folder"), True),
                "remove": (lambda: tree.remove("far/other"), True),
                "set_attributes": (lambda: tree.set_attributes("far/known", mtime_ns=10**18), True),
                "statfs": (lambda: tree.statfs("far"), False),
                "close": (file.close, True),
            }
            for name, (call, succeeds) in calls.items():
                seconds, good = await timed(call())
                assert within(seconds, 1.2 * CALL_SECONDS), name
                assert good == succeeds, name
            await unread.close()
            assert (two.far / "known").read_bytes() == CONTENT
            line.is_frozen = False
            await until(lambda: not tree.waiting)
            assert (two.far / "known").read_bytes() == b"while it stood still" + CONTENT[20:]
            assert (two.far / "renamed").read_bytes() == b"new"
            assert sorted(os.listdir(two.far)) == ["folder", "known", "renamed", "unread"]

    two.run(work)


def test_a_line_that_stops_under_a_large_file_costs_an_error_and_no_byte(
    two: TwoSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gimmal.remote.edits.saving.HELD_MAX", 1 << 20)
    content = content_of(4 << 20)

    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line, call_seconds=CALL_SECONDS) as tree:
            file = await tree.open("far/large", write=True, create=True)
            for at in range(0, 3 << 20, 131_072):
                await file.write(at, content[at : at + 131_072])
            line.is_frozen = True
            with pytest.raises(UnreachableError):
                for at in range(3 << 20, 4 << 20, 131_072):
                    await file.write(at, content[at : at + 131_072])
                await file.sync()
            line.is_frozen = False
            for at in range(3 << 20, 4 << 20, 131_072):
                await file.write(at, content[at : at + 131_072])
            await file.close()
            assert (two.far / "large").read_bytes() == content

    two.run(work)


def test_what_is_old_and_much_is_sent_ahead_by_itself(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gimmal.remote.edits.saving.AHEAD_SECONDS", 0.05)

    async def work(sides: Sides) -> None:
        asked: list[str] = []
        line = CutFiles(sides.session)
        line.on_ask = lambda request: asked.append(type(request).__name__)  # type: ignore[method-assign]
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/large", write=True, create=True)
            await file.write(0, b"x" * (3 << 20))
            await until(lambda: "WriteEdit" in asked)
            assert tree.held >= 3 << 20, "it stays in memory as long as there is room"
            await file.close()
            assert (two.far / "large").read_bytes() == b"x" * (3 << 20)

    two.run(work)
