"""How a command reaches the other side: what becomes of it when the half is pulled out before it has."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from gimmal.agent.reach import Reach, ReachOptions
from gimmal.base.errors import HalfGone, PeerAbsent
from tests.half.helpers import folders, join
from tests.patience import PATIENCE, within


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME"):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(name, str(tmp_path / name))
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    return one


def pull(half: Path) -> None:
    found = half if half.name == "GIMMAL" else half / "GIMMAL"
    found.rename(found.with_name("elsewhere"))


def test_pulling_the_half_out_ends_an_opening_at_once(half: Path) -> None:
    async def main() -> float:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            async with Reach(ReachOptions(half, at=silent.getsockname()[:2])) as reach:
                opening = asyncio.ensure_future(reach.open())
                async with asyncio.timeout(PATIENCE):
                    dialled, _address = await asyncio.get_running_loop().sock_accept(silent)
                assert not opening.done()
                pull(half)
                pulled = time.monotonic()
                with dialled, pytest.raises(HalfGone):
                    await opening
                return time.monotonic() - pulled

    assert within(asyncio.run(main()), 1.0)


def test_a_command_that_waits_opens_no_session_without_its_half(half: Path) -> None:
    """Its keys are in memory since the first try: only a look at the half can keep it from using them."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = taken.getsockname()[:2]
        async with Reach(ReachOptions(half, at=address)) as reach:
            with pytest.raises(PeerAbsent):
                await reach.open()
            pull(half)
            with pytest.raises(HalfGone):
                await reach.rest(PATIENCE)  # as a command does between two tries
            with socket.create_server(address) as there:
                there.settimeout(0.2)
                with pytest.raises(HalfGone):
                    await reach.open()
                with pytest.raises(TimeoutError):
                    there.accept()

    asyncio.run(main())
