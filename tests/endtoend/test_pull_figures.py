"""How long it takes, in every way a half is taken away, until the other side knows and nothing of it runs any more."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.endtoend.guest import LoopDisk, loop_disk, mounted_image, processes_of
from tests.endtoend.processes import Agent, Process, note_ends
from tests.endtoend.world import FULL, PATIENT_RUN, RUN, Computer, World, new_world, until, write_file
from tests.figures import figure
from tests.patience import within

MIB = 1 << 20
PULLED_SECONDS = 1.0
WAYS = ("renamed", "unmounted", "truncated", "broken", "unplug")
ROUNDS = 20 if FULL else 1


@dataclass
class Guest:
    """A computer whose half lies on a disk of its own, with an agent and a copy under way.

    Attributes:
        master: what the stick is made of anew each time.
    """

    world: World
    base: Path
    master: Path
    agent_a: Agent
    rounds: int = 0
    informed: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)

    @property
    def computer(self) -> Computer:
        return self.world.b


@pytest.fixture
def guest() -> Iterator[Guest]:
    base = Path(tempfile.mkdtemp(prefix="gm-", dir="/tmp"))
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, base, ignore_errors=True)
        world = undo.enter_context(new_world())
        world.start_relay()
        with loop_disk(base, "s", 16) as stick:
            put_half_on(world, stick)
            world.pair()
            stick.sync()
        shared = world.a.folder("shared")
        write_file(shared / "large", 64 * MIB)
        yield Guest(world, base, base / "s.image", world.up(world.a, shared))


def put_half_on(world: World, stick: LoopDisk) -> None:
    """Not at its top, where every service that runs here would find and serve it."""
    world.b.half = stick.folder / "keys"
    world.b.half.mkdir(exist_ok=True)


def take_away(guest: Guest, stick: LoopDisk, how: str) -> tuple[float, list[Process]]:
    """When the half was gone, or was asked to be; and what was started for that."""
    started: list[Process] = []
    before = time.monotonic()
    if how == "renamed":
        (guest.computer.half / "GIMMAL").rename(stick.folder / "elsewhere")
    elif how == "unmounted":
        stick.unmount_lazily()
    elif how == "truncated":
        os.truncate(stick.image, 0)
    elif how == "broken":
        assert stick.shut_down()
    else:
        started.append(guest.world.start(guest.computer, "unplug"))
        return before, started
    return time.monotonic(), started


def one_round(guest: Guest, how: str) -> None:
    """Plug in, use, take away, and see what is left."""
    world, b = guest.world, guest.computer
    guest.rounds += 1
    image = guest.base / f"stick{guest.rounds}.image"
    shutil.copyfile(guest.master, image)
    folder = guest.base / f"stick{guest.rounds}"
    with mounted_image(image, folder) as stick:
        put_half_on(world, stick)
        before = guest.agent_a.count_lines("disconnected: the other half was unplugged")
        agent = world.up(b, driver=RUN if FULL else PATIENT_RUN)
        agent.wait_connected()
        copying = world.start(b, "cp", "--limit", "1M", ":shared/large", b.folder(f"copied{guest.rounds}"))
        slowly = ("--path", "relayed", "--limit", "1M")
        alone = world.start(b, "cp", *slowly, ":shared/large", b.folder(f"alone{guest.rounds}"))
        for folder_of in ("copied", "alone"):
            until(lambda: any(b.disk.glob(f"{folder_of}{guest.rounds}/.gimmal-part-*")), "a copy is under way")  # noqa: B023
        sockets = list(b.runtime.glob("*.sock"))
        pulled, started = take_away(guest, stick, how)
        informed = threading.Thread(target=inform, args=(guest, before, pulled))
        informed.start()
        mine = [agent, copying, *([alone] if how != "unplug" else [])]
        note_ends([*mine, *started])
        informed.join()
        guest.ended.append(max(process.ended_at for process in mine) - pulled)
        assert agent.wait().code == 0
        assert copying.wait().code in (5, 8), str(copying.wait())
        assert sockets and not any(path.exists() for path in sockets)
        if how == "unplug":
            # A command that reaches the other side by itself is no agent's: its person ends it, or pulls the half.
            alone.kill()
        else:
            assert alone.wait().code in (5, 8), str(alone.wait())
        assert processes_of(b.base) == []
    for process in (agent, copying, alone, *started):
        assert not process.dispose()
        world.processes.remove(process)
    image.unlink()


def inform(guest: Guest, before: int, pulled: float) -> None:
    guest.agent_a.wait_line("disconnected: the other half was unplugged", after=before)
    guest.informed.append(time.monotonic() - pulled)


@pytest.mark.campaign
@pytest.mark.timeout(1800 if FULL else 300)
@pytest.mark.parametrize("how", WAYS)
def test_everybody_knows_within_a_second(guest: Guest, how: str) -> None:
    if how == "broken" and not shuts_down(guest):
        pytest.skip("this ext4 cannot be made to break")
    for _ in range(ROUNDS):
        one_round(guest, how)
    for what, seconds in (("peer informed", guest.informed), ("every process of the guest ended", guest.ended)):
        assert len(seconds) == ROUNDS
        figure(f"half {how}, {ROUNDS} times: median s until {what}", round(statistics.median(seconds), 3), "reported")
        assert within(max(seconds), PULLED_SECONDS, f"half {how}, {ROUNDS} times: until {what}, worst"), seconds


def shuts_down(guest: Guest) -> bool:
    image = guest.base / "trial.image"
    shutil.copyfile(guest.master, image)
    with mounted_image(image, guest.base / "trial") as disk:
        if not disk.shut_down():
            return False
        with pytest.raises(OSError, match="Input/output error"):
            (disk.folder / "new").touch()
    return True
