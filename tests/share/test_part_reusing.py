"""A Write that takes stretches from the file it is going to replace."""

from __future__ import annotations

import os
import random
import threading
from typing import Any

import pytest

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import file_digest
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Answer, Commit, Done, Failed, Found, OpenPart, PartOpened, Replace, Version, Write
from gimmal.protocol.reused import gaps_of
from gimmal.share.part_reusing import ReusingWriter
from gimmal.transport.exchange import Piece
from tests.share.rig import MTIME, SOURCE, Rig

OLD = random.Random(1).randbytes(3 * BLOCK_SIZE)
NEW = b"new" + OLD[: BLOCK_SIZE - 3]
REUSED = ((3, 0, BLOCK_SIZE - 3),)


def version(rig: Rig) -> Version:
    state = (rig.rw / "file").stat()
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def opened(rig: Rig, size: int = BLOCK_SIZE, **more: Any) -> int:
    """A part that is to replace the old version."""
    (rig.rw / "file").write_bytes(OLD)
    answer = rig.session.answer(OpenPart("rw/file", size, SOURCE, Replace.EXPECTED, version(rig), **more))
    assert isinstance(answer, PartOpened), answer
    return answer.part


def write(
    rig: Rig, part: int, block: bytes = NEW, reused: Any = REUSED, digest: bytes | None = None, piece: int = 1 << 20
) -> Answer:
    """Write a block whose gaps come in pieces."""
    writer = rig.session.begin_write(Write(part, 0, len(block), reused=reused))
    if isinstance(writer, Failed):
        return writer
    gaps = gaps_of(len(block), reused)
    assert gaps is not None
    pieces = [
        Piece(memoryview(block)[at : min(at + piece, end)], None, at)
        for start, end in gaps
        for at in range(start, end, piece)
    ]
    writer.write_pieces(pieces[:-1])
    return writer.finish(digest or blake3_digest(block), pieces[-1:])


def commit(rig: Rig, part: int, block: bytes = NEW) -> Answer:
    return rig.session.answer(Commit(part, file_digest(len(block), [blake3_digest(block)]), MTIME))


@pytest.mark.parametrize(
    ("block", "reused"),
    [
        (NEW, REUSED),
        (OLD[BLOCK_SIZE : 2 * BLOCK_SIZE], ((0, BLOCK_SIZE, BLOCK_SIZE),)),
        (OLD[5:50] + b"middle" + OLD[9_000:9_100] + b"end", ((0, 5, 45), (51, 9_000, 100))),
        (OLD[100:200] + OLD[:100] + b"x" * 3_000_000, ((0, 100, 100), (100, 0, 100))),
        (b"y" * 3_000_000 + OLD[-1:], ((3_000_000, 3 * BLOCK_SIZE - 1, 1),)),
    ],
    ids=["insertion", "a whole block", "both ends and the middle", "exchanged", "the last byte"],
)
def test_what_is_put_together_is_the_block(rig: Rig, block: bytes, reused: Any) -> None:
    part = opened(rig, len(block))
    assert write(rig, part, block, reused) == Done()
    assert isinstance(commit(rig, part, block), Found)
    assert (rig.rw / "file").read_bytes() == block


@pytest.mark.parametrize("seed", range(20))
def test_random_stretches(rig: Rig, seed: int) -> None:
    rng = random.Random(seed)
    block, reused = b"", []
    while len(block) < 1_000_000:
        if rng.random() < 0.5:
            offset, length = rng.randrange(len(OLD) - 300_000), rng.randrange(1, 300_000)
            reused.append((len(block), offset, length))
            block += OLD[offset : offset + length]
        if rng.random() < 0.5:
            block += rng.randbytes(rng.randrange(1, 100_000))
    part = opened(rig, len(block))
    assert write(rig, part, block, tuple(reused), piece=rng.choice([1000, 50_000, 1 << 20])) == Done()
    assert isinstance(commit(rig, part, block), Found)
    assert (rig.rw / "file").read_bytes() == block


def test_a_digest_that_does_not_fit_leaves_the_block_missing(rig: Rig) -> None:
    part = opened(rig)
    assert write(rig, part, reused=((3, 1, BLOCK_SIZE - 3),)) == Failed(Code.CORRUPT)
    assert commit(rig, part) == Failed(Code.INVALID)
    assert write(rig, part) == Done()
    assert isinstance(commit(rig, part), Found)


def test_an_old_version_that_changed_is_not_used(rig: Rig) -> None:
    part = opened(rig)
    (rig.rw / "file").write_bytes(OLD[:-1])
    assert write(rig, part) == Failed(Code.CHANGED)
    (rig.rw / "file").unlink()
    assert write(rig, part) == Failed(Code.NOT_FOUND)


def test_one_that_changes_while_it_is_read_costs_the_block_and_no_more(rig: Rig) -> None:
    part = opened(rig)
    writer = rig.session.begin_write(Write(part, 0, BLOCK_SIZE, reused=REUSED))
    assert isinstance(writer, ReusingWriter)
    with open(rig.rw / "file", "r+b") as file:
        file.seek(1000)
        file.write(b"other bytes")
    assert writer.finish(blake3_digest(NEW), [Piece(memoryview(b"new"), None, 0)]) == Failed(Code.CORRUPT)
    writer = rig.session.begin_write(Write(part, 0, 3, reused=REUSED))
    assert writer == Failed(Code.INVALID)


def test_one_that_is_cut_short_while_it_is_read(rig: Rig) -> None:
    part = opened(rig)
    writer = rig.session.begin_write(Write(part, 0, BLOCK_SIZE, reused=REUSED))
    assert isinstance(writer, ReusingWriter)
    os.truncate(rig.rw / "file", 1_000_000)
    assert writer.finish(blake3_digest(NEW), [Piece(memoryview(b"new"), None, 0)]) == Failed(Code.CHANGED)
    # The block can be begun again: nothing holds it.
    whole = rig.session.begin_write(Write(part, 0, BLOCK_SIZE))
    assert not isinstance(whole, Failed)
    assert whole.finish(blake3_digest(NEW), [Piece(memoryview(NEW), None, 0)]) == Done()


@pytest.mark.parametrize(
    "reused",
    [((3, len(OLD) - 5, 6),), ((0, 0, BLOCK_SIZE + 1),), ((5, 0, 1), (0, 0, 1)), ((0, (1 << 63) - 1, 5),)],
    ids=["beyond the old version", "beyond the block", "out of order", "far beyond"],
)
def test_what_makes_no_sense_is_invalid(rig: Rig, reused: Any) -> None:
    assert rig.session.begin_write(Write(opened(rig), 0, BLOCK_SIZE, reused=reused)) == Failed(Code.INVALID)


def test_nothing_is_taken_where_no_version_is_expected(rig: Rig) -> None:
    answer = rig.session.answer(OpenPart("rw/new", BLOCK_SIZE, SOURCE, Replace.ALWAYS))
    assert isinstance(answer, PartOpened)
    assert rig.session.begin_write(Write(answer.part, 0, BLOCK_SIZE, reused=REUSED)) == Failed(Code.INVALID)
    assert rig.session.begin_write(Write(99, 0, BLOCK_SIZE, reused=REUSED)) == Failed(Code.UNKNOWN_PART)


def test_zeros_become_holes_in_a_sparse_part(rig: Rig) -> None:
    block = OLD[:8192] + bytes(BLOCK_SIZE - 16_384) + OLD[8192:16_384]
    part = opened(rig, BLOCK_SIZE, data=((0, 1),))
    assert write(rig, part, block, ((0, 0, 8192), (BLOCK_SIZE - 8192, 8192, 8192))) == Done()
    assert isinstance(commit(rig, part, block), Found)
    assert (rig.rw / "file").read_bytes() == block
    assert (rig.rw / "file").stat().st_blocks * 512 < BLOCK_SIZE // 2


def test_nothing_stays_open(rig: Rig) -> None:
    part = opened(rig)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        assert write(rig, part) == Done()
        assert write(rig, part, digest=bytes(32)) == Failed(Code.CORRUPT)
        writer = rig.session.begin_write(Write(part, 0, BLOCK_SIZE, reused=REUSED))
        assert isinstance(writer, ReusingWriter)
        writer.abandon()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_session_that_ends_closes_nothing_under_a_thread(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = rig.session.begin_write(Write(opened(rig), 0, BLOCK_SIZE, reused=REUSED))
    assert isinstance(writer, ReusingWriter)
    old, read, close = writer._old, os.preadv, os.close
    reading, go_on = threading.Event(), threading.Event()
    events: list[str] = []

    def preadv(descriptor: int, buffers: Any, offset: int) -> int:
        if threading.current_thread() is not working:
            return read(descriptor, buffers, offset)  # what an earlier test left to a thread of its own
        reading.set()
        assert go_on.wait(10)
        events.append("read" if descriptor == old else "read another file")
        return read(descriptor, buffers, offset)

    def noted(descriptor: int) -> None:
        if descriptor == old:
            events.append("closed")
        close(descriptor)

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(os, "close", noted)
    pieces = [Piece(memoryview(b"new"), None, 0)]
    working = threading.Thread(target=writer.finish, args=(blake3_digest(NEW), pieces))
    ending = threading.Thread(target=writer.abandon)
    working.start()
    assert reading.wait(10)
    ending.start()
    ending.join(0.3)  # it has to wait; if it does not, it is over by then
    go_on.set()
    working.join()
    ending.join()
    assert events[-1] == "closed"
    assert set(events[:-1]) == {"read"}
