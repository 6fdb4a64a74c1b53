"""The half is pulled out: everything ends within a second, and everyone is told."""

from __future__ import annotations

import shutil
import time

import pytest

from tests.endtoend.world import Computer, Plugged, World, until, write_file
from tests.figures import figure
from tests.patience import within

INFORMED_SECONDS = 1.0


def pull(computer: Computer, how: str) -> float:
    """Take the half away; returns when that was."""
    folder = computer.half / "GIMMAL"
    if how == "renamed":
        folder.rename(computer.half / "elsewhere")
    elif how == "stick renamed":
        computer.half.rename(computer.base / "gone")
    elif how == "file removed":
        (folder / "half.json").unlink()
    else:
        shutil.rmtree(folder)
    return time.monotonic()


@pytest.mark.parametrize("path", ["direct", "relayed"])
@pytest.mark.parametrize("how", ["removed", "renamed", "stick renamed", "file removed"])
def test_unplugging_ends_the_agent_and_tells_the_peer(world: World, how: str, path: str) -> None:
    relay = world.start_relay("--json", "--log-level", "debug") if path == "relayed" else None
    world.pair(relay=path == "relayed")
    agent_a = world.up(world.a, world.a.folder("x"), listen="127.0.0.1:0" if path == "direct" else None)
    more = ["--at", agent_a.address] if path == "direct" else []
    agent_b = world.up(world.b, world.b.folder("y"), more=more)
    agent_a.wait_connected()
    agent_b.wait_connected()
    socket_b = next(file for file in world.b.runtime.iterdir() if file.suffix == ".sock")
    pulled = pull(world.b, how)
    agent_a.wait_line("disconnected: the other half was unplugged")
    informed = time.monotonic() - pulled
    result = agent_b.wait()
    ended = agent_b.ended_at - pulled
    assert within(informed, INFORMED_SECONDS, f"unplug ({how}, {path}) to peer informed")
    assert within(ended, INFORMED_SECONDS)
    assert result.code == 0
    assert result.lines[-1] == "unplugged: the half is gone, every connection is closed"
    assert not socket_b.exists()
    assert agent_a.running
    if relay is not None:

        def away() -> bool:
            return not world.agent_status(world.a)["relays"][0]["peer_present"]

        until(away, "the relay knows that b has left")


def slow_copy(plugged: Plugged, size: int) -> object:
    """A copy through a relay that is slow enough to be cut in its midst."""
    return write_file(plugged.shared / "large", size)


@pytest.mark.parametrize("beside_agent", [False, True], ids=["alone", "beside an agent"])
def test_the_commands_own_half_is_pulled_mid_copy(plugged: Plugged, beside_agent: bool) -> None:
    world = plugged.world
    slow_copy(plugged, 400 << 20)
    if beside_agent:
        world.up(world.b, plugged.mine).wait_connected()
    copy = world.start(world.b, "cp", ":shared/large", ".")
    until(lambda: any(part.stat().st_blocks for part in world.b.disk.glob(".gimmal*")), "bytes arrive")
    pulled = pull(world.b, "renamed")
    result = copy.wait()
    assert within(copy.ended_at - pulled, 2)
    assert result.code in (5, 8), str(result)
    assert "pulled out" in result.error
    assert not (world.b.disk / "large").exists()
    figure("unplug to the end of a copy that ran", round(copy.ended_at - pulled, 3), "<= 1 s")


def test_the_other_half_is_pulled_mid_copy(plugged: Plugged) -> None:
    world = plugged.world
    slow_copy(plugged, 400 << 20)
    copy = world.start(world.b, "cp", "--wait", "2", ":shared/large", ".")
    until(lambda: any(part.stat().st_blocks for part in world.b.disk.glob(".gimmal*")), "bytes arrive")
    pull(world.a, "renamed")
    assert plugged.agent_a.wait().code == 0
    result = copy.wait()
    assert result.code == 8, str(result)
    assert "run the command again" in result.err
    assert not (world.b.disk / "large").exists()
    # Plugged in again, the same command goes on.
    (world.a.half / "elsewhere").rename(world.a.half / "GIMMAL")
    world.up(world.a, plugged.shared)
    (report,) = world.json(world.b, "cp", ":shared/large", ".")
    assert report["resumed_bytes"] > 0
    assert (world.b.disk / "large").stat().st_size == 400 << 20


def test_a_listing_after_the_other_half_was_pulled_says_so(plugged: Plugged) -> None:
    world = plugged.world
    world.relay_sees(plugged.agent_a, world.a)
    pull(world.a, "removed")
    plugged.agent_a.wait()
    result = world.run(world.b, "ls", code=7)
    assert "last seen" in result.err
