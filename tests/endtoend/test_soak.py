"""Relay and two agents under long use: descriptors do not grow, memory does not climb."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.endtoend.world import DEADLINE, FULL, Agent, Computer, Plugged, Process, World, digest, plug_in, until
from tests.figures import figure

KIB, MIB = 1 << 10, 1 << 20
SECONDS = float(os.environ.get("GIMMAL_SOAK_SECONDS", "1200" if FULL else "8"))
WARM_UP_ROUNDS = 12 if FULL else 2
MEMORY_MOST = 1.0
"""MiB an hour that memory may climb, over the second half."""

GROWTH_MOST = 3 * MIB
"""Bytes that memory may climb in a run too short for a slope: the size of not quite three record buffers."""

ROUNDS_LEAST = 8
"""By the fault for which this bound was set, that many rounds took 8 to 25 MiB more in each agent."""

QUIET = 2.5
"""Seconds: more than a link may take to close."""

FILE_SIZE = 200_000
STATUSES = 20
CALLS = 4


@dataclass
class Watched:
    """A process that is soaked, and what was seen of it."""

    name: str
    process: Process
    times: list[float] = field(default_factory=list)
    memories: list[int] = field(default_factory=list)

    def count(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def look(self) -> None:
        self.times.append(time.monotonic())
        self.memories.append(self.process.memory())

    def slope(self) -> float:
        """Bytes a second by linear fit over the second half."""
        half = len(self.times) // 2
        return fitted_slope(self.times[half:], self.memories[half:])


def fitted_slope(times: list[float], values: list[int]) -> float:
    """By least squares."""
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    return sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True)) / spread


class User:
    """Who sits at one computer and does the same few things again and again."""

    def __init__(self, world: World, computer: Computer, share: str, own: Agent, other: Agent) -> None:
        self._world = world
        self._computer = computer
        self._share = share
        self._own = own
        self._other = other
        self.operations = 0
        self._source = computer.disk / "source"
        self._source.write_bytes(os.urandom(FILE_SIZE))

    def round(self) -> None:
        """Everything once: through the own agent, through the relay and directly; calls that say nothing."""
        world, computer = self._world, self._computer
        back = computer.disk / "back"
        world.run(computer, "ls", f":{self._share}")
        world.run(computer, "cp", "--overwrite", self._source, f":{self._share}/there")
        world.run(computer, "cp", "--overwrite", "--path", "relayed", f":{self._share}/there", back)
        assert digest(back) == digest(self._source)
        world.run(computer, "ls", "--at", self._other.address, f":{self._share}")
        world.run(computer, "ls", "--path", "direct", f":{self._share}")
        for _once in range(STATUSES):
            world.agent_status(computer)
        for number in range(CALLS):
            with socket.create_connection(("127.0.0.1", self._other.port), DEADLINE) as caller:
                if number % 2:
                    caller.sendall(b"\x01" * 89)
        self.operations += 5 + STATUSES + CALLS


def settle(watched: list[Watched], most: list[int] | None = None) -> list[int]:
    """Descriptors once what ended is closed: the same numbers for longer than a link may take to close.

    Args:
        watched: the processes.
        most: numbers that are waited for where the first that stay the same are higher.
    """
    seen: list[tuple[float, list[int]]] = []

    def quiet() -> bool:
        now = time.monotonic()
        counts = [one.count() for one in watched]
        if seen and seen[-1][1] != counts:
            seen.clear()
        seen.append((now, counts))
        enough = most is None or all(count <= bound for count, bound in zip(counts, most, strict=True))
        return enough and now - seen[0][0] >= QUIET

    with suppress(AssertionError):
        until(quiet, "settled descriptors", every=0.05)
    return seen[-1][1]


def both(pool: ThreadPoolExecutor, work: list[Callable[[], None]]) -> None:
    for done in [pool.submit(one) for one in work]:
        done.result()


@pytest.mark.campaign
@pytest.mark.timeout(int(SECONDS) * 2 + 300)
def test_neither_descriptors_nor_memory_grow(world: World) -> None:
    threads_before = threading.active_count()
    plugged: Plugged = plug_in(world, both=True)
    relay, agent_a, agent_b = world.relay, plugged.agent_a, plugged.agent_b
    assert relay is not None
    assert agent_b is not None
    for number in range(40):
        for folder in (plugged.shared, plugged.mine):
            (folder / f"file {number}").write_bytes(b"x" * number)
    users = [User(world, world.a, "mine", agent_a, agent_b), User(world, world.b, "shared", agent_b, agent_a)]
    watched = [Watched("relay", relay), Watched("agent a", agent_a), Watched("agent b", agent_b)]
    with ThreadPoolExecutor(2) as pool:
        for _once in range(WARM_UP_ROUNDS):
            both(pool, [user.round for user in users])
        descriptors = settle(watched)
        before = sum(user.operations for user in users)
        ends = time.monotonic() + SECONDS
        rounds = 0
        for one in watched:
            one.look()
        while time.monotonic() < ends or rounds < ROUNDS_LEAST:
            both(pool, [user.round for user in users])
            rounds += 1
            for one in watched:
                one.look()
        descriptors_then = settle(watched, descriptors)
    operations = sum(user.operations for user in users) - before
    trace = os.environ.get("GIMMAL_SOAK_TRACE")
    if trace:
        lines = (
            f"{one.name} {at:.1f} {value // KIB}\n"
            for one in watched
            for at, value in zip(one.times, one.memories, strict=True)
        )
        Path(trace).write_text("".join(lines))
    for one, first, last in zip(watched, descriptors, descriptors_then, strict=True):
        figure(f"soak: descriptor growth of the {one.name}, {operations:,} operations", last - first, "0")
        assert last == first, one.name
    for one in watched:
        gained = one.memories[-1] - one.memories[0]
        print(f"{one.name}: {gained // KIB} KiB in {operations} operations, {one.slope() * 3600 / MIB:.2f} MiB/h")
        if FULL:
            figure(
                f"soak: memory slope of the {one.name}, MiB/h",
                round(one.slope() * 3600 / MIB, 2),
                f"<= {MEMORY_MOST:g}",
            )
            assert one.slope() * 3600 / MIB <= MEMORY_MOST, one.name
        if not FULL:
            figure(f"soak: memory growth of the {one.name}, KiB", gained // KIB, f"<= {GROWTH_MOST // KIB}")
            assert gained <= GROWTH_MOST, one.name
    assert threading.active_count() < threads_before + 20
