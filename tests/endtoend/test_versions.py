"""A peer of another protocol version is named as such, on every way and from both sides."""

from __future__ import annotations

import pytest

from tests.endtoend.world import RUN, World
from tests.patience import within

NEWER = (
    """
import gimmal.protocol.limits
gimmal.protocol.limits.PROTOCOL_VERSION = 2
"""
    + RUN
)


@pytest.mark.parametrize("way", ["direct", "relayed", "at", "any"])
@pytest.mark.parametrize("newer", ["agent", "command"])
def test_a_version_mismatch_is_named(world: World, newer: str, way: str) -> None:
    world.start_relay()
    world.pair()
    agent = world.up(world.a, world.a.folder("shared"), driver=NEWER if newer == "agent" else RUN)
    world.relay_sees(agent, world.a)
    words = {"at": ["--at", agent.address], "any": []}.get(way, ["--path", way])
    result = world.run(world.b, "ls", *words, code=10, driver=NEWER if newer == "command" else RUN)
    theirs, ours, where = (2, 1, "this computer") if newer == "agent" else (1, 2, "the other side")
    assert result.error == f"the other side speaks protocol version {theirs}, this program version {ours}"
    assert f"hint: update gimmal on {where}" in result.err
    assert within(result.seconds, 8)


def test_two_agents_of_two_versions_say_so(world: World) -> None:
    world.start_relay()
    world.pair()
    agent_a = world.up(world.a, world.a.folder("x"), driver=NEWER)
    agent_b = world.up(world.b, world.b.folder("y"))
    agent_b.wait_line("error: the other side speaks protocol version 2")
    agent_a.wait_line("error: the other side speaks protocol version 1")
    assert agent_a.running
    assert agent_b.running
    beside = world.run(world.b, "ls", code=10)
    assert "protocol version 2" in beside.error
    assert world.run(world.b, "status", code=10).out


def test_two_of_the_newer_version_understand_each_other(world: World) -> None:
    """The control of the tests above: it is the difference that is refused."""
    world.pair(relay=False)
    agent = world.up(world.a, world.a.folder("shared"), driver=NEWER)
    assert world.run(world.b, "ls", "--at", agent.address, driver=NEWER).lines == ["shared/"]
