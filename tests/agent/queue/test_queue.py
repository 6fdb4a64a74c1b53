"""The queue between two sides in one process: what runs, what is kept, and what happens where either refuses."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gimmal.agent.queue import files as files_module
from gimmal.agent.queue import run as run_module
from gimmal.agent.queue.messages import Act, TransfersQuestion, TransferView
from gimmal.agent.queue.order import CopyOrder, Order
from gimmal.agent.queue.queue import TransferQueue
from gimmal.agent.queue.store import QueueStore, Record
from gimmal.agent.queue.way import Host
from gimmal.base.errors import GimmalError, LocalError, PeerAbsent, ProtocolViolation
from gimmal.base.workers import Workers
from gimmal.protocol.limits import BLOCK_SIZE
from gimmal.remote.copy_deciding import CopyOptions
from gimmal.transport.buffers import BufferPool
from gimmal.transport.session import Session
from tests.endtoend.world import part_files
from tests.remote.two_sides import Sides, TwoSides

ENDED = ("done", "partly done", "failed", "cancelled")


@dataclass
class Rig:
    """A queue on the near side, and what it said."""

    sides: TwoSides
    session: Session
    said: list[str] = field(default_factory=list)
    there: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the other side is there."""
    workers: Workers = field(default_factory=Workers)
    asked: int = 0
    now: float = 1_700_000_000.0

    @asynccontextmanager
    async def queue(self) -> AsyncIterator[TransferQueue]:
        """A queue that was started, as after the agent has."""
        state = self.sides.base / "state"
        host = Host("a", state, bytes(32), BufferPool(), self.workers, self.peer)
        queue = TransferQueue(host, self.said.append, lambda: self.now)
        await queue.start()
        try:
            yield queue
        finally:
            await queue.close()

    async def peer(self, deadline: float) -> Session:
        self.asked += 1
        if not self.there.is_set():
            raise PeerAbsent("it is not there")
        return self.session

    def order(self, *names: str, target: str = ":far", limit: int | None = None) -> Order:
        sources = [os.fsencode(self.sides.near / name) for name in names]
        return CopyOrder(sources, target.encode(), True, CopyOptions(), limit)


def run(base: Path, work: Callable[[Rig], Awaitable[None]]) -> TwoSides:
    sides = TwoSides(base)

    async def main(both: Sides) -> None:
        rig = Rig(sides, both.session)
        rig.there.set()
        try:
            await work(rig)
        finally:
            rig.workers.close()

    sides.run(main)
    return sides


async def view(queue: TransferQueue, number: int) -> TransferView:
    (one,) = await queue.answer(TransfersQuestion(Act.SHOW, number))
    return one


async def until(queue: TransferQueue, number: int, holds: Callable[[TransferView], bool]) -> TransferView:
    while not holds(one := await view(queue, number)):
        await asyncio.sleep(0.01)
    return one


async def ended(queue: TransferQueue, number: int) -> TransferView:
    return await until(queue, number, lambda one: one.state in ENDED and not one.running)


def test_one_is_queued_run_and_remembered(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "file").write_bytes(b"x" * 1000)

    async def work(rig: Rig) -> None:
        async with rig.queue() as queue:
            number = await queue.add(rig.order("file"))
            one = await ended(queue, number)
            assert (one.state, one.counts.files, one.counts.bytes) == ("done", 1, 1000)
        assert rig.said == ["transfer: 1 done"]
        async with rig.queue() as queue:
            again = await view(queue, number)
            assert (again.state, again.counts, again.ended) == (one.state, one.counts, rig.now)
            rig.now += 31 * 24 * 3600
            assert await queue.answer(TransfersQuestion(Act.LIST)) == []

    run(tmp_path, work)
    assert (tmp_path / "far" / "file").read_bytes() == b"x" * 1000


def test_what_the_disk_does_not_keep_did_not_happen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = False
    keep = QueueStore.append

    def append(store: QueueStore, records: list[Record], *, durable: bool) -> None:
        if full:
            raise LocalError("no room", "make some")
        keep(store, records, durable=durable)

    monkeypatch.setattr(QueueStore, "append", append)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "file").write_bytes(b"x" * 1000)

    async def work(rig: Rig) -> None:
        nonlocal full
        rig.there.clear()
        async with rig.queue() as queue:
            first = await queue.add(rig.order("file"))
            full = True
            with pytest.raises(LocalError, match="no room"):
                await queue.add(rig.order("file", target=":far/other"))
            with pytest.raises(LocalError, match="no room"):
                await queue.answer(TransfersQuestion(Act.PAUSE, first))
            assert [one.state for one in await queue.answer(TransfersQuestion(Act.LIST))] != ["paused"]
            full = False
            assert await queue.add(rig.order("file", target=":far/third")) == first + 1
            # The end of a transfer is an end, whether or not it can be noted.
            await until(queue, first, lambda one: one.running)
            full = True
            rig.there.set()
            assert (await ended(queue, first)).state == "failed", "where it goes could not be noted"
            full = False
        async with rig.queue() as queue:
            assert (await ended(queue, first)).state == "done"
            assert (await ended(queue, first + 1)).state == "done"

    run(tmp_path, work)
    assert not (tmp_path / "far" / "other").exists()


def test_a_session_that_breaks_is_followed_by_others_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "RETRY_MOST", 0.001)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "file").write_bytes(b"x")
    broken = 0

    async def work(rig: Rig) -> None:
        nonlocal broken
        sound = rig.peer

        async def peer(deadline: float) -> Session:
            nonlocal broken
            if broken:
                broken -= 1
                raise ProtocolViolation("a bit was flipped")
            return await sound(deadline)

        rig.peer = peer  # type: ignore[method-assign]
        async with rig.queue() as queue:
            broken = run_module.FAULTS_MAX
            assert (await ended(queue, await queue.add(rig.order("file")))).state == "done"
            broken = run_module.FAULTS_MAX + 1
            failed = await ended(queue, await queue.add(rig.order("file", target=":far/2")))
            assert (failed.state, failed.message) == ("failed", "a bit was flipped")

    run(tmp_path, work)


@pytest.mark.parametrize("while_running", [True, False])
def test_cancelled_parts_are_removed_when_the_other_side_is_there(tmp_path: Path, while_running: bool) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "large").write_bytes(os.urandom(5 * BLOCK_SIZE))

    async def work(rig: Rig) -> None:
        async with rig.queue() as queue:
            number = await queue.add(rig.order("large", limit=BLOCK_SIZE * 4))
            await until(queue, number, lambda one: one.counts.bytes >= BLOCK_SIZE)
            if not while_running:
                await queue.answer(TransfersQuestion(Act.PAUSE, number))
                await until(queue, number, lambda one: not one.running)
            rig.there.clear()
            await queue.answer(TransfersQuestion(Act.CANCEL, number, True))
            await until(queue, number, lambda one: one.discarding)
            assert len(part_files(rig.sides.far)) == 1
            (rig.sides.near / "large").unlink()
        # Not before the agent was started again, and the other side is back.
        async with rig.queue() as queue:
            assert (await view(queue, number)).discarding
            assert await queue.answer(TransfersQuestion(Act.CLEAR)) == []
            rig.there.set()
            one = await until(queue, number, lambda one: not one.discarding)
            assert one.state == "cancelled"
        async with rig.queue() as queue:
            assert queue._items[number].advance.parts == ()
        assert part_files(rig.sides.far) == []

    run(tmp_path, work)


def test_what_was_done_is_told_also_before_it_goes_on_and_when_parts_are_removed(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "aaa").write_bytes(os.urandom(BLOCK_SIZE))
    (tmp_path / "near" / "large").write_bytes(os.urandom(5 * BLOCK_SIZE))

    async def work(rig: Rig) -> None:
        rig.sides.far.joinpath("to").mkdir()
        async with rig.queue() as queue:
            number = await queue.add(rig.order("aaa", "large", target=":far/to", limit=BLOCK_SIZE * 4))
            await until(queue, number, lambda one: one.counts.files == 1 and one.counts.bytes > BLOCK_SIZE)
            await queue.answer(TransfersQuestion(Act.PAUSE, number))
            paused = await until(queue, number, lambda one: not one.running)
            rig.there.clear()
            await queue.answer(TransfersQuestion(Act.RESUME, number))
            assert (await until(queue, number, lambda one: one.running)).counts == paused.counts
            await queue.answer(TransfersQuestion(Act.CANCEL, number, True))
            rig.there.set()
            one = await until(queue, number, lambda one: not one.discarding and not one.running)
            assert (one.state, one.counts.files) == ("cancelled", 1)

    run(tmp_path, work)


@pytest.mark.parametrize("then", ["resumed", "removed", "kept"])
def test_a_part_file_in_other_hands_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """As it is for a moment by a thread of a run that was stopped."""
    if then == "kept":
        monkeypatch.setattr(files_module, "PART_TRIES", 3)
    monkeypatch.setattr(files_module, "PART_SECONDS", 0.02)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "large").write_bytes(os.urandom(5 * BLOCK_SIZE))

    async def work(rig: Rig) -> None:
        async with rig.queue() as queue:
            number = await queue.add(rig.order("large", limit=BLOCK_SIZE * 4))
            await until(queue, number, lambda one: one.counts.bytes >= BLOCK_SIZE)
            await queue.answer(TransfersQuestion(Act.PAUSE, number))
            await until(queue, number, lambda one: not one.running)
            (part,) = part_files(rig.sides.far)
            with part.open("rb") as held:
                while True:
                    try:
                        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        break
                    except BlockingIOError:
                        await asyncio.sleep(0.01)
                act = Act.RESUME if then == "resumed" else Act.CANCEL
                await queue.answer(TransfersQuestion(act, number, act is Act.CANCEL))
                await until(queue, number, lambda one: one.running)
                if then == "kept":
                    one = await until(queue, number, lambda one: not one.running)
                    assert one.state == "cancelled"
                    assert one.message.startswith("a part file stays: :far/large: ")
            one = await until(queue, number, lambda one: not one.running)
            assert one.state == ("done" if then == "resumed" else "cancelled")
        assert bool(part_files(rig.sides.far)) == (then == "kept")

    run(tmp_path, work)


def test_a_paused_one_is_resumed_in_another_process_without_sending_again(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "large").write_bytes(os.urandom(6 * BLOCK_SIZE))

    async def work(rig: Rig) -> None:
        def sent() -> int:
            return sum(link.bytes_sent for link in rig.session.links)

        async with rig.queue() as queue:
            number = await queue.add(rig.order("large", limit=BLOCK_SIZE * 4))
            await until(queue, number, lambda one: one.counts.bytes >= 2 * BLOCK_SIZE)
            await queue.answer(TransfersQuestion(Act.PAUSE, number))
            had = (await until(queue, number, lambda one: not one.running)).counts.bytes
        before = sent()
        async with rig.queue() as queue:
            assert (await view(queue, number)).counts.bytes == had
            await queue.answer(TransfersQuestion(Act.RESUME))
            assert (await ended(queue, number)).counts.resumed_bytes >= had
        assert sent() - before <= 6 * BLOCK_SIZE - had + 100_000

    sides = run(tmp_path, work)
    assert (sides.far / "large").read_bytes() == (sides.near / "large").read_bytes()


def test_a_bug_ends_one_transfer_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "file").write_bytes(b"x")
    prepare = run_module.prepare

    def broken(order: Order, *, make: bool) -> object:
        if order.target == b":far/broken":
            raise RuntimeError("a bug")
        return prepare(order, make=make)

    monkeypatch.setattr(run_module, "prepare", broken)

    async def work(rig: Rig) -> None:
        async with rig.queue() as queue:
            first = await queue.add(rig.order("file", target=":far/broken"))
            second = await queue.add(rig.order("file"))
            failed = await ended(queue, first)
            assert failed.message == "gimmal failed by a mistake of its own"
            assert (await ended(queue, second)).state == "done"

    run(tmp_path, work)


def test_a_queue_that_is_closing_takes_nothing_more(tmp_path: Path) -> None:
    async def work(rig: Rig) -> None:
        rig.there.clear()
        async with rig.queue() as queue:
            (rig.sides.near / "file").write_bytes(b"x")
            await queue.add(rig.order("file"))
        with pytest.raises(GimmalError, match="stopping"):
            await queue.add(rig.order("file"))
        with pytest.raises(GimmalError, match="stopping"):
            await queue.answer(TransfersQuestion(Act.LIST))

    run(tmp_path, work)
