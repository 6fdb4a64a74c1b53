"""``gimmal status --safe``: may the half be pulled out?"""

from __future__ import annotations

import signal

from tests.endtoend.conftest import Desk
from tests.endtoend.processes import Process
from tests.endtoend.world import Plugged, write_file


def test_it_is_safe_while_nothing_is_under_way(desk: Desk) -> None:
    assert desk.run("status", "--safe").out == "safe: the half may be pulled out\n"
    assert desk.run("status", "--safe", "--json").object == {
        "safe": True,
        "commands": [],
        "transfers_moving": 0,
        "going_home": 0,
        "on_this_computer": 0,
        "unreadable": [],
    }


def test_a_command_that_runs_makes_it_unsafe_with_and_without_an_agent(plugged: Plugged) -> None:
    world = plugged.world
    write_file(plugged.shared / "film.mkv", 1000)
    for agent in (None, world.up(world.b, plugged.mine)):
        process: Process = world.start(world.b, "play", "--url-only", ":shared/film.mkv")
        process.wait_line("play: ")
        result = world.run(world.b, "status", "--safe", code=4)
        assert result.out == f"not safe: gimmal play runs (process {process.pid})\n"
        assert result.error == "the half should not be pulled out yet"
        assert result.err.splitlines()[-1] == "hint: end the commands that use it"
        process.signal(signal.SIGINT)
        process.wait()
        assert world.run(world.b, "status", "--safe").code == 0
        assert agent is None or agent.running


def test_it_asks_nobody_but_this_computer(plugged: Plugged) -> None:
    plugged.agent_a.stop()
    assert plugged.world.run(plugged.world.b, "status", "--safe").code == 0


def test_edits_that_cannot_be_read_make_it_unsafe(desk: Desk) -> None:
    copy = desk.world.b.half / "GIMMAL" / "edits" / f"{'0' * 32}-01234567.damaged"
    write_file(copy, 1000)
    result = desk.run("status", "--safe", code=4)
    assert result.out == f"not safe: edits in {copy} cannot be read\n"
    assert result.err.splitlines()[-1] == "hint: the edits that cannot be read are named until they are moved away"
    copy.unlink()
    assert desk.run("status", "--safe").code == 0
