"""What all open files share: how long something may take, and one search for a session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gimmal.base.errors import DeadlinePassed, Interrupted, RemoteError, UnreachableError
from gimmal.remote.edits.common import PIECE_MAX, PIECE_MIN, SEEN_MAX, Common
from tests.remote.simulated_line import simulated


class View:
    """What of a view is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def follow(self, files: object) -> None:
        self.told.append("follow")

    def note_silence(self) -> None:
        self.told.append("silence")

    def note_answer(self) -> None:
        self.told.append("answer")


def common_with(open_files: Any) -> tuple[Common, View]:
    view = View()
    return Common(open_files, view, None, lambda: 0, "anna"), view  # type: ignore[arg-type]


async def asleep(seconds: float, result: Any = None) -> Any:
    await asyncio.sleep(seconds)
    if isinstance(result, BaseException):
        raise result
    return result


def test_a_step_has_half_a_call_and_bytes_give_it_more_up_to_all_of_it() -> None:
    async def work() -> None:
        common, view = common_with(None)
        assert await common.step(asleep(4.9, 7)) == 7
        with pytest.raises(DeadlinePassed):
            await common.step(asleep(5.1))
        assert common.is_down()
        assert view.told == ["silence"]
        assert await common.step(asleep(0, 8)) == 8
        assert not common.is_down()
        assert view.told == ["silence", "answer"]
        assert await common.step(asleep(7, 8), 200_000) == 8
        with pytest.raises(DeadlinePassed):
            await common.step(asleep(10.1), 1 << 30)
        with pytest.raises(RemoteError):
            await common.step(asleep(0, RemoteError("denied", "no")))
        assert not common.is_down(), "a no is an answer"
        assert await common.call(asleep(9.9, 9)) == 9

    simulated(work())


def test_while_the_line_is_down_a_look_does_not_wait_long() -> None:
    async def work() -> None:
        common, _view = common_with(None)
        assert await common.look(asleep(7.9, 7)) == 7
        with pytest.raises(DeadlinePassed):
            async with asyncio.timeout(10):  # of the call that it is part of
                await common.look(asleep(11))
        common.line.worked()
        with pytest.raises(UnreachableError):
            await common.step(asleep(0, Interrupted("cut")))
        began = asyncio.get_running_loop().time()
        with pytest.raises(DeadlinePassed):
            await common.look(asleep(9.9))
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)

    simulated(work())


def test_who_gives_up_waiting_for_a_session_does_not_end_the_search() -> None:
    opened = 0

    async def open_files() -> object:
        nonlocal opened
        opened += 1
        await asyncio.sleep(7)
        return "files"

    async def work() -> None:
        common, view = common_with(open_files)
        with pytest.raises(DeadlinePassed):
            await common.files()
        assert await common.files() == "files"
        assert opened == 1
        assert view.told[-1] == "follow"

    simulated(work())


def test_why_there_is_no_session_is_told_to_all_who_wait() -> None:
    async def open_files() -> object:
        await asyncio.sleep(1)
        raise Interrupted("the line is down")

    async def work() -> None:
        common, _view = common_with(open_files)
        results = await asyncio.gather(common.files(), common.files(), return_exceptions=True)
        assert [type(result) for result in results] == [Interrupted, Interrupted]

    simulated(work())


def test_pieces_follow_the_speed_of_the_line_within_bounds() -> None:
    common, _view = common_with(None)
    common.sent(PIECE_MIN, 0.0)
    assert common.piece == PIECE_MAX
    common.sent(1 << 20, 1.0)
    assert common.piece == 1 << 20
    common.sent(1 << 20, 100.0)
    assert common.piece == PIECE_MIN


def test_what_was_seen_is_remembered_of_so_many_files() -> None:
    common, _view = common_with(None)
    for number in range(SEEN_MAX + 1):
        common.note_seen(str(number), number)  # type: ignore[arg-type]
    assert len(common.seen) == SEEN_MAX
    assert "0" not in common.seen
