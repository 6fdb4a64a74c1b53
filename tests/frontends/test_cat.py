"""``gimmal cat`` into a pipe that somebody reads slowly, or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tests.endtoend.world import RUN, Plugged, new_world, plug_in, until, write_file
from tests.patience import PATIENCE, within

SIZE = 24 << 20


@pytest.fixture
def plugged() -> Iterator[Plugged]:
    with new_world() as world:
        yield plug_in(world, relay=False)


@contextmanager
def unread_cat(plugged: Plugged) -> Iterator[subprocess.Popen[bytes]]:
    """A ``cat`` whose output has begun to come and is then left lying."""
    world = plugged.world
    words = [sys.executable, "-c", RUN, "cat", ":shared/big", "--at", plugged.agent_a.address]
    with subprocess.Popen(
        words, env=world.b.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=world.b.disk
    ) as process:
        try:
            assert process.stdout is not None
            assert len(os.read(process.stdout.fileno(), 1)) == 1
            yield process
        finally:
            process.kill()


def connections(process: subprocess.Popen[bytes]) -> int:
    return len(psutil.Process(process.pid).net_connections("tcp"))


def test_pulling_the_half_out_closes_its_connections(plugged: Plugged) -> None:
    write_file(plugged.shared / "big", SIZE)
    with unread_cat(plugged) as process:
        assert connections(process) > 0
        (plugged.world.b.half / "GIMMAL").rename(plugged.world.b.half / "elsewhere")
        assert within(until(lambda: not connections(process), "no connection left"), 1)


def test_what_was_left_lying_comes_whole(plugged: Plugged) -> None:
    file = write_file(plugged.shared / "big", SIZE)
    with unread_cat(plugged) as process:
        out, err = process.communicate(timeout=PATIENCE)
        assert (process.returncode, err) == (0, b"")
        assert out == file.read_bytes()[1:]
