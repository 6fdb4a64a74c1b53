"""Files of the other side that are opened, read, written and named anew, over a real session."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from gimmal.base.errors import RemoteError
from gimmal.protocol.messages import Kind, Rename, Request
from gimmal.share.shares import Rights
from tests.remote.edits.rig import CutFiles, edited_tree
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

CONTENT = content_of(300_000)


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "report.odt").write_bytes(CONTENT)
    return made


def test_what_is_written_is_read_at_once_and_is_at_home_when_it_is_closed(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/report.odt", write=True)
            other = await tree.open("far/report.odt")
            assert await file.write(1000, b"new") == 3
            assert await other.read(998, 7) == CONTENT[998:1000] + b"new" + CONTENT[1003:1005]
            await file.truncate(2000)
            await file.write(2010, b"end")
            assert await other.read(1999, 100) == CONTENT[1999:2000] + bytes(10) + b"end"
            assert other.attributes.size == 2013
            assert (await tree.find("far/report.odt")).attributes == other.attributes
            assert (two.far / "report.odt").read_bytes() == CONTENT
            number = (await tree.find("far/report.odt")).number
            written = other.attributes.mtime_ns
            await file.close()
            expected = CONTENT[:1000] + b"new" + CONTENT[1003:2000] + bytes(10) + b"end"
            assert (two.far / "report.odt").read_bytes() == expected
            assert (two.far / "report.odt").stat().st_mtime_ns == written
            found = await tree.find("far/report.odt")
            assert (found.attributes.size, found.attributes.mtime_ns) == (2013, written)
            assert found.number == number, "a file that is saved is the same file"
            assert await other.read(0, 5000) == expected
            await other.close()

    two.run(work)


def test_a_save_refetches_nothing_that_was_known_or_written(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/report.odt", write=True)
            assert await file.read(0, 1 << 20) == CONTENT
            await file.write(100_000, b"x" * 10_000)
            before = sides.wire_bytes
            await file.sync()
            assert sides.wire_bytes - before < 13_000
            before = sides.wire_bytes
            assert await file.read(0, 1 << 20) == CONTENT[:100_000] + b"x" * 10_000 + CONTENT[110_000:]
            assert sides.wire_bytes - before < 500
            await file.close()

    two.run(work)


def test_new_files_are_there_at_once_and_only_one_can_be_the_first(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/new", write=True, create=True, exclusive=True, mode=0o640)
            assert (two.far / "new").read_bytes() == b""
            assert stat.S_IMODE((two.far / "new").stat().st_mode) == 0o640
            with pytest.raises(RemoteError, match="already there"):
                await tree.open("far/new", write=True, create=True, exclusive=True)
            await file.write(0, b"hello")
            await file.close()
            assert (two.far / "new").read_bytes() == b"hello"
            assert stat.S_IMODE((two.far / "new").stat().st_mode) == 0o640
            with pytest.raises(RemoteError, match="already there"):
                await tree.open("far/new", write=True, create=True, exclusive=True)
            again = await tree.open("far/new", write=True, create=True, truncate=True)
            assert await again.read(0, 10) == b""
            await again.close()
            assert (two.far / "new").read_bytes() == b""
            with pytest.raises(RemoteError) as refused:
                await tree.open("far/missing")
            assert refused.value.code == "not_found"

    two.run(work)


def test_a_file_saved_by_rename_keeps_its_bytes_and_handles_follow(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            old = await tree.open("far/report.odt")
            temporary = await tree.open("far/.report.new", write=True, create=True)
            await temporary.write(0, b"second")
            await tree.rename("far/.report.new", "far/report.odt")
            assert (two.far / "report.odt").read_bytes() == b"second"
            assert old.removed
            assert temporary.path == "far/report.odt"
            await temporary.write(6, b" edition")
            await temporary.close()
            assert (two.far / "report.odt").read_bytes() == b"second edition"
            await old.close()
            assert sorted(name.name for name in (await tree.listing("far")).names) == ["report.odt"]
            reader = await tree.open("far/report.odt")
            assert await reader.read(0, 100) == b"second edition"
            await reader.close()

    two.run(work)


def test_a_save_during_a_rename_goes_to_the_new_name(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = CutFiles(sides.session)
        async with edited_tree(sides, two.base, line) as tree:
            (two.far / "target").write_bytes(b"before")
            file = await tree.open("far/report.odt", write=True)
            replaced = await tree.open("far/target", write=True)
            await replaced.write(0, b"gone with its name")
            saves: list[asyncio.Task[None]] = []

            async def save() -> None:
                await file.write(0, b"LATER")
                await file.sync()

            def during(request: Request) -> None:
                if isinstance(request, Rename) and not saves:
                    saves.extend(asyncio.ensure_future(work) for work in (save(), replaced.sync()))

            line.on_ask = during
            await tree.rename("far/report.odt", "far/target")
            await asyncio.gather(*saves)
            assert os.listdir(two.far) == ["target"]
            assert (two.far / "target").read_bytes() == b"LATER" + CONTENT[5:]
            assert file.path == "far/target"
            await file.close()
            await replaced.close()

    two.run(work)


def test_folders_move_with_the_files_that_are_open_in_them(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            await tree.make_directory("far/a")
            file = await tree.open("far/a/x", write=True, create=True)
            await file.write(0, b"one")
            large = await tree.open("far/a/large", write=True, create=True)
            await large.write(0, b"x" * (2 << 20))
            await tree.send_ahead()
            await tree.rename("far/a", "far/b")
            await large.close()
            assert (two.far / "b" / "large").read_bytes() == b"x" * (2 << 20)
            await tree.remove("far/b/large")
            assert file.path == "far/b/x"
            await file.write(3, b" two")
            await file.close()
            assert (two.far / "b" / "x").read_bytes() == b"one two"
            with pytest.raises(RemoteError):
                await tree.remove_directory("far/b")
            with pytest.raises(RemoteError, match="folder"):
                await tree.remove("far/b")
            await tree.remove("far/b/x")
            await tree.remove_directory("far/b")
            assert not (two.far / "b").exists()

    two.run(work)


def test_a_removed_file_can_still_be_used_and_is_not_saved(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/scratch", write=True, create=True)
            await file.write(0, b"abc")
            await tree.remove("far/scratch")
            await file.write(3, b"def")
            assert await file.read(0, 10) == b"abcdef"
            await file.sync()
            await file.close()
            assert not (two.far / "scratch").exists()

    two.run(work)


def test_times_and_modes_that_programs_set_are_those_at_home(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/copy", write=True, create=True)
            await file.write(0, b"abc")
            await tree.set_attributes("far/copy", mode=0o600, mtime_ns=10**18)
            assert file.attributes.mtime_ns == 10**18
            await file.close()
            state = (two.far / "copy").stat()
            assert (state.st_mtime_ns, stat.S_IMODE(state.st_mode)) == (10**18, 0o600)
            clean = await tree.open("far/report.odt", write=True)
            assert await clean.read(0, 10) == CONTENT[:10]
            await tree.set_attributes("far/report.odt", mtime_ns=2 * 10**18)
            assert (two.far / "report.odt").stat().st_mtime_ns == 2 * 10**18
            await clean.write(0, b"X")
            await clean.close()
            assert (two.far / "report.odt").read_bytes()[:2] == b"X" + CONTENT[1:2]

    two.run(work)


def test_more_than_may_be_held_goes_ahead_and_is_read_back(two: TwoSides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gimmal.remote.edits.saving.HELD_MAX", 1 << 20)
    content = content_of(5 << 20)

    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/large", write=True, create=True)
            for at in range(0, len(content), 131_072):
                await file.write(at, content[at : at + 131_072])
            assert tree.held <= (1 << 20) + 140_000
            assert (two.far / "large").stat().st_size == 0
            assert await file.read(0, 200_000) == content[:200_000]
            await file.write(100, b"over")
            await file.truncate(4 << 20)
            assert await file.read(90, 20) == content[90:100] + b"over" + content[104:110]
            await file.close()
            whole = bytearray(content[: 4 << 20])
            whole[100:104] = b"over"
            assert (two.far / "large").read_bytes() == whole

    two.run(work)


def test_a_reader_goes_on_with_what_the_other_side_makes_of_the_file(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/report.odt")
            assert await file.read(0, 10) == CONTENT[:10]
            (two.far / "new").write_bytes(b"another version of the report")
            os.replace(two.far / "new", two.far / "report.odt")
            while (got := await file.read(0, 1 << 20)) == CONTENT:
                await asyncio.sleep(0.01)
            assert got == b"another version of the report"
            await file.close()

    two.run(work)


def test_links_room_and_extended_attributes(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            await tree.make_link("far/link", "report.odt")
            assert await tree.read_link("far/link") == "report.odt"
            assert (await tree.find("far/link")).attributes.kind is Kind.LINK
            with pytest.raises(RemoteError):
                await tree.read_link("far/report.odt")
            with pytest.raises(RemoteError) as refused:
                await tree.open("far/link")
            assert refused.value.code == "link_refused"
            assert (await tree.statfs("far")).total > 0
            await tree.set_xattr("far/report.odt", "user.note", b"x")
            assert (await tree.xattrs("far/report.odt"))["user.note"] == b"x"
            assert os.getxattr(two.far / "report.odt", "user.note") == b"x"
            with pytest.raises(RemoteError):
                await tree.remove_xattr("far/report.odt", "user.other")

    two.run(work)


def test_what_the_share_does_not_grant_is_refused_at_the_opening(tmp_path: Path) -> None:
    two = TwoSides(tmp_path, Rights.READ_ONLY)
    (two.far / "x").write_bytes(b"abc")

    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            with pytest.raises(RemoteError) as refused:
                await tree.open("far/x", write=True)
            assert refused.value.code == "not_granted"
            reader = await tree.open("far/x")
            assert await reader.read(0, 10) == b"abc"
            with pytest.raises(RemoteError):
                await reader.write(0, b"x")
            await reader.close()
            await reader.close()
            with pytest.raises(RemoteError):
                await reader.read(0, 1)

    two.run(work)


def test_an_edit_and_a_read_at_the_same_time_never_mix_two_versions(two: TwoSides) -> None:
    (two.far / "same").write_bytes(b"a" * 200_000)

    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/same", write=True)
            reader = await tree.open("far/same")

            async def rewrite() -> None:
                for letter in b"bcdef":
                    await file.write(0, bytes([letter]) * 200_000)
                    await file.sync()

            writing = asyncio.ensure_future(rewrite())
            while not writing.done():
                got = await reader.read(0, 200_000)
                assert len(set(got)) == 1
                await asyncio.sleep(0.001)
            await writing
            await file.close()
            await reader.close()
            assert (two.far / "same").read_bytes() == b"f" * 200_000

    two.run(work)


def test_a_share_that_takes_new_files_only_gets_each_whole(tmp_path: Path) -> None:
    two = TwoSides(tmp_path, Rights.DROP)

    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/report", write=True, create=True, exclusive=True, mode=0o640)
            assert os.listdir(two.far) == []
            await file.write(0, b"whole")
            found = await tree.find("far/report")
            assert found.attributes.size == 5
            assert await file.read(0, 10) == b"whole"
            await file.close()
            assert (two.far / "report").read_bytes() == b"whole"
            assert stat.S_IMODE((two.far / "report").stat().st_mode) == 0o640
            empty = await tree.open("far/empty", write=True, create=True)
            await empty.close()
            assert (two.far / "empty").read_bytes() == b""
            with pytest.raises(RemoteError) as refused:
                again = await tree.open("far/report", write=True)
                await again.write(0, b"other")
                await again.close()
            assert refused.value.code == "not_granted"
            assert (two.far / "report").read_bytes() == b"whole"

    two.run(work)


def test_it_can_be_closed_while_something_that_was_sent_ahead_is_not_saved(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        async with edited_tree(sides) as tree:
            file = await tree.open("far/ahead", write=True, create=True)
            await file.write(0, b"x" * (2 << 20))
            await tree.send_ahead()
        assert (two.far / "ahead").read_bytes() == b""

    two.run(work)
