"""The worlds of these tests notice what they must: a process left behind, a traceback, a mistake."""

from __future__ import annotations

import pytest

from tests.endtoend.world import World, until


def test_a_process_left_behind_is_ended_and_told() -> None:
    world = World()
    leave = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    [os.close(number) for number in (0, 1, 2)]\n"
        "    time.sleep(600)\n"
    )
    world.start(world.a, driver=leave).wait()
    with pytest.raises(AssertionError, match="left behind"):
        world.close()
    until(lambda: not world._left_behind(), "the one left behind has ended")


@pytest.mark.parametrize(
    ("driver", "says"),
    [("raise RuntimeError('a bug')", "traceback"), ("import os; os._exit(1)", "mistake of its own")],
)
def test_a_traceback_or_a_mistake_fails_the_test(driver: str, says: str) -> None:
    world = World()
    world.start(world.a, driver=driver).wait()
    with pytest.raises(AssertionError, match=says):
        world.close()
