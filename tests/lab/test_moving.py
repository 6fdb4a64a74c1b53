"""Copies that begin on one path and end on another: relay, router and computers are real, and packets are dropped."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endtoend.test_interruptions import MIB, reaches, written
from tests.endtoend.world import FULL, Agent, Process, World, digest, until, write_file
from tests.figures import figure
from tests.lab.routed import Routed, needs_namespaces, routed_world
from tests.patience import PATIENCE, within

pytestmark = [needs_namespaces, pytest.mark.timeout(1800 if FULL else 600)]

MOVED = """
import os
from gimmal.agent.reach import Reach
dropping = Reach.drop
async def drop_and_tell(self, reason):
    if self._reached is not None:
        with open(os.environ["MOVED"], "w") as file:
            file.write(" ".join(str(count) for count in self._reached.session.moved))
    await dropping(self, reason)
Reach.drop = drop_and_tell
from gimmal.frontends.cli.main import run; run()
"""
"""A command that writes to $MOVED how many bytes its session sent and received."""


@pytest.fixture
def routed() -> Iterator[tuple[World, Routed]]:
    with routed_world() as made:
        yield made


def up(world: World, network: Routed, side: str) -> Agent:
    computer = getattr(world, side)
    return world.up(computer, computer.folder("shared"), listen=f"{network.address(side)}:0")


def copy_down(world: World, size: int, limit: str) -> tuple[Process, Path, Path]:
    """Begin a copy of one file from a to b; the process, its source, and its target."""
    source = write_file(world.a.folder("shared") / "large", size)
    copying = world.start(
        world.b,
        *("cp", "--json", "--limit", limit, ":shared/large", world.b.folder("copied")),
        driver=MOVED,
        environment={"MOVED": str(world.base / "moved")},
    )
    return copying, source, world.b.folder("copied") / "large"


def goes_on(folder: Path, copying: Process, more: int = 8 * MIB) -> float:
    """Seconds until so much more has arrived than now."""
    had = written(folder)
    return until(lambda: written(folder) >= had + more or not copying.running, "the copy goes on", PATIENCE, every=0.01)


def whole(copying: Process, source: Path, target: Path) -> dict[str, object]:
    result = copying.wait()
    assert result.code == 0, str(result)
    assert digest(target) == digest(source)
    return result.object


@pytest.mark.parametrize("beside_agent", [False, True], ids=["alone", "beside-its-agent"])
def test_a_copy_begun_over_the_relay_moves_to_the_direct_path(
    routed: tuple[World, Routed], *, beside_agent: bool
) -> None:
    world, network = routed
    network.cut("a", "b")
    agents = [up(world, network, "a")]
    if beside_agent:
        agents.append(up(world, network, "b"))
        assert {agent.wait_connected() for agent in agents} == {"relayed"}
    size = (600 if FULL else 300) * MIB
    copying, source, target = copy_down(world, size, "20M")
    assert reaches(target.parent, 20 * MIB, copying)
    network.mend("a", "b")
    mended = time.monotonic()
    if beside_agent:
        for agent in agents:
            assert agent.wait_line("path: now direct").endswith("was relayed")
            figure(
                "from a direct path to its use, while it is looked for rarely", time.monotonic() - mended, "reported"
            )
        status = world.agent_status(world.b)
        assert status["path"] == "direct" and status["round_trip_ms"] is not None
        # Two routed networks are not one.
        assert set(status["why_not"]) <= {"lan"}
    report = whole(copying, source, target)
    if not beside_agent:
        assert report["path"] == "direct"
        received = int((world.base / "moved").read_text().split()[1])
        again = received - size
        figure(f"bytes beside a copy of {size} that moved to another path", again, "<= 1 % + 1 record")
        assert again <= size // 100 + MIB


@pytest.mark.parametrize("beside_agent", [False, True], ids=["alone", "beside-its-agent"])
def test_a_copy_goes_on_over_the_relay_when_the_direct_path_drops_everything(
    routed: tuple[World, Routed], *, beside_agent: bool
) -> None:
    world, network = routed
    up(world, network, "a")
    if beside_agent:
        agent = up(world, network, "b")
        agent.wait_connected()
        until(lambda: world.agent_status(world.b)["path"] == "direct", "a direct path")
    size = (600 if FULL else 300) * MIB
    copying, source, target = copy_down(world, size, "30M")
    assert reaches(target.parent, 60 * MIB, copying)
    network.cut("a", "b")
    took = goes_on(target.parent, copying)
    if beside_agent:
        assert agent.wait_line("path: now relayed").endswith("was direct")
        status = world.agent_status(world.b)
        assert status["path"] == "relayed"
    report = whole(copying, source, target)
    assert within(took, 3, f"direct path dropped under a copy, {'beside its agent' if beside_agent else 'alone'}")
    if not beside_agent:
        received = int((world.base / "moved").read_text().split()[1])
        figure(f"bytes beside a copy of {size} whose path was dropped", received - size, "<= 1 % + blocks in flight")
        assert received - size <= size // 100 + 12 * 4 * MIB
        assert report["path"] == "relayed"


def test_a_computer_that_gets_another_address_goes_on(routed: tuple[World, Routed]) -> None:
    world, network = routed
    up(world, network, "a")
    copying, source, target = copy_down(world, 300 * MIB, "30M")
    assert reaches(target.parent, 60 * MIB, copying)
    network.change_address("b", 77)
    took = goes_on(target.parent, copying)
    whole(copying, source, target)
    assert within(took, 5, "another address under a copy")


@pytest.mark.campaign
def test_paths_that_are_cut_at_random_cost_no_byte(routed: tuple[World, Routed]) -> None:
    """Now the direct path, now the one to the relay drops everything, for a random time; never both at once."""
    world, network = routed
    up(world, network, "a")
    cuts = 100 if FULL else 3
    copying, source, target = copy_down(world, (1600 if FULL else 150) * MIB, "10M")
    assert reaches(target.parent, 20 * MIB, copying)
    drawn = random.Random("cut paths")
    made, longest = 0, 0.0
    while made < cuts and copying.running:
        way = drawn.choice([("a", "b"), ("b", "relay")])
        network.cut(*way)
        longest = max(longest, goes_on(target.parent, copying, 4 * MIB))
        threading.Event().wait(drawn.uniform(0, 0.5))
        network.mend(*way)
        threading.Event().wait(drawn.uniform(0, 0.5))
        made += 1
    whole(copying, source, target)
    figure("paths cut at random under a copy, hash equal", made, f"{cuts}")
    assert made == cuts
    assert within(longest, 3, "longest stand of a copy whose path was cut at random")


def test_why_there_is_no_direct_path_is_said(routed: tuple[World, Routed]) -> None:
    world, network = routed
    network.cut("a", "b")
    agent = up(world, network, "a")
    alone = world.run(world.b, "status")
    assert f"not direct: {network.address('a')} port {agent.port} does not answer" in alone.out or (
        "not direct: it did not answer within" in alone.out
    ), alone.out
    up(world, network, "b").wait_connected()
    until(lambda: "direct" in world.agent_status(world.b)["why_not"], "a reason")
    beside = world.run(world.b, "status")
    assert "path: relayed (raw), " in beside.out
    assert "not direct: " in beside.out
