"""The line is cut and the mount killed at random while programs read and write: nobody hangs, nothing saved is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gimmal.protocol.limits import CALL_SECONDS
from tests.endtoend.mounting import MISSING, mounted
from tests.endtoend.processes import DEADLINE
from tests.endtoend.wire import CutError, Flow, Tamper, Wire
from tests.endtoend.world import FULL, Plugged, until, write_file
from tests.figures import figure

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    pytest.mark.timeout(7200 if FULL else 600),
]

CUTS = 100 if FULL else 2
CUT_SECONDS = 60 if FULL else 2
GOING_HOME_SECONDS = 60
BLOCKED_MOST = CALL_SECONDS + 2

WORKER = """
import os, sys, time
folder, number = sys.argv[1], int(sys.argv[2])
while True:
    number += 1
    began = time.monotonic()
    try:
        path = os.path.join(folder, f"file{number % 7}")
        descriptor = os.open(path + ".new", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o644)
        try:
            os.write(descriptor, b"%08d" % number * 5000)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(path + ".new", path)
        with open(path, "rb") as file:
            assert file.read(8) == b"%08d" % number
        os.listdir(folder)
        done = "saved"
    except OSError as error:
        done = f"failed:{error.errno}"
        time.sleep(0.05)
    print(number, done, time.monotonic() - began, flush=True)
"""


@dataclass
class Cable:
    """Between the two; pulled, nothing passes, and new connections come to nothing."""

    wire: Wire
    pulled: bool = False

    def tamper(self, _flow: Flow) -> Tamper:
        def pass_on(data: bytes) -> bytes:
            if self.pulled:
                raise CutError
            return data

        return pass_on


@pytest.fixture
def cable(plugged: Plugged) -> Iterator[Cable]:
    wire = Wire(plugged.agent_a.port)
    made = Cable(wire)
    wire.make_tamper = made.tamper
    yield made
    wire.close()


def start_worker(folder: Path, number: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WORKER, folder, str(number)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def state_of(process: subprocess.Popen[str]) -> str:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def end(worker: subprocess.Popen[str]) -> list[tuple[int, str, float]]:
    """Kill it and wait for it, as a person would who is tired of waiting; what it said."""
    worker.kill()
    said, _none = worker.communicate(timeout=DEADLINE)
    lines = [line.split() for line in said.splitlines() if len(line.split()) == 3]
    return [(int(number), done, float(seconds)) for number, done, seconds in lines]


def lost_of(home: Path, said: list[tuple[int, str, float]]) -> list[int]:
    """What was said to be saved and is not at home, nor anything newer under its name."""
    newest: dict[int, int] = {}
    for number, done, _seconds in said:
        if done == "saved":
            newest[number % 7] = number
    lost = []
    for name, number in newest.items():
        content = (home / f"file{name}").read_bytes()
        assert len(content) == 40_000, "whole, whichever it is"
        if int(content[:8]) < number:
            lost.append(number)
    return lost


def lost_in_the_end(home: Path, said: list[tuple[int, str, float]]) -> list[int]:
    """As ``lost_of``, once all had its time to go home."""
    with suppress(AssertionError):
        until(lambda: not _missing(home, said), "all is at home", GOING_HOME_SECONDS)
    return _missing(home, said)


def _missing(home: Path, said: list[tuple[int, str, float]]) -> list[int]:
    try:
        return lost_of(home, said)
    except FileNotFoundError:
        return [0]


def test_nobody_hangs_and_nothing_saved_is_lost_when_the_line_is_cut(plugged: Plugged, cable: Cable) -> None:
    home = plugged.shared
    drawn = random.Random("cuts and kills of a mount")
    longest, frozen, lost = 0.0, 0, 0
    with mounted(plugged.world, plugged.world.b, "--at", f"127.0.0.1:{cable.wire.port}") as (folder, _process):
        number = 0
        for _ in range(CUTS):
            worker = start_worker(folder / "shared", number)
            try:
                time.sleep(drawn.uniform(0.1, 0.5))
                cable.pulled = True
                cable.wire.cut()
                time.sleep(drawn.uniform(0.05, CUT_SECONDS))
                frozen += state_of(worker) == "D"
                cable.pulled = False
            finally:
                said = end(worker)
            longest = max([longest, *(seconds for _number, _done, seconds in said)])
            number = max([number, *(one for one, _done, _seconds in said)]) + 1
            lost += len(lost_in_the_end(home, said))
    figure("longest round of a program in the mount over a line that is cut, in seconds", round(longest, 1), "reported")
    figure("programs frozen in the mount, its line cut", frozen, "0")
    figure("files saved in the mount and lost, its line cut", lost, "0")
    assert not lost
    assert not frozen


def test_one_call_without_a_line_ends_in_time(plugged: Plugged, cable: Cable) -> None:
    write_file(plugged.shared / "file", 3_000_000)
    longest = 0.0
    with mounted(plugged.world, plugged.world.b, "--at", f"127.0.0.1:{cable.wire.port}") as (folder, _process):
        path = folder / "shared" / "file"
        reader = os.open(path, os.O_RDONLY)
        try:
            assert len(os.pread(reader, 10, 0)) == 10
            cable.pulled = True
            cable.wire.cut()
            for call in (
                lambda: os.pread(reader, 4096, 2_000_000),
                lambda: (folder / "shared" / "new").write_text("x"),
                lambda: os.mkdir(folder / "shared" / "folder"),
                lambda: os.rename(path, folder / "shared" / "other"),
                lambda: os.listdir(folder / "shared"),
                lambda: os.statvfs(folder),
            ):
                began = time.monotonic()
                with suppress(OSError):
                    call()  # type: ignore[no-untyped-call]
                longest = max(longest, time.monotonic() - began)
        finally:
            os.close(reader)
            cable.pulled = False
    figure("longest call in the mount without a line, in seconds", round(longest, 1), f"<= {BLOCKED_MOST:g}")
    assert longest <= BLOCKED_MOST


def test_what_was_saved_without_a_line_goes_home_after_the_mount_was_killed(plugged: Plugged, cable: Cable) -> None:
    world, home = plugged.world, plugged.shared
    way = ("--at", f"127.0.0.1:{cable.wire.port}")
    with mounted(world, world.b, *way, name="killed") as (folder, process):
        worker = start_worker(folder / "shared", 0)
        assert worker.stdout is not None
        first = worker.stdout.readline()
        cable.pulled = True
        cable.wire.cut()
        began, said = time.monotonic(), [first]
        while sum("saved" in line for line in said) < 10 or time.monotonic() - began < 1:
            assert time.monotonic() - began < DEADLINE, said
            said.append(worker.stdout.readline())
        process.kill()
        rest = end(worker)
    lines = [line.split() for line in said]
    all_said = [(int(number), done, float(seconds)) for number, done, seconds in lines] + rest
    assert _missing(home, all_said), "some of it waits"
    cable.pulled = False
    with mounted(world, world.b, *way, name="again"):
        lost = lost_in_the_end(home, all_said)
    figure("files saved in the mount without a line and lost, the mount killed", len(lost), "0")
    assert not lost


def test_what_was_saved_is_there_after_the_mount_was_killed(plugged: Plugged) -> None:
    home = plugged.shared
    drawn = random.Random("cuts and kills of a mount")
    lost, number = 0, 0
    for turn in range(CUTS):
        with mounted(plugged.world, plugged.world.b, name=f"killed{turn}") as (folder, process):
            worker = start_worker(folder / "shared", number)
            time.sleep(drawn.uniform(0.1, 0.8))
            process.kill()
            time.sleep(0.2)
            assert state_of(worker) != "D"
            said = end(worker)
            number = max([number, *(one for one, _done, _seconds in said)]) + 1
            lost += len(lost_of(home, said))
    figure("files saved in the mount and lost, the mount killed", lost, "0")
    assert not lost
