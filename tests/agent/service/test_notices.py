"""Notices reach a real session bus, escaped; without one nothing happens."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gimmal.agent.service import notices
from gimmal.agent.service.machine import Seen
from gimmal.agent.service.notices import PAIRS_MAX, QUIET_SECONDS, WAITING_MAX, Notices, Quiet, notify
from gimmal.base.tasks import Tasks
from gimmal.base.workers import Workers
from tests.agent.service.desktop import Desktop, session_bus
from tests.patience import PATIENCE


def test_a_notice_is_shown_with_its_markup_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with session_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        desktop = Desktop(address)
        desktop.begin()
        assert notify("Home: the other half is in use", "12:00: <a href='x'>&\x1b[31m\u202e" + "y" * 1000)
        desktop.join(PATIENCE)
    program, replaces, _icon, summary, body, actions, hints, expires = desktop.taken
    assert (program, replaces, summary, actions, expires) == ("gimmal", 0, "Home: the other half is in use", [], -1)
    assert body.startswith("12:00: &lt;a href='x'&gt;&amp;\\x1b[31m\\u202ey")
    assert len(body) < 300
    assert hints["transient"] == ("b", True)


def test_nobody_who_shows_notices_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with session_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        assert not notify("a", "b")
    assert not notify("a", "b"), "the bus is gone"
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/no-such-bus")
    assert not notify("a", "b")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "nonsense")
    assert not notify("a", "b")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    assert not notify("a", "b")
    assert os.environ.get("DBUS_SESSION_BUS_ADDRESS") is None


def test_the_same_is_told_again_only_after_a_quiet_time() -> None:
    now = 0.0
    quiet = Quiet(lambda: now)
    assert quiet.due("used Home")
    assert not quiet.due("used Home")
    assert quiet.due("used Work")
    now = QUIET_SECONDS
    assert quiet.due("used Home")
    for index in range(2 * PAIRS_MAX):
        quiet.due(str(index))
    assert not quiet.due("one more")
    now = 2 * QUIET_SECONDS
    assert quiet.due("one more")


def test_each_half_is_told_of_and_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are plugged in at once; one has the name of the other."""
    shown: list[str] = []
    running: list[str] = []

    def show(summary: str, body: str) -> bool:
        assert not running
        running.append(summary)
        shown.append(f"{summary}: {body}")
        running.remove(summary)
        return True

    monkeypatch.setattr(notices, "notify", show)
    crowd = [Seen(f"/{number}", (number,), bytes([number]) * 16, "a", "Home", True) for number in range(WAITING_MAX)]

    async def main() -> None:
        workers, tasks = Workers(), Tasks()
        told = Notices(workers, tasks, wanted=True)
        for half in [*crowd, crowd[0]]:
            told.locked(half)
        told.used(crowd[0], "by a command")
        while len(tasks):
            await asyncio.sleep(0.001)
        told.used(crowd[0], "by an agent")
        while len(tasks):
            await asyncio.sleep(0.001)
        Notices(workers, tasks, wanted=False).locked(crowd[0])
        assert not len(tasks)
        workers.close()

    asyncio.run(main())
    assert shown[:-1] == ["Home waits for its password: In a terminal: gimmal unlock"] * WAITING_MAX
    assert shown[-1].startswith("Home: the other half is in use: ")
    assert shown[-1].endswith(": by an agent")
