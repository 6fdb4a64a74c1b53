"""Where the other side is not there, it is said when it was, by whoever knows it latest."""

from __future__ import annotations

import re
import time

from tests.endtoend.world import World, until

WHEN = r"last seen (20[0-9-]{8} )?[0-9]{2}:[0-9]{2}"


def is_said(text: str) -> bool:
    return re.search(WHEN, text) is not None


def test_without_any_relay_a_command_knows_it_by_its_own_last_time(world: World) -> None:
    world.pair(relay=False)
    agent = world.up(world.a, world.a.folder("shared"))
    at = ("--at", agent.address)
    first = world.run(world.b, "status", "--at", "127.0.0.1:9", code=7)
    assert "other side: not reached, never seen from here" in first.lines
    before = int(time.time())
    world.run(world.b, "ls", *at)
    agent.stop()
    later = world.run(world.b, "ls", *at, code=7)
    assert is_said(later.error), str(later)
    status = world.run(world.b, "status", *at, code=7)
    assert re.fullmatch(f"other side: not reached, {WHEN}", status.lines[-1]), str(status)
    (value, _error) = world.json(world.b, "status", *at, code=7)
    assert before <= value["other_side"]["last_seen"] <= time.time()
    assert value["other_side"]["reached"] is False


def test_an_agent_knows_it_with_all_relays_gone_and_over_restarts(world: World) -> None:
    relay = world.start_relay()
    world.pair()
    one = world.up(world.a, world.a.folder("shared"), listen=None)
    two = world.up(world.b, world.b.folder("mine"), listen=None)
    two.wait_connected()
    now = world.agent_status(world.b)["last_seen"]
    assert abs(now - time.time()) < 60
    one.stop()
    relay.stop()
    until(lambda: not world.agent_status(world.b)["connected"], "the other side gone")
    assert abs(world.agent_status(world.b)["last_seen"] - time.time()) < 60
    gone = world.run(world.b, "ls", code=7)
    assert "relay" in gone.error and is_said(gone.error), str(gone)
    two.stop()
    world.up(world.b, world.b.folder("mine"), listen=None)
    until(lambda: world.agent_status(world.b)["last_seen"] >= now, "what was kept")
    assert is_said(world.run(world.b, "status", code=7).out)
