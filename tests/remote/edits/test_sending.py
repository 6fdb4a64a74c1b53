"""What goes home of one file: at once where it is small, ahead where it is much, and once where an answer is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gimmal.base.errors import GimmalError, RemoteError
from gimmal.protocol.messages import Answer, CommitEdit, Request
from tests.remote.edits.rig import CutFiles, edited_tree
from tests.remote.simulated_line import content_of
from tests.remote.two_sides import Sides, TwoSides

CONTENT = content_of(5 << 20)


@pytest.fixture
def two(tmp_path: Path) -> TwoSides:
    made = TwoSides(tmp_path)
    (made.far / "large").write_bytes(CONTENT)
    return made


class Counted(CutFiles):
    """Notes what is asked."""

    def __init__(self, sides: Sides) -> None:
        super().__init__(sides.session)
        self.asked: list[str] = []
        self._last: Request | None = None
        self.on_ask = self._note  # type: ignore[method-assign]

    def _note(self, request: Request) -> None:
        if request is not self._last:  # a small one comes by both ways in
            self.asked.append(type(request).__name__)
        self._last = request


def test_a_small_save_of_a_large_file_is_one_question_and_few_bytes(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = Counted(sides)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/large", write=True)
            await file.write(3 << 20, b"x" * 10_240)
            del line.asked[:]
            before = sides.wire_bytes
            await file.sync()
            assert line.asked == ["QuickEdit"]
            assert sides.wire_bytes - before < 12_000
            await file.close()
            assert line.asked == ["QuickEdit"]
            changed = CONTENT[: 3 << 20] + b"x" * 10_240 + CONTENT[(3 << 20) + 10_240 :]
            assert (two.far / "large").read_bytes() == changed

    two.run(work)


def test_a_new_file_that_is_written_and_closed_costs_two_questions(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = Counted(sides)
        async with edited_tree(sides, two.base, line) as tree:
            await tree.listing("far")
            del line.asked[:]
            file = await tree.open("far/new", write=True, create=True)
            await file.write(0, b"abc")
            await file.close()
            assert line.asked.count("QuickEdit") == 2
            assert len(line.asked) <= 4, line.asked

    two.run(work)


def test_a_commit_whose_answer_was_lost_is_not_done_twice(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = Counted(sides)
        async with edited_tree(sides, None, line) as tree:
            file = await tree.open("far/large", write=True)
            await file.write(0, b"y" * (2 << 20))
            await tree.send_ahead()
            line.swallows = 1
            with pytest.raises(GimmalError):
                await file.sync()
            await file.close()
            assert (two.far / "large").read_bytes() == b"y" * (2 << 20) + CONTENT[2 << 20 :]
            names = [path.name for path in two.far.iterdir()]
            assert [name for name in names if not name.startswith(".gimmal-part-")] == ["large"]

    two.run(work)


def test_what_the_other_side_refuses_is_told_and_can_be_saved_later(two: TwoSides) -> None:
    async def work(sides: Sides) -> None:
        line = Counted(sides)
        async with edited_tree(sides, two.base, line) as tree:
            file = await tree.open("far/large", write=True)
            await file.write(0, b"z")
            line.refuses = "far/large"
            with pytest.raises(RemoteError) as refused:
                await file.sync()
            assert refused.value.code == "denied"
            line.refuses = ""
            await file.close()
            assert (two.far / "large").read_bytes() == b"z" + CONTENT[1:]
            assert tree.waiting == []

    two.run(work)


class Forgetful(Counted):
    """The other side does not know the edit any more when it is to be committed; somebody else has been there."""

    def __init__(self, sides: Sides, meanwhile: Callable[[], None]) -> None:
        super().__init__(sides)
        self.meanwhile = meanwhile
        self.forgets = True

    async def ask(self, request: Request, deadline: float | None = None) -> Answer:
        if isinstance(request, CommitEdit) and self.forgets:
            self.forgets = False
            self.meanwhile()
            return await super().ask(CommitEdit(99_999), deadline)
        return await super().ask(request, deadline)


@pytest.mark.parametrize("by_whom", ["nobody", "another"])
def test_only_a_commit_that_made_these_bytes_is_taken_for_ours(two: TwoSides, by_whom: str) -> None:
    """Size and time of what stands there are those of the save: the version before is a second old, or another's is."""
    mtime_ns = (two.far / "large").stat().st_mtime_ns + 10**9
    theirs = b"t" * len(CONTENT) if by_whom == "another" else CONTENT

    def meanwhile() -> None:
        if by_whom == "another":
            (two.far / "large").write_bytes(theirs)
            os.utime(two.far / "large", ns=(mtime_ns, mtime_ns))

    async def work(sides: Sides) -> None:
        async with edited_tree(sides, None, Forgetful(sides, meanwhile)) as tree:
            file = await tree.open("far/large", write=True)
            assert await file.read(0, len(CONTENT)) == CONTENT
            await file.write(0, b"y" * (2 << 20))
            await tree.set_attributes("far/large", mtime_ns=mtime_ns)
            await tree.send_ahead()
            with pytest.raises(RemoteError) as unknown:
                await file.sync()
            assert unknown.value.code == "unknown_part"
            assert (two.far / "large").read_bytes() == theirs
            await file.close()
            ours = b"y" * (2 << 20) + CONTENT[2 << 20 :]
            files = [path for path in two.far.iterdir() if not path.name.startswith(".gimmal-part-")]
            contents = sorted(path.read_bytes() for path in files)
            assert contents == ([ours] if by_whom == "nobody" else sorted((theirs, ours)))

    two.run(work)
