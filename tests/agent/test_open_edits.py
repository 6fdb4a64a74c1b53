"""Edits of those who ask through the agent: none stays open when its asker has left."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gimmal.agent.open_edits import OpenEdits
from gimmal.base.tasks import Tasks
from gimmal.protocol.limits import EDITS_MAX
from gimmal.protocol.messages import CommitEdit, DiscardEdit, EditOpened, Failed, Found, OpenEdit, Replace
from tests.remote.two_sides import Sides, TwoSides


def request_of(number: int) -> OpenEdit:
    return OpenEdit(f"far/{number}", None, 0, 5, Replace.NEVER)


async def until_done(tasks: Tasks) -> None:
    while len(tasks):
        await asyncio.sleep(0)
    await tasks.close()


def test_a_session_has_room_however_many_were_cut_short(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)

    async def work(both: Sides) -> None:
        tasks = Tasks()
        for number in range(EDITS_MAX + 5):
            edits = OpenEdits(both.session, tasks)
            assert isinstance(await edits.open(request_of(number)), EditOpened)
            edits.leave()
            while len(tasks):
                await asyncio.sleep(0)
        assert os.listdir(sides.far) == []
        await tasks.close()

    sides.run(work)


def test_one_that_is_opened_when_its_asker_has_gone_is_given_up(tmp_path: Path) -> None:
    sides = TwoSides(tmp_path)

    async def work(both: Sides) -> None:
        tasks = Tasks()
        edits = OpenEdits(both.session, tasks)
        asking = asyncio.ensure_future(edits.open(request_of(1)))
        await asyncio.sleep(0)
        asking.cancel()
        edits.leave()
        await until_done(tasks)
        assert isinstance(await both.session.call(DiscardEdit(1)), Failed), "it is not open any more"

    sides.run(work)


@pytest.mark.parametrize("keep_open", [True, False])
def test_one_that_was_placed_is_given_up_only_where_it_goes_on(tmp_path: Path, keep_open: bool) -> None:
    sides = TwoSides(tmp_path)

    async def work(both: Sides) -> None:
        tasks = Tasks()
        edits = OpenEdits(both.session, tasks)
        opened = await edits.open(request_of(1))
        assert isinstance(opened, EditOpened)
        refused = CommitEdit(opened.edit, path="nowhere/1")
        edits.answered(refused, await both.session.call(refused))
        request = CommitEdit(opened.edit, keep_open=keep_open)
        placed = await both.session.call(request)
        assert isinstance(placed, Found)
        edits.answered(request, placed)
        edits.leave()
        assert bool(len(tasks)) is keep_open
        await until_done(tasks)
        assert isinstance(await both.session.call(DiscardEdit(opened.edit)), Failed)
        assert (sides.far / "1").read_bytes() == bytes(5)

    sides.run(work)
