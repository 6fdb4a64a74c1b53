"""A command that somebody holds up ends all the same when its half is pulled out."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gimmal.frontends.cli import pulled
from gimmal.half.presence_watch import watch_half
from tests.endtoend.world import RUN, Plugged, new_world, plug_in, until, write_file
from tests.half.helpers import folders, join
from tests.patience import PATIENCE, within

PULLED_SECONDS = 1.0


def blocked_in_writing(process: int, descriptor: int = 1) -> bool:
    """Whether a thread of a process waits for room in a pipe."""
    for task in Path(f"/proc/{process}/task").iterdir():
        fields = (task / "syscall").read_text().split()
        # write and writev of x86-64 and of arm64
        if fields[0] in ("1", "20", "64", "66") and int(fields[1], 16) == descriptor:
            return True
    return False


def held_up(plugged: Plugged, *words: str) -> subprocess.Popen[bytes]:
    """A command whose output nobody reads, as soon as it is stuck."""
    world = plugged.world
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *words],
        env=world.b.environment,
        cwd=world.b.disk,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(lambda: blocked_in_writing(process.pid), "it is stuck")
    return process


def test_who_takes_the_half_away_itself_stands_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = folders(tmp_path, "one", "two")
    join(one, two, "Home")
    location = one / "GIMMAL"
    monkeypatch.setattr(pulled, "_armed", True)
    monkeypatch.setattr(pulled, "_watched", {})
    ended = threading.Event()
    monkeypatch.setattr(pulled, "_end", lambda gone, _socket: gone.wait(PATIENCE) and ended.set())
    pulled.end_when_pulled(location)
    with watch_half(location) as mine:
        pulled.stand_down(location)
        pulled.stand_down(location)
    location.rename(one / "elsewhere")
    assert not mine.gone.wait(0.6)
    assert not ended.is_set()


@pytest.mark.parametrize("words", [["cat", ":shared/large"], ["tree", ":shared"], ["log", "--json"]], ids=" ".join)
def test_a_command_whose_output_nobody_reads_ends_with_its_half(words: list[str]) -> None:
    with new_world() as world:
        plugged = plug_in(world, both=True)
        write_file(plugged.shared / "large", 20 << 20)
        for number in range(1500):
            (plugged.shared / f"{'n' * 60}{number}").touch()
            (plugged.mine / f"{'n' * 60}{number}").touch()
        if words[0] == "log":
            world.run(world.a, "rm", ":mine/n*")
        process = held_up(plugged, *words)
        try:
            (world.b.half / "GIMMAL").rename(world.b.half / "elsewhere")
            started = time.monotonic()
            code = process.wait(PATIENCE)
            assert within(time.monotonic() - started, PULLED_SECONDS)
            assert process.stderr is not None
            assert code == 5
            assert process.stderr.read().splitlines()[-2:] == [
                b"error: the half was pulled out",
                b"hint: plug it in again",
            ]
        finally:
            process.kill()
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()


def test_an_agent_whose_talk_nobody_reads_ends_with_its_half() -> None:
    with new_world() as world:
        plugged = plug_in(world)
        reading, writing = os.pipe()
        # Another way into the same pipe, which waits for nobody.
        filling = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
        words = [sys.executable, "-c", RUN, "up", "--verbose", "--share", str(plugged.mine)]
        agent = subprocess.Popen(
            words, env=world.b.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writing
        )
        try:
            os.close(writing)
            plugged.agent_a.wait_connected()
            (socket,) = [path for path in world.b.runtime.iterdir() if path.suffix == ".sock"]
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(filling, b"x")
            asking = world.start(world.a, "ls", ":", "--path", "relayed")
            asking.may_fail = True
            until(lambda: blocked_in_writing(agent.pid, 2), "it is stuck")
            (world.b.half / "GIMMAL").rename(world.b.half / "elsewhere")
            started = time.monotonic()
            assert agent.wait(PATIENCE) == 5
            assert within(time.monotonic() - started, PULLED_SECONDS)
            assert not socket.exists()
            until(lambda: not world.agent_status(world.a)["connected"], "the link is closed")
        finally:
            agent.kill()
            agent.wait()
            os.close(reading)
            os.close(filling)


def test_who_calls_a_command_from_a_program_is_not_ended() -> None:
    pulled.end_when_pulled(Path("/nowhere"))  # neither looked for nor watched: nothing was armed
    assert not pulled._armed
    assert not pulled._watched
