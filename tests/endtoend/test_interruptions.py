"""Copies that are cut: relay, agent or command die mid-copy; the copy goes on and no byte is wrong."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.endtoend.conftest import desk_in
from tests.endtoend.world import FULL, Plugged, Process, World, digest, plug_in, until, write_file
from tests.figures import figure
from tests.patience import within

MIB = 1 << 20
BLOCK = 4 * MIB


def part_of(folder: Path) -> Path | None:
    return next(iter(folder.glob(".gimmal-part-*")), None)


def written(folder: Path) -> int:
    """Bytes on disk in the part file of a folder."""
    part = part_of(folder)
    try:
        return part.stat().st_blocks * 512 if part is not None else 0
    except FileNotFoundError:
        return 0


def reaches(folder: Path, size: int, process: Process) -> bool:
    """Wait until so much has arrived; False if the copy has ended before."""
    until(lambda: written(folder) >= size or not process.running, f"{size} bytes arrive", every=0.001)
    return process.running


def whole_blocks(part: Path, source: Path) -> int:
    """How many blocks of a part file are those of the source."""
    count = 0
    with part.open("rb") as left, source.open("rb") as right:
        while block := right.read(BLOCK):
            count += left.read(len(block)) == block
    return count


@pytest.mark.parametrize(
    ("number", "way"), [(signal.SIGKILL, "down"), (signal.SIGTERM, "up")], ids=["SIGKILL-down", "SIGTERM-up"]
)
def test_the_relay_is_restarted_mid_copy(plugged: Plugged, number: int, way: str) -> None:
    world, relay = plugged.world, plugged.world.relay
    assert relay is not None
    source, target = (plugged.shared, plugged.mine) if way == "down" else (plugged.mine, plugged.shared)
    write_file(source / "large", 200 * MIB)
    words = [":shared/large", plugged.mine] if way == "down" else [source / "large", ":shared"]
    copy = world.start(world.b, "cp", "--json", "--path", "relayed", *words)
    assert reaches(target, 40 * MIB, copy)
    relay.may_fail = True
    relay.signal(number)
    relay.wait()
    world.restart_relay()
    result = copy.wait()
    assert result.code == 0, str(result)
    assert result.object["path"] == "relayed"
    assert digest(target / "large") == digest(source / "large")


@pytest.mark.parametrize("way", ["down", "up"])
def test_the_agent_is_killed_and_restarted_mid_copy(plugged: Plugged, way: str) -> None:
    agent_killed_mid_copy(plugged, way, 1, 300 * MIB)


@pytest.mark.campaign
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["down", "up"])
def test_the_agent_is_killed_many_times_in_one_copy(plugged: Plugged, way: str) -> None:
    kills, size = (25, 1300 * MIB) if FULL else (3, 300 * MIB)
    agent_killed_mid_copy(plugged, way, kills, size)


def agent_killed_mid_copy(plugged: Plugged, way: str, kills: int, size: int) -> None:
    """Kill the agent at random points of one copy, and see what the copy goes on with each time."""
    world = plugged.world
    source, target = (plugged.shared, plugged.mine) if way == "down" else (plugged.mine, plugged.shared)
    write_file(source / "large", size)
    openings = world.base / "openings"
    openings.touch()
    words = [":shared/large", plugged.mine] if way == "down" else [source / "large", ":shared"]
    copy = world.start(world.b, "cp", "--json", *words, driver=TELL_OPENINGS, environment={"OPENINGS": str(openings)})
    drawn = random.Random(f"kills {way} {kills}")
    agent = plugged.agent_a
    lost: list[int] = []
    in_flight = 0
    for index in range(kills):
        point = int((index + drawn.random()) / (kills + 1) * size)
        assert reaches(target, max(point, 1), copy), str(copy.wait())
        threading.Event().wait(drawn.uniform(0, 0.02))
        agent.kill()
        before = len(told(openings))
        part = part_of(target)
        assert part is not None, "the copy ended before its agent was killed"
        had = whole_blocks(part, source / "large") * BLOCK
        in_flight += max(0, written(target) - had)
        agent = world.up(world.a, plugged.shared)
        until(lambda: len(told(openings)) > before or not copy.running, "the copy goes on")  # noqa: B023 - called in this round
        assert len(told(openings)) > before, str(copy.wait())
        lost.append(max(0, had - told(openings)[before]))
    result = copy.wait()
    assert result.code == 0, str(result)
    assert digest(target / "large") == digest(source / "large")
    figure(
        f"agent killed mid-copy ({way}), {kills} kills: most bytes sent again of {size}", max(lost), "<= 1 % + 1 block"
    )
    figure(f"agent killed mid-copy ({way}), {kills} kills: bytes in flight", in_flight, "reported")
    assert len(lost) == kills
    assert max(lost) <= size // 100 + BLOCK, lost


def told(openings: Path) -> list[int]:
    """What the part file held at each opening by a command that TELLs its OPENINGS."""
    return [int(line) for line in openings.read_text().splitlines()]


def test_a_command_beside_its_agent_goes_on_when_the_agent_dies(plugged: Plugged) -> None:
    """The command's own agent is killed: it reaches the other side by itself from then on."""
    world = plugged.world
    own = world.up(world.b)
    own.wait_connected()
    write_file(plugged.shared / "large", 300 * MIB)
    copy = world.start(world.b, "cp", "--json", ":shared/large", plugged.mine)
    assert reaches(plugged.mine, 60 * MIB, copy)
    own.kill()
    result = copy.wait()
    assert result.code == 0, str(result)
    assert digest(plugged.mine / "large") == digest(plugged.shared / "large")


@pytest.mark.campaign
@pytest.mark.timeout(1800 if FULL else 600)
@pytest.mark.parametrize("way", ["down", "up"])
def test_a_transfer_cut_at_random_points_is_gone_on_with(plugged: Plugged, way: str) -> None:
    """The command is killed at random points of one transfer and run again each time."""
    world = plugged.world
    cuts_each, size = (100, 1300 * MIB) if FULL else (10, 240 * MIB)
    source, target = (plugged.shared, plugged.mine) if way == "down" else (plugged.mine, plugged.shared)
    write_file(source / "large", size)
    words = [":shared/large", plugged.mine] if way == "down" else [source / "large", ":shared"]
    drawn = random.Random(f"cuts {way}")
    cuts = resent = in_flight = 0
    had = 0
    worst = 0
    for index in range(cuts_each):
        copy = world.start(world.b, "cp", "--json", *words)
        point = int((index + drawn.random()) / (cuts_each + 1) * size)
        # What an earlier cut left is re-checked, not written; the point may lie before it.
        if not reaches(target, max(point, 1), copy):
            break
        # Not at the very moment of a write.
        threading.Event().wait(drawn.uniform(0, 0.02))
        copy.kill()
        cuts += 1
        assert not (target / "large").exists()
        part = part_of(target)
        assert part is not None
        had = whole_blocks(part, source / "large") * BLOCK
        in_flight += max(0, written(target) - had)
        check = world.start(world.b, "cp", "--json", "-q", *words, driver=STOP_AFTER_OPENING)
        result = check.wait()
        lost = had - int(result.out.strip() or 0)
        assert lost <= size // 100 + BLOCK
        resent += max(0, lost)
        worst = max(worst, lost)
    (report,) = world.json(world.b, "cp", *words)
    assert digest(target / "large") == digest(source / "large")
    assert report["bytes"] == size
    figure(f"cuts at random points ({way}), hash equal", cuts, f"{cuts_each}")
    figure(f"bytes sent again over {cuts} cuts ({way}) of {size}", resent, "reported")
    figure(f"most bytes sent again after one cut ({way}) of {size}", worst, "<= 1 % + 1 block")
    figure(f"bytes in flight at the cuts ({way})", in_flight, "reported")
    assert cuts == cuts_each
    assert had


# Prints how many bytes of the part file count as verified, and leaves before anything is sent.
STOP_AFTER_OPENING = """
import os, sys
from gimmal.protocol.digest import block_length
from gimmal.remote.files import Files
opening = Files.open_part
async def open_and_leave(self, request):
    opened = await opening(self, request)
    print(sum(block_length(request.size, index) for index, digest in enumerate(opened.blocks) if digest), flush=True)
    os._exit(0)
Files.open_part = open_and_leave
from gimmal.frontends.cli.main import run; run()
"""

# Adds a line to $OPENINGS each time the part file is opened: how many of its bytes count as verified.
TELL_OPENINGS = """
import os
from gimmal.protocol.digest import block_length
from gimmal.remote.files import Files
opening = Files.open_part
async def open_and_tell(self, request):
    opened = await opening(self, request)
    with open(os.environ["OPENINGS"], "a") as file:
        print(sum(block_length(request.size, index) for index, digest in enumerate(opened.blocks) if digest), file=file)
    return opened
Files.open_part = open_and_tell
from gimmal.frontends.cli.main import run; run()
"""


def test_a_tree_cut_in_its_midst_is_gone_on_with(world: World) -> None:
    plugged = plug_in(world)
    desk = desk_in(plugged)
    count = 3000
    for index in range(count):
        write_file(desk.far / "tree" / f"{index % 40}" / f"{index}", 40_000, index % 7, mtime=1_600_000_000)
    cuts = 0
    for share in (0.1, 0.4, 0.7):
        copy = desk.start("cp", "-r", desk.at("tree"), ".")

        def enough(copy: Process = copy, least: float = share * count) -> bool:
            names = [name for folder in (desk.near / "tree").glob("*") for name in os.listdir(folder)]
            return sum(not name.startswith(".gimmal-") for name in names) >= least or not copy.running

        until(enough, "files arrive", every=0.005)
        cuts += copy.running
        copy.kill()
    (report,) = desk.json("cp", "-r", desk.at("tree"), ".")
    assert report["files"] + report["skipped"] == count
    assert report["skipped"] >= 0.7 * count * 0.9
    for path in (desk.far / "tree").rglob("*"):
        if path.is_file():
            assert (desk.near / "tree" / path.relative_to(desk.far / "tree")).read_bytes() == path.read_bytes()
    assert cuts == 3


def test_interrupting_a_copy_by_hand_says_how_to_go_on(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "large", 300 * MIB)
    copy = world.start(world.b, "cp", ":shared/large", plugged.mine)
    assert reaches(plugged.mine, 20 * MIB, copy)
    interrupted = time.monotonic()
    copy.signal(signal.SIGINT)
    result = copy.wait()
    assert within(copy.ended_at - interrupted, 5)
    assert result.code == 8, str(result)
    assert "run the command again" in result.err
    assert not (plugged.mine / "large").exists()
    assert written(plugged.mine)


def test_two_agents_find_each_other_again_when_the_relay_was_away(world: World) -> None:
    """Nothing runs over any other way; while the relay is away commands say so, afterwards they work."""
    relay = world.start_relay()
    world.pair()
    agents = [
        world.up(world.a, world.a.folder("of-a"), listen=None),
        world.up(world.b, world.b.folder("of-b"), listen=None),
    ]
    for agent in agents:
        agent.wait_connected()
    assert world.run(world.b, "ls", "--path", "relayed").lines == ["of-a/"]
    relay.kill()
    away = world.run(world.b, "ls", "--path", "relayed", code=7)
    assert str(relay.port) in away.error
    world.restart_relay()
    until(lambda: world.run(world.b, "ls", code=None).lines == ["of-a/"], "b reaches a")
    until(lambda: world.run(world.a, "ls", code=None).lines == ["of-b/"], "a reaches b")
    assert all(agent.running for agent in agents)


@pytest.mark.parametrize("session", ["lost", "none"])
def test_beside_an_agent_it_is_soon_said_that_there_is_no_way(world: World, session: str) -> None:
    """It knows that its relay is away, and that no session or no link is there; a transfer waits all the same."""
    relay = world.start_relay()
    world.pair()
    far = world.up(world.a, world.a.folder("of-a"))
    near = world.up(world.b, world.b.folder("of-b"))
    for agent in (far, near):
        agent.wait_connected()
    if session == "none":
        far.stop()
        until(lambda: world.agent_status(world.b)["sessions"] == 0, "the session is over")
    else:
        far.kill()
    relay.kill()
    for _ in range(3):
        beside = world.run(world.b, "ls", code=7)
        assert within(beside.seconds, 7), str(beside)
        assert "hint: " in beside.err
    write_file(world.b.disk / "file", MIB, 1)
    copying = world.start(world.b, "cp", world.b.disk / "file", ":of-a/file")
    until(lambda: "waiting for the other side" in copying.err or not copying.running, "it says that it waits")
    assert copying.running, copying.err
    world.restart_relay()
    world.up(world.a, world.a.folder("of-a"))
    assert copying.wait().code == 0
    assert digest(world.a.folder("of-a") / "file") == digest(world.b.disk / "file")


def test_a_frozen_command_does_not_keep_its_file_from_the_next(world: World) -> None:
    """As one on a computer that went to sleep: its connection stands, and nothing comes of it."""
    plugged = plug_in(world, relay=False)
    source = write_file(world.b.disk / "file", 64 * MIB, 5)
    words = ["cp", "--at", plugged.agent_a.address, source, ":shared/file"]
    frozen = world.start(world.b, *words, "--limit", "8M")
    assert reaches(world.a.folder("shared"), 6 * MIB, frozen)
    frozen.signal(signal.SIGSTOP)
    world.run(world.b, *words)
    assert digest(world.a.folder("shared") / "file") == digest(source)
    frozen.kill()


def test_sources_named_in_another_order_are_gone_on_with(world: World) -> None:
    plugged = plug_in(world, relay=False)
    files = [write_file(world.b.folder(f"disk{number}") / f"file{number}", 24 * MIB, number) for number in range(3)]
    at = ["--at", plugged.agent_a.address]
    copying = world.start(world.b, "cp", *at, "--limit", "8M", *files, ":shared")
    assert reaches(world.a.folder("shared"), 10 * MIB, copying)
    copying.kill()
    (report,) = world.json(world.b, "cp", *at, *reversed(files), ":shared")
    assert report["resumed_bytes"] >= BLOCK
    for file in files:
        assert digest(world.a.folder("shared") / file.name) == digest(file)
