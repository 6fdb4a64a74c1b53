"""A loop hears at once that a half is gone, and soon that its disk does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from gimmal.agent import present
from gimmal.agent.present import until_gone
from gimmal.half import presence_watch
from gimmal.half.presence import Presence
from gimmal.half.presence_watch import watch_half
from tests.half.helpers import folders, join
from tests.patience import PATIENCE


@pytest.fixture
def location(tmp_path: Path) -> Path:
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return one / "GIMMAL"


def run(main: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE):
            await main

    asyncio.run(bounded())


def test_it_waits_while_the_half_is_there_and_no_longer(location: Path) -> None:
    async def main() -> None:
        with watch_half(location) as watch:
            waiting = asyncio.get_running_loop().create_task(until_gone(watch))
            await asyncio.sleep(0)
            assert not waiting.done()
            location.rename(location.with_name("away"))
            await waiting
            await until_gone(watch)  # what is gone stays gone

    run(main())


def test_a_disk_that_does_not_answer_is_gone(location: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(presence_watch, "HANGS_SECONDS", 0.05)
    monkeypatch.setattr(present, "_ASK_SECONDS", 0.02)
    monkeypatch.setattr(Presence, "present", lambda _presence: release.wait(PATIENCE))

    async def main() -> None:
        with watch_half(location) as watch:
            try:
                await until_gone(watch)
                assert not watch.gone.is_set()
            finally:
                release.set()

    run(main())


def test_a_loop_that_has_ended_is_told_nothing(location: Path) -> None:
    watch = watch_half(location)

    async def main() -> None:
        waiting = asyncio.get_running_loop().create_task(until_gone(watch))
        await asyncio.sleep(0)
        waiting.cancel()

    run(main())
    heard = threading.Event()
    watch.tell(heard.set)
    location.rename(location.with_name("away"))
    assert heard.wait(PATIENCE)
    watch.leave()
