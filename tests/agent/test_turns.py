"""Who dials: the one that came last, else side a, else side b."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gimmal.agent import turns
from gimmal.agent.turns import leave_turn
from tests.patience import PATIENCE


@pytest.fixture(autouse=True)
def _patience_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wait is either over at once, or the test's end."""
    monkeypatch.setattr(turns, "OFFER_SECONDS", 0.001)
    monkeypatch.setattr(turns, "SIDE_B_SECONDS", 10 * PATIENCE)
    monkeypatch.setattr(turns, "OFFERED_SECONDS", 10 * PATIENCE)


def run(side: str, is_offered: Callable[[], bool], there_after: int | None) -> bool:
    """Leave the turn; a session is there after so many questions whether a link is offered. Whether it came first."""
    asked = 0

    async def main() -> bool:
        there = asyncio.Event()

        def offered() -> bool:
            nonlocal asked
            asked += 1
            if there_after is not None and asked > there_after:
                there.set()
            return is_offered()

        async with asyncio.timeout(PATIENCE):
            await leave_turn(side, offered, there)
        return there.is_set()

    return asyncio.run(main())


def test_side_a_dials_where_no_link_is_asked_for() -> None:
    assert not run("a", lambda: False, None)


@pytest.mark.parametrize("side", ["a", "b"])
def test_both_leave_it_to_a_link_that_is_asked_for(side: str) -> None:
    assert run(side, lambda: True, 20)


def test_side_b_leaves_it_to_side_a() -> None:
    assert run("b", lambda: False, 20)


def test_no_longer_than_that() -> None:
    turns.SIDE_B_SECONDS = turns.OFFERED_SECONDS = 0.0  # put back by the fixture
    assert not run("b", lambda: False, None)
    assert not run("a", lambda: True, None)
