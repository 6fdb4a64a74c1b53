"""Saves that were made while the other side was away: kept, counted, and home without anybody's doing."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.endtoend.conftest import Desk
from tests.endtoend.processes import Process
from tests.endtoend.test_edit import KEEPING, a_program, folder_of
from tests.endtoend.world import Plugged, until


def edit_while_away(plugged: Plugged, text: str = "two") -> tuple[Desk, Path]:
    """A document at home that was opened, and saved when the other side had gone; computer b has no agent."""
    desk = Desk(plugged, plugged.shared, plugged.mine)
    document = plugged.shared / "a.txt"
    document.write_text("one\n")
    program = a_program(desk, KEEPING + f'echo {text} >> "$1"\n')
    process: Process = desk.start("edit", "--program", program, ":shared/a.txt")
    folder_of(desk)
    plugged.agent_a.stop()
    (desk.near / "go").touch()
    result = process.wait()
    assert result.code == 0, result
    assert "kept on the half, waiting for the other side: " in result.err
    assert "note: the last save waits in the journal" in result.err
    return desk, document


def test_a_save_goes_home_with_the_agent_when_the_other_side_is_back(plugged: Plugged) -> None:
    world = plugged.world
    desk, document = edit_while_away(plugged)
    assert document.read_text() == "one\n"
    status = world.status(world.b)
    assert status["edits"] == {"going_home": 1, "on_this_computer": 0, "not_done": []}
    safe = desk.run("status", "--safe")
    assert safe.lines[0] == "safe: the half may be pulled out"
    assert safe.lines[1] == "on the half: 1 file still going home from wherever it is plugged in"
    agent = world.up(world.b, plugged.mine)
    assert "edits: 1 file still going home, kept on the half" in desk.run("status", code=7).lines
    world.up(world.a, plugged.shared)
    assert agent.wait_line("edits: ") == "1 file has gone home"
    assert document.read_text() == "one\ntwo\n"
    assert world.status(world.b)["edits"] == {"going_home": 0, "on_this_computer": 0, "not_done": []}


def test_it_goes_home_from_another_computer_that_the_half_is_plugged_into(plugged: Plugged) -> None:
    world = plugged.world
    _desk, document = edit_while_away(plugged)
    world.up(world.a, plugged.shared)
    elsewhere = {"XDG_STATE_HOME": str(world.b.folder("other state"))}
    agent = world.up(world.b, plugged.mine, environment=elsewhere)
    assert agent.wait_line("edits: ") == "1 file has gone home"
    assert document.read_text() == "one\ntwo\n"


def test_both_versions_are_there_where_the_other_side_changed_it_meanwhile(plugged: Plugged) -> None:
    world = plugged.world
    desk, document = edit_while_away(plugged)
    document.write_text("theirs now\n")
    world.up(world.a, plugged.shared)
    agent = world.up(world.b, plugged.mine)
    line = agent.wait_line("edits: ")
    assert line == "1 file has gone home, 1 beside what the other side had changed: gimmal conflicts"
    assert document.read_text() == "theirs now\n"
    (ours,) = plugged.shared.glob("a (conflict *).txt")
    assert ours.read_text() == "one\ntwo\n", "all of it is what was edited"
    (conflict,) = desk.json("conflicts")
    assert (conflict["path"], conflict["mine"], conflict["whole"]) == ("shared/a.txt", f"shared/{ours.name}", True)


def test_a_half_that_is_pulled_out_takes_the_kept_saves_with_it(plugged: Plugged) -> None:
    world = plugged.world
    desk = Desk(plugged, plugged.shared, plugged.mine)
    document = plugged.shared / "a.txt"
    document.write_text("one\n")
    process: Process = desk.start(
        "edit", "--program", a_program(desk, KEEPING + 'echo two >> "$1"; exec sleep 600\n'), ":shared/a.txt"
    )
    folder = folder_of(desk)
    plugged.agent_a.stop()
    (desk.near / "go").touch()
    process.wait_line("kept on the half", of_err=True)
    pulled = world.b.half.with_name("pulled")
    world.b.half.rename(pulled)
    assert process.wait().code == 5
    until(lambda: not folder.exists(), "the folder is gone")
    pulled.rename(world.b.half)
    world.up(world.a, plugged.shared)
    world.up(world.b, plugged.mine).wait_line("edits: ")
    assert document.read_text() == "one\ntwo\n"


def test_several_kept_saves_end_as_the_last(plugged: Plugged) -> None:
    world = plugged.world
    desk = Desk(plugged, plugged.shared, plugged.mine)
    document = plugged.shared / "new.txt"
    script = KEEPING + 'echo one > "$1"; rm go\n' + KEEPING + 'echo two >> "$1"; rm go\n' + KEEPING
    process: Process = desk.start("edit", "--program", a_program(desk, script), ":shared/new.txt")
    folder_of(desk)
    plugged.agent_a.stop()
    for number in range(2):
        (desk.near / "go").touch()
        process.wait_line("kept on the half", of_err=True, after=number)
        until(lambda: not (desk.near / "go").exists(), "it was saved")
    world.up(world.a, plugged.shared)
    process.wait_line("saved ", of_err=True)
    assert document.read_text() == "one\ntwo\n"
    process.signal(signal.SIGTERM)
    assert process.wait().code == 0


def test_the_next_editing_sends_it_home_before_it_opens_anything(plugged: Plugged) -> None:
    desk, document = edit_while_away(plugged)
    plugged.world.up(plugged.world.a, plugged.shared)
    result = desk.run("edit", "--program", a_program(desk, 'echo three >> "$1"\n'), ":shared/a.txt")
    assert "note: 1 file of earlier edits went home" in result.err
    assert document.read_text() == "one\ntwo\nthree\n"
    assert [path.name for path in plugged.shared.iterdir()] == ["a.txt"]
