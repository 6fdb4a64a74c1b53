"""Only what changed travels: two sides, and the bytes that pass between them."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gimmal.base.errors import InternalError, Interrupted, ProtocolViolation
from gimmal.protocol.chunk_messages import Chunks, ListChunks
from gimmal.protocol.codes import Code
from gimmal.protocol.features import DELTA, OFFERED
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Answer, Request, Write
from gimmal.remote.copy_deciding import CopyOptions, Existing
from gimmal.remote.limit import Limit
from gimmal.remote.limited_files import LimitedFiles
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import RemoteFiles
from gimmal.share import chunking
from gimmal.share.part_reusing import ReusingWriter
from gimmal.share.service import ShareSession
from tests.figures import figure
from tests.remote.two_sides import Sides, TwoSides, copy_between

MIB = 1 << 20
OLD = random.Random(1).randbytes(10 * MIB + 123)
REPLACING = CopyOptions(Existing.OVERWRITE)
WAYS = ["up", "down"]


@pytest.fixture(autouse=True)
def far_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the two sides were far apart, so that comparing pays."""
    monkeypatch.setattr(RemoteFiles, "round_trip", property(lambda _self: 0.05))


class Copied:
    """One file that replaces another, copied."""

    def __init__(
        self,
        base: Path,
        way: str,
        old: bytes = OLD,
        new: bytes = OLD,
        options: CopyOptions = REPLACING,
        features: int = OFFERED,
    ) -> None:
        self.sides = TwoSides(base, far_features=features)
        source, target = (self.sides.near, self.sides.far) if way == "up" else (self.sides.far, self.sides.near)
        self.source, self.target = source / "file", target / "file"
        self.old, self.new, self.options, self.way = old, new, options, way
        self.target.write_bytes(old)
        os.utime(self.target, (1, 1))
        self.source.write_bytes(new)
        self.progress = Progress()
        self.wire = 0

    def copy(self, around: Callable[[Sides], Sides] = lambda sides: sides) -> Copied:
        async def work(sides: Sides) -> None:
            try:
                await self.over(around(sides))
            finally:
                self.wire += sides.wire_bytes

        self.sides.run(work)
        return self

    async def over(self, sides: Sides) -> None:
        """Over a session at hand."""
        ends = ("near/file", "far/file") if self.way == "up" else ("far/file", "near/file")
        await copy_between(sides, *ends, self.progress, self.options)

    def check(self) -> Copied:
        assert self.progress.failures == []
        assert self.target.read_bytes() == self.new
        assert self.target.stat().st_mtime_ns == self.source.stat().st_mtime_ns
        assert sorted(path.name for path in self.target.parent.iterdir()) == ["file"]
        return self


CHANGES = {
    "insertion at the front": b"front" * 10_000 + OLD,
    "insertion in the middle": OLD[: 5 * MIB] + b"middle" * 10_000 + OLD[5 * MIB :],
    "deletion at the front": OLD[MIB + 17 :],
    "deletion in the middle": OLD[: 3 * MIB] + OLD[4 * MIB :],
    "append": OLD + b"more" * 5000,
    "truncation": OLD[: -2 * MIB],
    "identical": OLD,
    "two halves exchanged": OLD[5 * MIB :] + OLD[: 5 * MIB],
    "one byte in the middle": OLD[: 5 * MIB] + b"x" + OLD[5 * MIB + 1 :],
    "twice": OLD + OLD,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_travels_and_little_more(tmp_path: Path, way: str, change: str) -> None:
    new = CHANGES[change]
    copied = Copied(tmp_path, way, new=new).copy().check()
    # A chunk is at most 256 KiB, and each change may cost a few of them; then lists and messages.
    assert copied.wire < 1.2 * MIB, (change, copied.wire)
    assert copied.progress.reused_bytes > len(new) - 1.2 * MIB
    assert copied.progress.bytes == len(new)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", ["--whole-file", "a peer without the bit"])
def test_all_travels_where_it_is_to(tmp_path: Path, way: str, which: str) -> None:
    options = CopyOptions(Existing.OVERWRITE, whole_files=which == "--whole-file")
    features = OFFERED if which == "--whole-file" else OFFERED & ~DELTA
    copied = Copied(tmp_path, way, new=b"x" + OLD, options=options, features=features).copy().check()
    assert copied.wire > len(OLD)
    assert copied.progress.reused_bytes == 0


@pytest.mark.parametrize("way", WAYS)
def test_nothing_in_common_costs_a_list_and_no_more(tmp_path: Path, way: str) -> None:
    new = random.Random(2).randbytes(len(OLD))
    copied = Copied(tmp_path, way, new=new).copy().check()
    assert copied.progress.reused_bytes == 0
    assert copied.wire < 1.01 * len(new)


@pytest.mark.parametrize("way", WAYS)
def test_a_near_line_is_measured_and_a_fast_one_takes_all(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemoteFiles, "round_trip", property(lambda _self: 0.0002))
    old = random.Random(3).randbytes(24 * MIB)
    monkeypatch.setattr("gimmal.remote.delta_policy.COMPARE_RATE", 1e12 if way == "up" else 1.0)
    copied = Copied(tmp_path, way, old=old, new=b"x" + old).copy().check()
    if way == "up":
        assert 15 * MIB < copied.progress.reused_bytes < 16.1 * MIB  # all but the blocks that measured it
    else:
        assert copied.progress.reused_bytes == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_line_limited_by_the_person_counts_as_that_slow(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemoteFiles, "round_trip", property(lambda _self: 0.0002))

    def limited(sides: Sides) -> Sides:
        return Sides(
            sides.near, LimitedFiles(sides.session, Limit(10_000_000), sides.workers), sides.session, sides.workers
        )

    copied = Copied(tmp_path, way, new=b"x" + OLD).copy(limited).check()
    assert copied.progress.reused_bytes > 9 * MIB


@pytest.mark.parametrize("way", WAYS)
def test_several_pages(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunking, "CHUNKS_PAGE_BYTES", MIB)
    copied = Copied(tmp_path, way, new=OLD[MIB:] + b"x" * 1000 + OLD[:MIB]).copy().check()
    assert copied.wire < 1.5 * MIB


@pytest.mark.parametrize("way", WAYS)
def test_holes_stay_holes(tmp_path: Path, way: str) -> None:
    copied = Copied(tmp_path, way)
    copied.new = OLD[: 4 * MIB] + bytes(32 * MIB) + OLD[4 * MIB :]
    with open(copied.source, "wb") as file:
        file.write(OLD[: 4 * MIB])
        file.seek(36 * MIB)
        file.write(OLD[4 * MIB :])
    if copied.source.stat().st_blocks * 512 > 20 * MIB:
        pytest.skip("no holes on this disk")
    copied.copy().check()
    assert copied.progress.reused_bytes > 9 * MIB
    assert copied.target.stat().st_blocks * 512 < 16 * MIB


Edit = tuple[str, int, int]


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(
        st.tuples(
            st.sampled_from(["insert", "delete", "replace", "move"]), st.integers(0, 1 << 30), st.integers(0, MIB)
        ),
        max_size=12,
    ),
    seed=st.integers(0, 1000),
)
def test_random_edits(tmp_path_factory: pytest.TempPathFactory, way: str, edits: list[Edit], seed: int) -> None:
    rng = random.Random(seed)
    new = OLD
    for what, place, length in edits:
        at = place % (len(new) + 1)
        if what == "insert":
            new = new[:at] + rng.randbytes(length) + new[at:]
        elif what == "delete":
            new = new[:at] + new[at + length :]
        elif what == "replace":
            new = new[:at] + rng.randbytes(min(length, len(new) - at)) + new[at + length :]
        else:
            new = new[at:] + new[:at]
    copied = Copied(tmp_path_factory.mktemp("edits"), way, new=new).copy().check()
    assert copied.wire < len(new) * 1.01 + 0.2 * MIB


# What does not hold still, and who does not tell the truth -----------------------------------------------------------


class Lying(RemoteFiles):
    """The other side's files, whose lists of chunks are changed on the way."""

    lie: Callable[[Chunks], Chunks]

    async def ask(self, request: Request, deadline: float | None = 10.0) -> Answer:
        answer = await super().ask(request, deadline)
        return self.lie(answer) if isinstance(answer, Chunks) else answer


def with_lies(lie: Callable[[Chunks], Chunks]) -> Callable[[Sides], Sides]:
    def around(sides: Sides) -> Sides:
        far = Lying(sides.session)
        far.lie = lie  # type: ignore[method-assign]
        return Sides(sides.near, far, sides.session, sides.workers)

    return around


def entries(answer: Chunks) -> list[bytes]:
    return [answer.chunks[at : at + 12] for at in range(0, len(answer.chunks), 12)]


def shuffled(answer: Chunks) -> Chunks:
    """Digests of other chunks of the same size are what is not there: give each the digest of its neighbour."""
    some = entries(answer)
    return Chunks(
        b"".join(one[:4] + two[4:] for one, two in zip(some, [*some[1:], some[0]], strict=True)), answer.blocks
    )


def other_blocks(answer: Chunks) -> Chunks:
    return Chunks(answer.chunks, bytes(len(answer.blocks)))


def shifted(answer: Chunks) -> Chunks:
    """Sizes that add up, and lie: 16 bytes of each second chunk are given to the one before."""
    some = [(int.from_bytes(one[:4], "big"), one[4:]) for one in entries(answer)]
    for at in range(0, len(some) - 1, 2):
        if some[at][0] + 16 <= 262_144 and some[at + 1][0] - 16 >= 16_384:
            some[at], some[at + 1] = (some[at][0] + 16, some[at][1]), (some[at + 1][0] - 16, some[at + 1][1])
    return Chunks(b"".join(size.to_bytes(4, "big") + digest for size, digest in some), answer.blocks)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lie", [shuffled, other_blocks, shifted], ids=lambda lie: lie.__name__)
def test_a_list_that_lies_costs_bytes_and_never_makes_wrong_ones(
    tmp_path: Path, way: str, lie: Callable[[Chunks], Chunks]
) -> None:
    new = b"front" * 1000 + OLD
    copied = Copied(tmp_path, way, new=new).copy(with_lies(lie)).check()
    assert copied.wire < 2.2 * len(new)


def test_one_chunk_listed_under_the_digest_of_another_makes_no_wrong_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two chunks of one size exchange their digests on one side, so that both are found, in the wrong place."""
    old = random.Random(4).randbytes(MIB) * 10

    def lie(answer: Chunks) -> Chunks:
        some = entries(answer)
        by_size: dict[bytes, list[int]] = {}
        for at, one in enumerate(some):
            by_size.setdefault(one[:4], []).append(at)
        digests = sorted({one[4:] for one in some})
        swapped = dict(zip(digests, [*digests[1:], digests[0]], strict=True))
        return Chunks(b"".join(one[:4] + swapped[one[4:]] for one in some), answer.blocks)

    for way in WAYS:
        base = tmp_path / way
        base.mkdir()
        Copied(base, way, old=old, new=old + b"x").copy(with_lies(lie)).check()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "lie",
    [
        lambda answer: Chunks(answer.chunks + answer.chunks, answer.blocks),
        lambda answer: Chunks(answer.chunks[:-1], answer.blocks),
        lambda answer: Chunks(b"", b""),
        lambda answer: Chunks(b"\0\0\0\1" + bytes(8) + answer.chunks, answer.blocks),
        lambda answer: Chunks(answer.chunks, answer.blocks + bytes(32)),
    ],
    ids=["longer than the file", "cut", "without end", "a chunk too small", "a block too many"],
)
def test_a_list_that_makes_no_sense_ends_the_copy(tmp_path: Path, way: str, lie: Callable[[Chunks], Chunks]) -> None:
    copied = Copied(tmp_path, way, new=b"x" + OLD)
    with pytest.raises(ProtocolViolation):
        copied.copy(with_lies(lie))
    assert copied.target.read_bytes() == OLD


@pytest.mark.parametrize("way", WAYS)
def test_a_fault_while_lists_come_ends_the_copy(tmp_path: Path, way: str) -> None:
    def fail(_answer: Chunks) -> Chunks:
        raise ValueError("a bug")

    copied = Copied(tmp_path, way, new=b"x" + OLD)
    with pytest.raises(InternalError):
        copied.copy(with_lies(fail))
    assert copied.target.read_bytes() == OLD


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("when", ["first list", "second list", "first block", "third block"])
def test_an_old_version_that_changes_meanwhile_is_not_replaced(
    tmp_path: Path, way: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "CHUNKS_PAGE_BYTES", 4 * MIB)
    copied = Copied(tmp_path, way, new=b"x" * 1000 + OLD)
    kind, count = {
        "first list": (ListChunks, 1),
        "second list": (ListChunks, 2),
        "first block": (Write, 1),
        "third block": (Write, 3),
    }[when]
    seen = 0

    def meet(request: Request) -> None:
        nonlocal seen
        mine = isinstance(request, kind) and getattr(request, "path", "/file").endswith("/file")
        if mine and (kind is Write or not request.blocks):  # type: ignore[union-attr]
            seen += 1
            if seen == count:
                copied.target.write_bytes(b"written meanwhile" + OLD)

    answer, begin = ShareSession.answer, ShareSession.begin_write

    def watched_answer(self: ShareSession, request: Request) -> Answer:
        meet(request)
        return answer(self, request)

    def watched_begin(self: ShareSession, request: Write) -> Any:
        meet(request)
        return begin(self, request)

    monkeypatch.setattr(ShareSession, "answer", watched_answer)
    monkeypatch.setattr(ShareSession, "begin_write", watched_begin)
    copied.copy()
    assert seen >= count
    assert copied.target.read_bytes() == b"written meanwhile" + OLD
    assert [reason for _name, reason in copied.progress.failures] == ["the file changed meanwhile"]


@pytest.mark.parametrize("way", WAYS)
def test_a_source_that_changes_meanwhile_fails(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = Copied(tmp_path, way, new=b"x" * 1000 + OLD)
    answer = ShareSession.answer

    def watched(self: ShareSession, request: Request) -> Answer:
        given = answer(self, request)
        if isinstance(request, ListChunks) and request.blocks:
            copied.source.write_bytes(b"other" + OLD)
        return given

    monkeypatch.setattr(ShareSession, "answer", watched)
    copied.copy()
    assert "changed" in copied.progress.failures[0][1]
    assert copied.target.read_bytes() == OLD


@pytest.mark.parametrize("way", WAYS)
def test_an_old_version_overwritten_in_place_costs_blocks_sent_whole(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its version stays the same: size, identity, and the time set back. What is read is verified, not trusted."""
    copied = Copied(tmp_path, way, new=b"x" * 1000 + OLD)
    begin = ShareSession.begin_write
    done = []

    def watched(self: ShareSession, request: Write) -> Any:
        if not done:
            done.append(1)
            with open(copied.target, "r+b") as file:
                file.seek(5 * MIB)
                file.write(b"scribbled over")
            os.utime(copied.target, (1, 1))
        return begin(self, request)

    monkeypatch.setattr(ShareSession, "begin_write", watched)
    copied.copy().check()
    assert BLOCK_SIZE < copied.wire < 2.5 * BLOCK_SIZE


@pytest.mark.parametrize("way", WAYS)
def test_an_old_version_that_cannot_be_read_is_no_reason_not_to_replace_it(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ReusingWriter, place: int, offset: int, length: int) -> None:
        self._failure = Code.INPUT_OUTPUT

    monkeypatch.setattr(ReusingWriter, "_take", fail)
    copied = Copied(tmp_path, way, new=b"x" * 1000 + OLD).copy().check()
    assert copied.progress.reused_bytes == 0


# Interruptions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [1, 2, 5])
def test_an_interrupted_copy_goes_on(tmp_path: Path, way: str, after: int) -> None:
    old = random.Random(5).randbytes(32 * MIB)
    new = old[: 13 * MIB] + b"inserted" * 1000 + old[13 * MIB :]
    copied = Copied(tmp_path, way, old=old, new=new)

    def cut(progress: Progress) -> None:
        if progress.bytes >= after * BLOCK_SIZE:
            raise Interrupted("cut by the test")

    copied.progress.changed = cut
    with pytest.raises(Interrupted):
        copied.copy()
    assert copied.target.read_bytes() == old
    copied.progress = Progress()
    copied.copy().check()
    assert copied.progress.resumed_bytes >= (after - 1) * BLOCK_SIZE
    assert copied.progress.resumed_bytes + copied.progress.reused_bytes > len(new) - MIB
    assert copied.wire < 2 * MIB


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_that_is_cancelled_leaves_nothing_running(tmp_path: Path, way: str) -> None:
    copied = Copied(tmp_path, way, new=b"x" * 1000 + OLD)

    async def work(sides: Sides) -> None:
        task = asyncio.create_task(copied.over(sides))
        copied.progress.changed = lambda progress: task.cancel() if progress.bytes else None
        with pytest.raises(asyncio.CancelledError):
            await task
        names = {one.get_name() for one in asyncio.all_tasks()}
        assert not any("chunks" in name for name in names), names

    copied.sides.run(work)
    assert copied.target.read_bytes() == OLD


def test_files_side_by_side(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)
    for folder in (sides.near / "tree", sides.far / "tree"):
        folder.mkdir()
    contents = {}
    for number in range(9):
        content = random.Random(number).randbytes(3 * MIB)
        (sides.far / "tree" / f"{number}").write_bytes(content)
        os.utime(sides.far / "tree" / f"{number}", (1, 1))
        contents[f"{number}"] = content[:MIB] + b"new" * number + content[MIB:]
        (sides.near / "tree" / f"{number}").write_bytes(contents[f"{number}"])
    progress = Progress()

    async def work(some: Sides) -> int:
        await copy_between(some, "near/tree", "far/tree", progress, REPLACING)
        return some.wire_bytes

    wire = sides.run(work)
    assert progress.failures == []
    assert {path.name: path.read_bytes() for path in (sides.far / "tree").iterdir()} == contents
    assert wire < 9 * 0.7 * MIB


def test_figures(tmp_path: Path) -> None:
    """64 MiB and 1 MiB at the front; the full figure is in docs/decisions/0054-only-changes-travel.md."""
    old = random.Random(6).randbytes(64 * MIB)
    for way in WAYS:
        base = tmp_path / way
        base.mkdir()
        copied = Copied(base, way, old=old, new=random.Random(7).randbytes(MIB) + old).copy().check()
        figure(
            f"64 MiB with 1 MiB inserted at the front, {way}: MiB on the wire", round(copied.wire / MIB, 2), "<= 1.5"
        )
        assert copied.wire <= 1.5 * MIB
