"""From the mount of a stick to the first listing of the other side; and what an agent costs that has nothing to do.

Each computer is 25 ms (there and back) away from the relay, so that a round trip between the two takes 50 ms. Nothing
leads from one to the other but the relay, the other side runs already, and the half has no password.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.endtoend.asking import first_listing
from tests.endtoend.processes import Agent
from tests.endtoend.services import halves
from tests.endtoend.world import FULL, RUN, World, until
from tests.figures import figure
from tests.lab.far_relay import FarRelay, far_relay_world
from tests.lab.plugging import PluggedStick, stick_beside_service
from tests.patience import within

RELAY_SECONDS = 0.025
PLUG_SECONDS = 4 * 2 * RELAY_SECONDS + 0.15
IDLE_SECONDS = 300 if FULL else 10
SETTLE_SECONDS = 30 if FULL else 3
IDLE_MEMORY_MIB = 60
IDLE_CORE = 0.002
IDLE_BYTES = 200
SPREAD_BYTES = 0 if FULL else 1000
"""One sign of life more or less is much of ten seconds."""

pytestmark = pytest.mark.timeout(1800 if FULL else 600)


@pytest.fixture(params=["a", "b"] if FULL else ["b"])
def guest(request: pytest.FixtureRequest) -> Iterator[tuple[World, FarRelay, PluggedStick, Agent]]:
    """A computer with the service, beside which lies the half of a side; the other side's agent, and the relay, run."""
    with far_relay_world(RELAY_SECONDS) as (world, network):
        here, home = (world.a, world.b) if request.param == "a" else (world.b, world.a)
        agent = world.up(home, home.folder("shared"), listen=None)
        world.relay_sees(agent, home)
        world.run(here, "shares", "add", here.folder("mine"))
        with stick_beside_service(world, here) as stick:
            yield world, network, stick, agent


@pytest.mark.campaign
def test_from_the_mount_to_the_first_listing(guest: tuple[World, FarRelay, PluggedStick, Agent]) -> None:
    world, _network, stick, other = guest
    here = world.a if stick.place == world.a.half else world.b
    runs = 10 if FULL else 2
    asked, answered, printed = [], [], []
    for number in range(runs):
        mounted = stick.plug()
        listing = first_listing(stick.socket)
        assert listing.names == ["shared"]
        asked.append(listing.asked - mounted)
        answered.append(listing.answered - mounted)
        other.wait_connected(after=number)
        stick.pull()
        other.wait_line("disconnected: ", after=number)
        stick.service.wait_state(stick.place, "gone", after=number)
    for number in range(runs, 2 * runs):
        mounted = stick.plug()
        until(stick.socket.exists, "an agent to ask", every=0.002)
        command = world.start(here, "ls", ":", "--half", stick.place, driver=stick.enter + RUN)
        command.wait_line("shared/")
        printed.append(time.monotonic() - mounted)
        command.wait()
        stick.pull()
        other.wait_line("disconnected: ", after=number)
        stick.service.wait_state(stick.place, "gone", after=number)
    side = here.side
    figure(f"mount to an agent that can be asked, side {side}, median of {runs}, ms", _ms(median(asked)), "reported")
    figure(f"mount to first listing, side {side}, longest of {runs}, ms", _ms(max(answered)), "reported")
    figure(f"mount to first line of gimmal ls, side {side}, median of {runs}, ms", _ms(median(printed)), "reported")
    figure(f"the same, longest of {runs}, ms", _ms(max(printed)), "reported")
    assert within(median(answered), PLUG_SECONDS, f"mount to first listing, side {side}, median of {runs}")


@pytest.mark.campaign
def test_an_idle_service_with_its_agent(guest: tuple[World, FarRelay, PluggedStick, Agent]) -> None:
    """All processes of the guest: supervisor, template, and the agent of a half whose other side is connected."""
    world, network, stick, other = guest
    here = world.a if stick.place == world.a.half else world.b
    stick.plug()
    other.wait_connected()
    pause = threading.Event()
    pause.wait(SETTLE_SECONDS)  # measures, and waits for nothing
    agent = int(halves(world, here)[0]["process"])
    processes = {"service": stick.service.pid, "template": _template_of(stick.service.pid), "agent": agent}
    before = {name: _core_seconds(process) for name, process in processes.items()}
    bytes_before, began = network.bytes_of(here.side), time.monotonic()
    pause.wait(IDLE_SECONDS)
    passed = network.bytes_of(here.side) - bytes_before
    took = time.monotonic() - began
    cores = {name: (_core_seconds(process) - before[name]) / took for name, process in processes.items()}
    memory = {name: _Memory.of(process) for name, process in processes.items()}
    # Pages of their own are shared among the three alone, those of files with every program.
    once = sum(each.own for each in memory.values()) + max(each.of_files for each in memory.values())
    for name in processes:
        figure(f"idle {name}: share of a core", round(cores[name], 5), "reported")
        figure(f"idle {name}: resident MiB", round(memory[name].resident, 1), f"<= {IDLE_MEMORY_MIB}")
    figure("idle, all three: resident MiB, each page once", round(once, 1), "reported")
    figure("idle, all three: share of a core", round(sum(cores.values()), 5), f"<= {IDLE_CORE}")
    figure("idle: bytes a second", round(passed / took, 1), f"<= {IDLE_BYTES}")
    assert max(each.resident for each in memory.values()) <= IDLE_MEMORY_MIB
    assert once <= 2 * IDLE_MEMORY_MIB
    assert passed <= IDLE_BYTES * took + SPREAD_BYTES
    # How much a wake-up costs says how busy the machine is.
    assert sum(cores.values()) <= (IDLE_CORE if FULL else 10 * IDLE_CORE)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)


def _template_of(service: int) -> int:
    for task in Path(f"/proc/{service}/task").iterdir():
        for child in (task / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "gimmal template":
                return int(child)
    raise AssertionError("there is no template")


def _core_seconds(process: int) -> float:
    """On a core so far, all threads, to the nanosecond."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@dataclass(frozen=True)
class _Memory:
    """MiB of a process: all that is resident; its own, divided among those that share it; that of files, in full."""

    resident: float
    own: float
    of_files: float

    @classmethod
    def of(cls, process: int) -> _Memory:
        sizes = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{process}/smaps_rollup").read_text(), re.MULTILINE))
        files = dict(re.findall(r"^(\w+):\s+(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE))
        return cls(*(int(one) / 1024 for one in (sizes["Rss"], sizes["Pss_Anon"], files["RssFile"])))
