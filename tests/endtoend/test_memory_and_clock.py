"""Memory of both sides during a large copy; a clock that is wrong by a year."""

from __future__ import annotations

import threading

import pytest

from tests.endtoend.processes import Process
from tests.endtoend.world import FULL, RUN, Plugged, World, digest, write_file
from tests.figures import figure

MIB = 1 << 20
LIMIT = 120 * MIB


def peak_until_end(process: Process) -> int:
    """Most resident bytes of a process, looked at until it ends."""
    pause = threading.Event()
    peak = 0
    while process.running:
        try:
            peak = max(peak, process.peak_memory())
        except (FileNotFoundError, ProcessLookupError, AssertionError):
            break
        pause.wait(0.01)
    return peak


@pytest.mark.campaign
@pytest.mark.parametrize("path", ["direct", "relayed"])
@pytest.mark.parametrize("way", ["down", "up"])
def test_neither_side_needs_more_memory_than_it_may(plugged: Plugged, way: str, path: str) -> None:
    world = plugged.world
    size = (2048 if FULL else 512) * MIB
    source, target = (plugged.shared, plugged.mine) if way == "down" else (plugged.mine, plugged.shared)
    write_file(source / "large", size)
    words = [":shared/large", plugged.mine] if way == "down" else [source / "large", ":shared"]
    copy = world.start(world.b, "cp", "--path", path, *words)
    command = peak_until_end(copy)
    result = copy.wait()
    assert result.code == 0, str(result)
    agent = plugged.agent_a.peak_memory()
    for name, peak in (("command", command), ("agent", agent)):
        figure(f"most resident MiB of the {name}, {size // MIB} MiB {way} {path}", round(peak / MIB, 1), "<= 120")
        assert peak <= LIMIT, name
    assert digest(target / "large") == digest(source / "large")


def test_a_command_beside_its_agent_and_the_agent_that_forwards(plugged: Plugged) -> None:
    world = plugged.world
    own = world.up(world.b)
    own.wait_connected()
    size = 512 * MIB
    write_file(plugged.shared / "large", size)
    copy = world.start(world.b, "cp", ":shared/large", plugged.mine)
    command = peak_until_end(copy)
    assert copy.wait().code == 0
    for name, peak in (
        ("command", command),
        ("own agent", own.peak_memory()),
        ("agent", plugged.agent_a.peak_memory()),
    ):
        figure(f"most resident MiB of the {name}, through the agent", round(peak / MIB, 1), "<= 120")
        assert peak <= LIMIT, name


WRONG_CLOCK = (
    """
import time
real, real_ns = time.time, time.time_ns
SHIFT = {shift}
time.time = lambda: real() + SHIFT
time.time_ns = lambda: real_ns() + SHIFT * 10**9
import datetime
"""
    + RUN
)

YEAR = 366 * 24 * 3600


@pytest.mark.parametrize("shift", [YEAR, -YEAR], ids=["ahead", "behind"])
def test_a_clock_wrong_by_a_year_changes_nothing(world: World, shift: int) -> None:
    wrong = WRONG_CLOCK.format(shift=shift)
    world.start_relay()
    world.pair()
    shared = world.a.folder("shared")
    write_file(shared / "tree" / "large", 5 * MIB, mtime=1_600_000_000.5)
    write_file(shared / "tree" / "small", 10, mtime=1_600_000_001)
    agent = world.up(world.a, shared, driver=wrong)
    world.relay_sees(agent, world.a)
    world.up(world.b, world.b.folder("mine")).wait_connected()
    assert sorted(world.run(world.b, "ls", ":shared/tree").lines) == ["large", "small"]
    world.run(world.b, "cp", "-r", "--path", "relayed", ":shared/tree", ".")
    world.run(world.b, "cp", "-r", "tree", ":shared/back")
    assert (shared / "back" / "large").stat().st_mtime == 1_600_000_000.5
    assert digest(shared / "back" / "large") == digest(shared / "tree" / "large")
    # The command's clock is the wrong one.
    assert sorted(world.run(world.b, "ls", ":shared/tree", driver=wrong).lines) == ["large", "small"]
    world.run(world.b, "cp", "-r", ":shared/tree", "again", "--path", "direct", driver=wrong)
    assert (world.b.disk / "again" / "small").stat().st_mtime == 1_600_000_001
