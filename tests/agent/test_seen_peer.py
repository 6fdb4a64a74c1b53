"""When a running agent last saw the other side: to the second while it runs, and kept for when it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gimmal.agent.last_seen import LastSeen
from gimmal.agent.seen_peer import SeenPeer
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.half.reading import open_half
from gimmal.protocol.messages import CloseReason
from tests.agent.use_log.test_use_log import session_pair, until
from tests.half.helpers import folders, join


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenedHalf:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return open_half(one, None)


def running(half: OpenedHalf, play: Callable[[SeenPeer, list[Any]], Awaitable[None]]) -> None:
    async def main() -> None:
        workers = Workers()
        sessions: list[Any] = []
        seen = SeenPeer(LastSeen(half), workers, lambda: sessions)
        seen.start()
        async with asyncio.timeout(60):
            await play(seen, sessions)
            await seen.close()
        workers.close()

    asyncio.run(main())


def test_now_while_it_is_connected_and_the_end_afterwards(half: OpenedHalf) -> None:
    began = int(time.time())

    async def play(seen: SeenPeer, sessions: list[Any]) -> None:
        assert seen.at == 0
        here, there = session_pair()
        sessions.append(here)
        seen.began(here)
        assert seen.connected
        assert seen.at >= began
        await until(lambda: LastSeen(half).read() >= began)
        there.close(CloseReason.STOPPED)
        await here.finished()
        await there.finished()
        sessions.clear()
        assert not seen.connected
        assert began <= seen.at <= time.time()

    running(half, play)
    assert began <= LastSeen(half).read() <= time.time()


def test_a_session_that_waits_for_a_link_saw_it_when_it_lost_the_last(half: OpenedHalf) -> None:
    class Waiting:
        def __init__(self, since: float) -> None:
            self.links: list[object] = []
            self.without_links_since = since

    async def play(seen: SeenPeer, sessions: list[Any]) -> None:
        sessions += [Waiting(asyncio.get_running_loop().time() - age) for age in (100.0, 30.0)]
        assert not seen.connected
        assert abs(time.time() - 30 - seen.at) < 5

    running(half, play)


def test_what_was_kept_is_known_at_the_next_start_and_not_made_older(half: OpenedHalf) -> None:
    LastSeen(half).note(1_700_000_000)

    async def play(seen: SeenPeer, _sessions: list[Any]) -> None:
        await until(lambda: seen.at == 1_700_000_000)

    running(half, play)
    assert LastSeen(half).read() == 1_700_000_000
