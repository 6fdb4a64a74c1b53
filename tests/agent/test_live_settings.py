"""What an agent takes up while it serves, and what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gimmal.agent.awake.kept import KeptAwake
from gimmal.agent.kept_shares import KeptShare, KeptShares, kept_table
from gimmal.agent.live_settings import LiveSettings, Reread
from gimmal.base.errors import LocalError
from gimmal.base.workers import Workers
from gimmal.half.opened import OpenedHalf
from gimmal.half.reading import open_half
from gimmal.protocol.messages import List, Page
from gimmal.share.service import ShareService
from gimmal.share.shares import Rights, ShareTable
from tests.half.helpers import folders, join

KEY = bytes(32)


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenedHalf:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # Nothing of the computer that runs the tests is kept awake.
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return open_half(one, None)


def keep(half: OpenedHalf, *paths: Path, rights: Rights = Rights.READ_WRITE) -> None:
    for path in paths:
        path.mkdir(exist_ok=True)
    KeptShares(half).change(lambda _before: [KeptShare(path.name, path, rights) for path in paths])


class Running:
    """An agent's settings, and one session of its peer."""

    def __init__(self, half: OpenedHalf, tmp_path: Path, *, from_kept: bool, stay_awake: bool = False) -> None:
        self.said: list[str] = []
        self.workers = Workers()
        shares = kept_table(half)[0] if from_kept else ShareTable([])
        self.service = ShareService(shares, tmp_path / "journals", KEY)
        self.session = self.service.open_session()
        self.settings = LiveSettings(
            half,
            self.workers,
            shares,
            from_kept=from_kept,
            stay_awake=stay_awake,
            connected=lambda: False,
            say=self.said.append,
        )

    @property
    def seen(self) -> list[str]:
        """What the peer sees."""
        page = self.session.answer(List(""))
        assert isinstance(page, Page)
        return [entry.name for entry in page.entries]


def running(made: Callable[[], Running], play: Callable[[Running], Awaitable[None]]) -> None:
    async def main() -> None:
        agent = made()
        await agent.settings.start(agent.service)
        try:
            async with asyncio.timeout(60):
                await play(agent)
        finally:
            await agent.settings.close()
            agent.session.close()
            agent.service.close()
            agent.workers.close()

    asyncio.run(main())


def test_kept_shares_that_change_are_taken_up_and_said(half: OpenedHalf, tmp_path: Path) -> None:
    docs, pics = tmp_path / "docs", tmp_path / "pics"

    async def play(agent: Running) -> None:
        assert agent.seen == ["docs"]
        keep(half, pics, rights=Rights.READ_ONLY)
        assert await agent.settings.reread() == Reread(shares=True, left_out=[], awake=True)
        assert agent.seen == ["pics"]
        assert agent.said == [f"share: no more: docs rw {docs}", f"share: pics ro {pics}"]
        assert [share.name for share in agent.settings.shares] == ["pics"]
        await agent.settings.reread()
        assert len(agent.said) == 2

    keep(half, docs)
    running(lambda: Running(half, tmp_path, from_kept=True), play)


def test_one_whose_folder_is_gone_is_left_out(half: OpenedHalf, tmp_path: Path) -> None:
    async def play(agent: Running) -> None:
        keep(half, tmp_path / "docs", tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        (reason,) = (await agent.settings.reread()).left_out
        assert "no such file" in reason
        assert agent.said[1:] == [f"share: left out: {reason}"]
        assert agent.seen == ["docs"]

    running(lambda: Running(half, tmp_path, from_kept=True), play)


def test_what_cannot_be_read_leaves_all_as_it_was(half: OpenedHalf, tmp_path: Path) -> None:
    async def play(agent: Running) -> None:
        for path in (tmp_path / "state").rglob("settings/*"):
            path.write_bytes(b"damaged")
        with pytest.raises(LocalError):
            await agent.settings.reread()
        assert agent.seen == ["docs"]
        assert agent.said == []

    keep(half, tmp_path / "docs")
    running(lambda: Running(half, tmp_path, from_kept=True), play)


def test_a_choice_about_sleep_that_cannot_be_read_keeps_no_half_from_being_served(
    half: OpenedHalf, tmp_path: Path
) -> None:
    async def play(agent: Running) -> None:
        assert agent.seen == []
        (said,) = agent.said
        assert said.startswith("awake: ")
        assert "cannot be read" in said

    KeptAwake(half).write(True)
    for path in (tmp_path / "state").rglob("settings/*"):
        path.write_bytes(b"damaged")
    running(lambda: Running(half, tmp_path, from_kept=False), play)


def test_what_was_named_for_this_time_is_kept_to(half: OpenedHalf, tmp_path: Path) -> None:
    async def play(agent: Running) -> None:
        keep(half, tmp_path / "docs")
        KeptAwake(half).write(False)
        assert await agent.settings.reread() == Reread(shares=False, left_out=[], awake=False)
        assert agent.seen == []
        assert agent.settings.awake.wanted

    running(lambda: Running(half, tmp_path, from_kept=False, stay_awake=True), play)


def test_the_kept_choice_holds_at_once_and_at_the_next_start(half: OpenedHalf, tmp_path: Path) -> None:
    async def play(agent: Running) -> None:
        assert not agent.settings.awake.wanted
        KeptAwake(half).write(True)
        await agent.settings.reread()
        assert agent.settings.awake.wanted

    async def again(agent: Running) -> None:
        assert agent.settings.awake.wanted
        KeptAwake(half).write(False)
        await agent.settings.reread()
        assert not agent.settings.awake.wanted

    running(lambda: Running(half, tmp_path, from_kept=True), play)
    running(lambda: Running(half, tmp_path, from_kept=True), again)
