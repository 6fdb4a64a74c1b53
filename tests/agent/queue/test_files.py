"""Both ends of a queued transfer: one bound of memory for all, part files remembered, a pause that lets things end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from gimmal.agent.queue.advance import UNFINISHED_PARTS_MAX, UnfinishedPart
from gimmal.agent.queue.files import Flow, Parts, QueuedFiles, Room
from gimmal.agent.queue.machine import RUNNING_MAX
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.protocol.messages import Answer, Commit, Discard, Done, Failed, OpenPart, PartOpened, Replace, Reused
from gimmal.remote.copy import CopyJob, copy_once
from gimmal.remote.copy_plan import Named
from gimmal.remote.copy_tree import CopyOptions
from gimmal.remote.files import Block, Files
from gimmal.remote.files_around import FilesAround
from gimmal.remote.progress import Progress
from gimmal.remote.remote_files import BLOCKS_MAX
from tests.remote.two_sides import Sides, TwoSides

DONE: Answer = Done()


def part_request(path: str, replace: Replace = Replace.NEVER) -> OpenPart:
    return OpenPart(path, 1, bytes(16), replace)


def test_the_share_of_each_is_a_part_of_the_same_whole() -> None:
    room = Room()
    shares = []
    for room.transfers in range(1, 6):
        shares.append(room.share)
        assert room.share * room.transfers <= BLOCKS_MAX
    assert shares == [12, 6, 4, 3, 2]
    assert sum(shares[:RUNNING_MAX]) == 22, "as the module says"


class Counting(FilesAround):
    """The tree itself, which counts the blocks that are being written at a time."""

    now = most = 0

    async def write_block(
        self,
        part: int,
        offset: int,
        length: int,
        load: Callable[[], Awaitable[Block]],
        *,
        sparse: bool = False,
        reused: Reused = (),
    ) -> bytes:
        Counting.now += 1
        Counting.most = max(Counting.most, Counting.now)
        try:
            return await super().write_block(part, offset, length, load, sparse=sparse, reused=reused)
        finally:
            Counting.now -= 1


def test_transfers_at_once_have_no_more_blocks_in_memory_than_one(tmp_path: Path) -> None:
    Counting.now = Counting.most = 0
    sides = TwoSides(tmp_path)
    count = 4
    for index in range(count):
        (sides.near / f"large{index}").write_bytes(bytes([index]) * (12 * BLOCK_SIZE))

    async def work(both: Sides) -> None:
        room = Room()
        room.transfers = count

        def around(files: Files, flow: Flow, parts: Parts) -> Files:
            return QueuedFiles(Counting(files), room, flow, parts, None)

        async def copy(index: int) -> None:
            flow, parts = Flow(), Parts()
            name = f"large{index}"
            job = CopyJob([Named(f"near/{name}", name, name)], Named("far", "far", "far"), False, CopyOptions())
            progress = Progress()
            await copy_once(around(both.near, flow, parts), around(both.far, flow, parts), job, progress)
            assert not progress.failed, progress.failures
            assert parts.unfinished == ()

        await asyncio.gather(*[copy(index) for index in range(count)])

    sides.run(work)
    assert BLOCKS_MAX // 2 < Counting.most <= BLOCKS_MAX
    for index in range(count):
        assert (sides.far / f"large{index}").read_bytes() == (sides.near / f"large{index}").read_bytes()


def test_a_pause_lets_end_what_is_under_way_and_nothing_begin() -> None:
    async def main() -> None:
        flow = Flow()
        order = []
        go_on = asyncio.Event()

        async def one() -> None:
            await flow.begin()
            await go_on.wait()
            order.append("ended")
            flow.end()

        async def late() -> None:
            await flow.begin()
            order.append("begun late")

        first = asyncio.ensure_future(one())
        await asyncio.sleep(0)
        drained = asyncio.ensure_future(flow.drain(5))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(late())
        await asyncio.sleep(0)
        assert not drained.done()
        go_on.set()
        await drained
        assert order == ["ended"]
        assert not second.done()
        second.cancel()
        await first
        # What does not end in time is not waited for.
        slow = Flow()
        await slow.begin()
        await slow.drain(0.01)

    asyncio.run(main())


def test_parts_are_known_until_they_are_placed_or_removed() -> None:
    parts = Parts([UnfinishedPart("here/old", False, True)])
    for number, (path, far) in enumerate([("s/a", True), ("s/b", True), ("here/c", False), ("s/d", True)]):
        request = part_request(path, Replace.ALWAYS if path == "s/b" else Replace.NEVER)
        parts.began(request, far=far)
        parts.answered(request, PartOpened(number, []), far=far)
    parts.answered(Commit(0, b"", 0, 0), DONE, far=True)
    parts.answered(Discard(1, False), DONE, far=True)
    parts.answered(Discard(2, True), DONE, far=True)  # of the other side: another part than 2 of this one
    parts.answered(Discard(3, True), Failed(Code.NOT_FOUND), far=True)
    assert set(parts.unfinished) == {
        UnfinishedPart("here/old", False, True),
        UnfinishedPart("s/b", True, False),
        UnfinishedPart("here/c", False, True),
        UnfinishedPart("s/d", True, True),
    }
    # Opened again after the session was lost, under another number.
    parts.session_over()
    parts.answered(Commit(3, b"", 0, 0), DONE, far=True)
    parts.began(part_request("s/d"), far=True)
    parts.answered(part_request("s/d"), PartOpened(0, []), far=True)
    parts.answered(Commit(0, b"", 0, 0), DONE, far=True)
    assert UnfinishedPart("s/d", True, True) not in parts.unfinished


def test_a_part_whose_opening_was_not_answered_is_known_too() -> None:
    parts = Parts()
    parts.began(part_request("s/a"), far=True)
    assert parts.unfinished == (UnfinishedPart("s/a", True, True),)
    for index in range(100):
        parts.began(part_request(f"s/{index}"), far=True)
    assert len(parts.unfinished) == UNFINISHED_PARTS_MAX
    assert parts.unfinished[-1].path == "s/99"


def test_one_that_is_open_is_not_forgotten_for_others_that_failed() -> None:
    parts = Parts()
    parts.began(part_request("s/large"), far=True)
    parts.answered(part_request("s/large"), PartOpened(1, []), far=True)
    for index in range(100):
        request = part_request(f"s/{index}")
        parts.began(request, far=True)
        parts.answered(request, Failed(Code.EXISTS), far=True)
    assert parts.unfinished == (UnfinishedPart("s/large", True, True),)
    for index in range(100):  # these may be there
        parts.began(part_request(f"s/{index}"), far=True)
    assert UnfinishedPart("s/large", True, True) in parts.unfinished
    assert len(parts.unfinished) == UNFINISHED_PARTS_MAX


def test_one_that_was_there_is_there_still_where_it_cannot_be_opened() -> None:
    known = UnfinishedPart("s/large", True, True)
    parts = Parts([known])
    parts.began(part_request("s/large"), far=True)
    parts.answered(part_request("s/large"), Failed(Code.NO_SPACE), far=True)
    assert parts.unfinished == (known,)
