"""``gimmal awake`` and ``gimmal up --stay-awake``, over a real bus with a stand-in for logind."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.awake.logind import Logind, system_bus
from tests.endtoend.processes import Agent
from tests.endtoend.world import World, until


class Home:
    """A world whose side a has a system bus with logind."""

    def __init__(self, world: World, address: str, logind: Logind) -> None:
        self.world = world
        self.bus = {"DBUS_SYSTEM_BUS_ADDRESS": address}
        self.logind = logind

    def up(self, *more: str) -> Agent:
        """The agent at home."""
        return self.world.up(self.world.a, self.world.a.folder("shared"), more=more, environment=self.bus)

    def peer(self, home: Agent) -> Agent:
        """The agent of the other side, connected."""
        other = self.world.up(self.world.b, self.world.b.folder("mine"), more=("--at", home.address))
        home.wait_connected()
        return other

    def sleep(self) -> dict[str, Any]:
        """What the agent at home says of this computer's sleep."""
        found: dict[str, Any] = self.world.agent_status(self.world.a)["sleep"]
        return found


@pytest.fixture
def home(world: World) -> Iterator[Home]:
    world.pair(relay=False)
    with tempfile.TemporaryDirectory(prefix="gm-bus-", dir="/tmp") as folder, system_bus(Path(folder)) as bus:
        yield Home(world, *bus)


def test_only_where_it_was_asked_for_and_while_the_other_side_is_there(home: Home) -> None:
    world = home.world
    agent = home.up()
    other = home.peer(agent)
    assert home.sleep() == {"wanted": False, "held_off": False, "reason": "it was not asked for"}
    assert world.run(world.a, "awake").lines == [
        "awake: off",
        "sleep: not held off, it was not asked for; gimmal awake on asks for it",
    ]
    done = world.run(world.a, "awake", "on")
    assert (done.lines, done.err.strip()) == (["awake: on"], "it holds at once")
    home.logind.until_held(1)
    until(lambda: home.sleep() == {"wanted": True, "held_off": True, "reason": ""}, "held off")
    assert "sleep: held off while the other side is connected" in world.run(world.a, "status").lines
    assert world.run(world.a, "awake").lines[1] == "sleep: held off while the other side is connected"
    # It stays on over starts, and is let go of with the agent, also with one that is killed.
    agent.signal(signal.SIGKILL)
    agent.wait()
    home.logind.until_held(0)
    agent = home.up()
    assert home.sleep() == {"wanted": True, "held_off": False, "reason": "the other side is not connected"}
    other.stop()
    other = home.peer(agent)
    home.logind.until_held(1)
    assert world.run(world.a, "unplug").code == 0
    home.logind.until_held(0)
    agent.wait()
    assert world.run(world.a, "awake", "off").err.strip() == "it holds from the next time that this half is served"
    assert world.run(world.a, "awake").lines == ["awake: off", "sleep: not held off, no agent serves this half"]
    assert home.logind.asked == [("sleep:idle", "gimmal", "another computer is using this one", "block")] * 2


def test_for_this_time_alone(home: Home) -> None:
    world = home.world
    agent = home.up("--stay-awake")
    home.peer(agent)
    home.logind.until_held(1)
    answered = world.run(world.a, "awake", "off")
    assert "was told --stay-awake, and keeps to that" in answered.err
    assert world.json(world.a, "awake", "on") == [{"awake": True, "at_once": False}]
    world.run(world.a, "awake", "off")
    (value,) = world.json(world.a, "awake")
    assert value == {"awake": False, "sleep": {"wanted": True, "held_off": True, "reason": ""}}
    assert home.logind.held == 1
    agent.stop()
    home.logind.until_held(0)
    home.up()
    assert not home.sleep()["wanted"]


def test_the_half_pulled_out_lets_go_of_it(home: Home) -> None:
    agent = home.up("--stay-awake")
    home.peer(agent)
    home.logind.until_held(1)
    (home.world.a.half / "GIMMAL").rename(home.world.a.half / "elsewhere")
    home.logind.until_held(0)
    agent.wait()


def test_a_system_that_refuses_is_said_and_stops_nothing(home: Home) -> None:
    home.logind.refuses = True
    agent = home.up("--stay-awake")
    home.peer(agent)
    line = agent.wait_line("sleep: ")
    assert line.startswith("cannot be held off: logind refuses: Permission denied\\x1b[31m; see that logind runs")
    until(lambda: "Permission denied" in home.sleep()["reason"], "the reason")
    status = home.world.run(home.world.a, "status")
    assert "\nsleep: not held off, logind refuses: Permission denied" in status.out
    assert "\x1b" not in status.out
    assert home.world.run(home.world.b, "ls").lines == ["shared/"]


def test_the_choice_belongs_to_one_half_on_this_computer(world: World) -> None:
    world.pair(relay=False)
    world.run(world.a, "awake", "on")
    # The other half on this very computer, and the same half after another joining.
    assert world.run(world.a, "awake", "--half", world.b.half).lines[0] == "awake: off"
    world.pair(relay=False)
    assert world.run(world.a, "awake", "status").lines[0] == "awake: on"
