"""An agent whose output nobody reads any more."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.endtoend.world import RUN, new_world
from tests.patience import PATIENCE


def test_an_agent_goes_on_when_nobody_reads_what_it_says() -> None:
    """``gimmal up | head -2``, or a terminal that was closed."""
    with new_world() as world:
        world.start_relay()
        world.pair()
        shared = world.a.folder("shared")
        (shared / "file").touch()
        reading, writing = os.pipe()
        words = [sys.executable, "-c", RUN, "up", "--share", str(shared), "--listen", "127.0.0.1:0"]
        with subprocess.Popen(
            words, env=world.a.environment, stdout=writing, stderr=subprocess.PIPE, cwd=world.a.disk
        ) as agent:
            try:
                os.close(writing)
                said = b""
                while b"ready: " not in said:
                    said += os.read(reading, 4096)
                os.close(reading)
                for _ in range(2):
                    other = world.up(world.b, world.b.folder("mine"))
                    other.wait_connected()
                    assert world.run(world.b, "ls", ":shared").lines == ["file"]
                    assert world.run(world.a, "ls", ":").lines == ["mine/"]
                    other.stop()
                    assert other.count_lines("disconnected: ") == 0
            finally:
                agent.terminate()
            assert agent.wait(PATIENCE) == 0
            assert agent.stderr is not None
            assert agent.stderr.read() == b""
