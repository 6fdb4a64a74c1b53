"""Part files of those who ask through the agent: none stays open when its asker has left."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gimmal.agent.open_parts import OpenParts
from gimmal.base.tasks import Tasks
from gimmal.protocol.limits import PARTS_MAX
from gimmal.protocol.messages import Discard, Done, Failed, OpenPart, PartOpened, Replace
from tests.endtoend.world import part_files
from tests.remote.two_sides import Sides, TwoSides


def request_of(number: int) -> OpenPart:
    return OpenPart(f"far/{number}", 5, bytes(16), Replace.NEVER)


def test_a_session_has_room_however_many_were_cut_short(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)

    async def work(both: Sides) -> None:
        tasks = Tasks()
        for number in range(PARTS_MAX + 5):
            parts = OpenParts(both.session, tasks)
            assert isinstance(await parts.open(request_of(number)), PartOpened)
            parts.leave()
            while len(tasks):
                await asyncio.sleep(0)
        await tasks.close()

    sides.run(work)
    assert len(part_files(sides.far)) == PARTS_MAX + 5, "they stay for another time"


def test_one_that_is_opened_when_its_asker_has_gone_is_let_go_of(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)

    async def work(both: Sides) -> None:
        tasks = Tasks()
        parts = OpenParts(both.session, tasks)
        asking = asyncio.ensure_future(parts.open(request_of(1)))
        await asyncio.sleep(0)
        asking.cancel()
        parts.leave()
        while len(tasks):
            await asyncio.sleep(0)
        answer = await both.session.call(Discard(1, remove=False))
        assert isinstance(answer, Failed), "it is not open any more"
        await tasks.close()

    sides.run(work)


def test_one_that_leaves_takes_no_part_from_who_came_after(tmp_path: Path) -> None:
    """A command whose connection to the agent was lost asks anew: its first one is let go of only then, or just now."""
    sides = TwoSides(tmp_path)

    async def work(both: Sides) -> None:
        tasks = Tasks()
        for order in ("opened, then left", "left, then opened"):
            first, second = OpenParts(both.session, tasks), OpenParts(both.session, tasks)
            assert isinstance(await first.open(request_of(1)), PartOpened)
            if order == "left, then opened":
                first.leave()
                while not both.session.asks:
                    await asyncio.sleep(0)
            opened = await second.open(request_of(1))
            assert isinstance(opened, PartOpened)
            first.leave()
            while len(tasks):
                await asyncio.sleep(0)
            answer = await both.session.call(Discard(opened.part, remove=False))
            assert isinstance(answer, Done), order
            second.settled(opened.part)
        await tasks.close()

    sides.run(work)
