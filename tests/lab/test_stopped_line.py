"""The line stops, packets vanish: every command ends when it has promised to, and says why."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.endtoend.processes import Process, note_ends
from tests.endtoend.test_interruptions import MIB, reaches
from tests.endtoend.world import FULL, PASSWORD, RUN, World, digest, until, write_file
from tests.figures import figure
from tests.lab.routed import Routed, needs_namespaces, routed_world
from tests.lab.stopped import ENTRIES, MARGIN_SECONDS, WAIT_SECONDS, Kind, commands
from tests.patience import ALONE, within

pytestmark = [needs_namespaces, pytest.mark.timeout(1800 if FULL else 600)]

AT_ONCE = 4 if ALONE else 40
"""Commands beside each other. They wait most of the time; but starting so many takes a while."""

HOLD = """
import asyncio, os
from pathlib import Path
from gimmal.agent.reach import Reach
opening = Reach.open
async def open_and_hold(self, *given, **named):
    reached = await opening(self, *given, **named)
    if "HOLD" in os.environ:
        mark = Path(os.environ.pop("HOLD"))
        mark.touch()
        while mark.exists():
            await asyncio.sleep(0.01)
    return reached
Reach.open = open_and_hold
"""
"""A command that, once it has a session, waits until the file $HOLD, which it makes, is removed."""


@pytest.fixture
def routed() -> Iterator[tuple[World, Routed]]:
    with routed_world() as (world, network):
        write_file(world.a.folder("shared") / "file", MIB)
        yield world, network


def test_every_command_is_known_here() -> None:
    assert set(ENTRIES) == commands(), "a new command needs its line in tests/lab/stopped.py"


def words_of(name: str, world: World, number: object) -> list[str | Path]:
    """What to type for a command; folders that it may change are its own."""
    folder = world.b.folder(f"own{number}")
    places = {place: folder / place for place in ("one", "two", "target", "relay")}
    for place in places.values():
        place.mkdir()
    places["password"] = folder / "password"
    places["password"].write_text(PASSWORD)
    places |= {"half": world.b.half, "spare": world.base / "spare_a"}
    places |= {f"pair_{side}": world.base / f"second_{side}" for side in "ab"}
    return [*name.split(), *(word.format(**places) for word in ENTRIES[name].words.split())]


def stop_everything(network: Routed) -> None:
    for one, other in (("a", "b"), ("b", "relay"), ("a", "relay")):
        network.cut(one, other)


def judge(name: str, process: Process, since: float, where: str) -> None:
    """Wait for the end of a command, which has to be in time, with a sentence and its code."""
    entry = ENTRIES[name]
    result = process.wait()
    assert within(process.ended_at - since, entry.kind.value + MARGIN_SECONDS, f"{name}, the line stopped {where}"), (
        str(result)
    )
    if entry.kind is Kind.HERE:
        assert result.code in entry.codes, str(result)
        return
    assert result.code in ((7, 8) if entry.kind is Kind.TRANSFER else (7,)), str(result)
    assert result.error
    assert [line for line in result.err.splitlines() if line.startswith("hint: ")], str(result)


def run_all(world: World, names: list[str], where: str) -> None:
    """Run commands over a line that stands still, some at a time."""
    for first in range(0, len(names), AT_ONCE):
        some = names[first : first + AT_ONCE]
        running = [(name, world.start(world.b, *words_of(name, world, name.replace(" ", "-")))) for name in some]
        ends_of(running, where)


def ends_of(running: list[tuple[str, Process]], where: str) -> None:
    note_ends([process for _name, process in running])
    for name, process in running:
        judge(name, process, process.started, where)


def test_no_command_hangs_that_begins_when_the_line_has_stopped(routed: tuple[World, Routed]) -> None:
    world, network = routed
    for name in ("spare", "second"):
        places = [world.base / f"{name}_{side}" for side in "ab"]
        for place in places:
            place.mkdir()
        world.run(world.a, "pair", *places, "--name", "Spare", "--no-password")
    stop_everything(network)
    lasting = [name for name, entry in ENTRIES.items() if entry.kind is Kind.LASTS]
    others = [name for name, entry in ENTRIES.items() if entry.kind is not Kind.LASTS and not entry.beside]
    run_all(world, others, "before")
    for name in lasting:
        process = world.start(world.b, *words_of(name, world, name.replace(" ", "-")))
        until(lambda: "ready: " in process.out or "relay: " in process.out, f"{name} runs")  # noqa: B023
        assert process.running
        process.signal(signal.SIGTERM)
        stopped = process.wait()
        assert stopped.code == 0, str(stopped)
    figure("commands that ended as promised, the line stopped before them", len(ENTRIES) - 7, "reported")


def test_no_command_hangs_beside_an_agent_whose_line_has_stopped(routed: tuple[World, Routed]) -> None:
    world, network = routed
    for computer, name in ((world.a, "shared"), (world.b, "mine")):
        agent = world.up(computer, computer.folder(name), listen=f"{network.address(computer.side)}:0")
    agent.wait_connected()
    stop_everything(network)
    asks = [name for name, entry in ENTRIES.items() if entry.kind in (Kind.CALL, Kind.TRANSFER) or entry.beside]
    asks.remove("unplug")
    run_all(world, asks, "beside its agent")
    run_all(world, ["unplug"], "beside its agent")
    assert agent.wait().code == 0


def test_no_command_hangs_whose_line_stops_in_its_midst(routed: tuple[World, Routed]) -> None:
    world, network = routed
    agent = world.up(world.a, world.a.folder("shared"), listen=f"{network.address('a')}:0")
    asks = [name for name, entry in ENTRIES.items() if entry.kind in (Kind.CALL, Kind.TRANSFER)]
    for first in range(0, len(asks), AT_ONCE):
        held: list[tuple[str, Process, Path]] = []
        for number, name in enumerate(asks[first : first + AT_ONCE]):
            mark = world.base / f"held{first + number}"
            process = world.start(
                world.b,
                *(*words_of(name, world, first + number), "--at", agent.address),
                driver=HOLD + RUN,
                environment={"HOLD": str(mark)},
            )
            held.append((name, process, mark))
        for name, process, mark in held:
            until(lambda: mark.exists() or not process.running, f"{name} has a session")  # noqa: B023
            assert process.running, str(process.wait())
        stop_everything(network)
        for _name, process, mark in held:
            process.started = time.monotonic()
            mark.unlink()
        ends_of([(name, process) for name, process, _mark in held], "in its midst")
        for one, other in (("a", "b"), ("b", "relay"), ("a", "relay")):
            network.mend(one, other)


@pytest.mark.parametrize("beside_agent", [False, True], ids=["alone", "beside-its-agent"])
def test_a_transfer_whose_line_stops_waits_as_long_as_it_was_told(
    routed: tuple[World, Routed], beside_agent: bool
) -> None:
    world, network = routed
    source = write_file(world.a.folder("shared") / "large", 64 * MIB)
    world.up(world.a, world.a.folder("shared"), listen=f"{network.address('a')}:0")
    if beside_agent:
        world.up(world.b, listen=f"{network.address('b')}:0").wait_connected()
    words = ["--limit", "8M", "--wait", WAIT_SECONDS, ":shared/large"]
    copying = world.start(world.b, "cp", *map(str, words), world.b.folder("copied"))
    assert reaches(world.b.folder("copied"), 8 * MIB, copying)
    stop_everything(network)
    stopped = time.monotonic()
    result = copying.wait()
    assert result.code == 8, str(result)
    assert "run the command again" in result.err
    kind = "beside its agent" if beside_agent else "alone"
    assert within(
        copying.ended_at - stopped, Kind.TRANSFER.value + MARGIN_SECONDS, f"a copy, the line stopped under it ({kind})"
    )
    for one, other in (("a", "b"), ("b", "relay"), ("a", "relay")):
        network.mend(one, other)
    (report,) = world.json(world.b, "cp", ":shared/large", world.b.folder("copied"))
    assert report["resumed_bytes"] >= 4 * MIB
    assert digest(world.b.folder("copied") / "large") == digest(source)
