"""A running copy whose paths are cut at random, in every way they fail: it goes on, and little is sent again."""

from __future__ import annotations

import random
import statistics
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.endtoend.test_interruptions import MIB
from tests.endtoend.world import FULL, Process, World, snapshot, until, write_file
from tests.figures import figure
from tests.lab.cuts import COUNTING_RUN, KINDS, Again, Cut
from tests.lab.namespaces import find_program
from tests.lab.routed import Routed, needs_namespaces, routed_world
from tests.patience import PATIENCE, within

pytestmark = [
    needs_namespaces,
    pytest.mark.skipif(not find_program("nft"), reason="not installed: nft (scripts/lab.sh installs it)"),
    pytest.mark.timeout(3600 if FULL else 600),
]

CUTS_EACH = 25 if FULL else 3
FILE = (1024 if FULL else 128) * MIB
RECORD = MIB
MORE = 2 * MIB
"""A copy of which so much has come since goes on."""


@pytest.fixture
def routed() -> Iterator[tuple[World, Routed]]:
    with routed_world() as made:
        yield made


@dataclass
class Counts:
    """What became of the cuts.

    Attributes:
        stood: seconds from each cut, or where no path was left from its end, until the copy went on.
        again: bytes sent again because of each.
    """

    stood: list[float] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    copied: int = 0


def make_source(folder: Path, what: str) -> int:
    """Fill a folder; the bytes in it."""
    if what == "file":
        write_file(folder / "large", FILE)
        return FILE
    count, small, large = FILE // (4 * MIB), 40_000, 3 * MIB
    for number in range(count):
        write_file(folder / f"{number % 8}" / f"large{number}", large, number % 5)
        for more in range(25):
            write_file(folder / f"{number % 8}" / f"small{number}-{more}", small, more)
    return count * (large + 25 * small)


def arrived(folder: Path) -> int:
    """Bytes on the disk below a folder, also of what is not finished."""
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.lstat().st_blocks * 512 if not path.is_dir() else 0
        except FileNotFoundError:
            continue
    return found


def more_arrives(target: Path, copying: Process, more: int) -> float:
    """Seconds until so much more lies there, or the copy has ended."""
    had = arrived(target)
    return until(lambda: arrived(target) >= had + more or not copying.running, "the copy goes on", PATIENCE)


@pytest.mark.campaign
@pytest.mark.parametrize(("way", "what"), [("down", "file"), ("up", "tree"), ("up", "file"), ("down", "tree")])
def test_a_copy_goes_on_whatever_becomes_of_its_paths(routed: tuple[World, Routed], way: str, what: str) -> None:
    if not FULL and (way, what) in (("up", "file"), ("down", "tree")):
        pytest.skip("in the campaign; the sample has the other two")
    world, network = routed
    again = Again(world.base / "again")
    far, near = world.a.folder("shared"), world.b.folder("mine")
    world.up(world.a, far, listen=f"{network.address('a')}:0", driver=COUNTING_RUN, environment=again.environment)
    source, targets = (far / "source", near) if way == "down" else (near / "source", far)
    size = make_source(source, what)
    drawn = random.Random(f"cuts {way} {what}")
    kinds = [KINDS[number % len(KINDS)] for number in range(CUTS_EACH)]
    counts = Counts()
    while len(counts.stood) < CUTS_EACH:
        target = targets / f"copy{counts.copied}"
        words = [":shared/source", target] if way == "down" else [source, f":shared/{target.name}"]
        copying = world.start(
            world.b, *("cp", "-r", "--limit", "12M", *words), driver=COUNTING_RUN, environment=again.environment
        )
        more_arrives(target, copying, 4 * MIB)
        while copying.running and len(counts.stood) < CUTS_EACH:
            suffer(Cut.draw(drawn, kinds[len(counts.stood)]), network, copying, target, again, counts)
            threading.Event().wait(drawn.uniform(0, 0.3))
        result = copying.wait()
        assert result.code == 0, str(result)
        assert snapshot(target) == snapshot(source)
        counts.copied += 1
    tell(counts, f"{what} {way}", size)


def suffer(cut: Cut, network: Routed, copying: Process, target: Path, again: Again, counts: Counts) -> None:
    """One cut, to its end and beyond; not counted where the copy ended meanwhile."""
    before = again.total
    cut.make(network)
    mending = threading.Timer(cut.seconds, cut.mend, (network,))
    mending.start()
    if cut.kind == "everything":
        mending.join()
    took = more_arrives(target, copying, MORE)
    mending.join()
    if copying.running:
        counts.stood.append(took)
        counts.again.append(again.total - before)


def tell(counts: Counts, what: str, size: int) -> None:
    number = len(counts.stood)
    figure(f"paths cut under a copy of a {what}: cuts after which every byte was right", number, f"{CUTS_EACH}")
    figure(f"the same ({what}): median seconds until it went on", round(statistics.median(counts.stood), 2), "reported")
    most = size // 100 + RECORD
    worst = max(counts.again)
    figure(f"the same ({what}): most bytes sent again after a cut, of {size}", worst, "<= 1 % + 1 record")
    figure(f"the same ({what}): bytes sent again over all cuts", sum(counts.again), "reported")
    assert number == CUTS_EACH
    assert worst <= most, counts.again
    assert within(max(counts.stood), 3, f"the same ({what}): longest stand of a copy"), counts.stood


def test_bytes_sent_again_are_counted(routed: tuple[World, Routed]) -> None:
    """That the count above sees what it is to see: at full speed a reset always meets a block under way."""
    world, network = routed
    again = Again(world.base / "again")
    agent = world.up(world.a, world.a.folder("shared"), listen=f"{network.address('a')}:0")
    write_file(world.a.disk / "shared" / "large", 400 * MIB)
    words = ["cp", "--at", agent.address, ":shared/large", "."]
    copying = world.start(world.b, *words, driver=COUNTING_RUN, environment=again.environment)
    reset = Cut("reset", [("a", "b"), ("b", "a")], 0.2)
    while not again.total and copying.running:
        more_arrives(world.b.disk, copying, 16 * MIB)
        reset.make(network)
        threading.Event().wait(reset.seconds)
        reset.mend(network)
    copying.kill()
    assert again.total > 0
    assert again.total % RECORD == 0
