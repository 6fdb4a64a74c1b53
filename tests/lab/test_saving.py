"""How soon a save of a large document is at home, over a line of 50 ms and 20 Mbit/s."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.line import Line, line
from bench.ssh_rig import Missing

from tests.endtoend.world import FULL, World, new_world, until, write_file
from tests.figures import figure
from tests.patience import within

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(600 if FULL else 120)]

ROUND_TRIP, RATE = 0.05, 20e6
SIZE = 100 << 20 if FULL else 16 << 20
CHANGED = 10 << 10
SAVES = 5 if FULL else 2

PROGRAM = """
import os, sys, time
document, base = sys.argv[2], sys.argv[1]
for number in range({saves}):
    while not os.path.exists(f"{{base}}/go{{number}}"):
        time.sleep(0.01)
    with open(f"{{base}}/new{{number}}", "rb") as new:
        data = new.read()
    with open(document, "r+b") as file:
        file.seek({place} * (number + 1))
        file.write(data)
    with open(f"{{base}}/saved{{number}}.new", "w") as mark:
        mark.write(repr(time.time()))
    os.rename(f"{{base}}/saved{{number}}.new", f"{{base}}/saved{{number}}")
"""


@pytest.fixture
def slow_line() -> Iterator[Line]:
    try:
        with line(ROUND_TRIP / 2, RATE, 0.0, 256 << 10) as made:
            yield made
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture
def world() -> Iterator[World]:
    with new_world() as made:
        yield made


def test_a_save_of_a_large_document_is_at_home_within_a_second(slow_line: Line, world: World) -> None:
    for computer in (world.a, world.b):
        computer.prefix = slow_line.in_namespace(computer.side, [])
    world.pair(relay=False)
    shared, mine = world.a.folder("shared"), world.b.folder("mine")
    document = write_file(shared / "large.bin", SIZE)
    place = SIZE // (SAVES + 2) // 4096 * 4096 + 1000
    agent = world.up(world.a, shared, listen=f"{slow_line.address('a')}:0")
    address = agent.address
    program = mine / "program.py"
    program.write_text(PROGRAM.format(saves=SAVES, place=place))
    seconds: list[float] = []
    process = world.start(
        world.b, "edit", "--at", address, "--program", f"python3 {program} {mine}", ":shared/large.bin"
    )
    process.wait_line("editing ", of_err=True)
    passed = slow_line.counters()["b"].wire_bytes
    for number in range(SAVES):
        data = random.Random(number).randbytes(CHANGED)
        before = version(document)
        (mine / f"new{number}").write_bytes(data)
        (mine / f"go{number}").touch()
        saved = mine / f"saved{number}"
        until(lambda before=before: version(document) != before, "it is at home", every=0.005)
        at_home = time.time()
        until(saved.exists, "the program says when")
        seconds.append(at_home - float(saved.read_text()))
        assert bytes_at(document, place * (number + 1), CHANGED) == data
        process.wait_line("saved ", of_err=True, after=number)
    sent = slow_line.counters()["b"].wire_bytes - passed
    assert process.wait().code == 0
    seconds.sort()
    figure(f"save of {SIZE >> 20} MiB with 10 KiB changed: bytes that travelled", sent // SAVES, "<= 65536")
    assert sent // SAVES <= 65536
    assert within(seconds[len(seconds) // 2], 1.0, f"save of {SIZE >> 20} MiB with 10 KiB changed, 50 ms, 20 Mbit/s")


def version(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_ino, state.st_mtime_ns


def bytes_at(path: Path, offset: int, length: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)
