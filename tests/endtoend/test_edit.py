"""``gimmal edit`` as a person uses it: saves of several kinds of programs, conflicts, and what is left at the end."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.frontends.edit.editing import TEMPORARY
from gimmal.frontends.edit.memory_folder import PREFIX
from tests.endtoend.conftest import Desk
from tests.endtoend.world import RUN, Plugged, content, until, write_file

KEEPING = "for step in $(seq 600); do [ -e go ] && break; sleep 0.1; done\n"
"""Shell that waits for the test's word."""


def a_program(desk: Desk, script: str, name: str = "program") -> str:
    """A program that edits ``$1`` by a shell script; the words that start it."""
    program = desk.near / name
    program.write_text(f'#!/bin/sh\ncd {desk.near}\necho "$1" > opened.new; mv opened.new opened\n{script}')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


def folder_of(desk: Desk) -> Path:
    """Where the document lies that a program of ours was given."""
    until(lambda: (desk.near / "opened").exists(), "the program runs")
    return Path((desk.near / "opened").read_text().strip()).parent


def left_over() -> list[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith(PREFIX)]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = set(left_over())
    yield
    until(lambda: set(left_over()) <= before, "the document's folder is gone")


def test_a_save_in_place_goes_home(desk: Desk) -> None:
    document = desk.far / "letter.txt"
    document.write_text("Dear Alice\n")
    document.chmod(0o640)
    result = desk.run("edit", "--program", a_program(desk, 'echo Bob >> "$1"'), desk.at("letter.txt"))
    assert document.read_text() == "Dear Alice\nBob\n"
    assert stat.S_IMODE(document.stat().st_mode) == 0o640
    assert result.out == ""
    assert result.err.splitlines()[0] == "editing 11 B with program"
    assert "saved 15 B of 15 B" in result.err
    assert not folder_of(desk).exists()


def test_a_document_that_is_not_there_is_made_by_its_first_save(desk: Desk) -> None:
    result = desk.run("edit", "--program", a_program(desk, 'echo new > "$1"'), desk.at("new.txt"))
    assert (desk.far / "new.txt").read_text() == "new\n"
    assert "editing a new document" in result.err
    unsaved = desk.run("edit", "--program", a_program(desk, "true"), desk.at("none.txt"))
    assert "note: nothing was saved, so no document was made" in unsaved.err
    assert not (desk.far / "none.txt").exists()
    removed = desk.run("edit", "--program", a_program(desk, 'rm "$1"'), desk.at("new.txt"))
    assert "note: the document was removed here" in removed.err
    assert (desk.far / "new.txt").read_text() == "new\n"
    assert "no such file" in desk.run("edit", "--program", "true", desk.at("none/new.txt"), code=4).error


def test_saves_by_rename_with_backups_and_locks_travel_alone(desk: Desk) -> None:
    document = write_file(desk.far / "report.odt", 300_000)
    script = (
        'name=$(basename "$1"); cd "$(dirname "$1")"\n'
        'echo lock > ".~lock.$name#"; cp "$name" "$name~"; echo x > 4913; rm 4913\n'
        f'cp "$name" lu123.tmp; printf one >> lu123.tmp; mv lu123.tmp "$name"; cd {desk.near}\n{KEEPING}'
        'cd "$(dirname "$1")"; mv "$name" "$name.bak"; cp "$name.bak" "$name"; printf two >> "$name"\n'
        'rm ".~lock.$name#"\n'
    )
    process = desk.start("edit", "--program", a_program(desk, script), desk.at("report.odt"))
    assert process.wait_line("saved ", of_err=True).endswith(" of 300 kB")
    assert document.read_bytes() == content(300_000) + b"one"
    (desk.near / "go").touch()
    result = process.wait(60)
    assert result.code == 0, result
    assert document.read_bytes() == content(300_000) + b"onetwo"
    assert os.listdir(desk.far) == ["report.odt"]
    assert "note" not in result.err


def test_what_lies_beside_the_document_is_named(desk: Desk) -> None:
    (desk.far / "a.txt").write_text("a")
    script = 'cp "$1" "$(dirname "$1")/other.txt"; echo b >> "$1"\n' + KEEPING
    process = desk.start("edit", "--program", a_program(desk, script), desk.at("a.txt"))
    assert "/other.txt is not sent and goes at the end" in process.wait_line("note: ", of_err=True)
    (desk.near / "go").touch()
    assert process.wait(60).code == 0
    assert os.listdir(desk.far) == ["a.txt"]


def test_both_versions_are_kept_where_the_other_side_has_changed_it(desk: Desk) -> None:
    document = desk.far / "a.txt"
    document.write_text("as it was\n")
    script = KEEPING + 'echo mine >> "$1"; rm go\n' + KEEPING + 'echo more >> "$1"\n'
    process = desk.start("edit", "--program", a_program(desk, script), desk.at("a.txt"))
    folder_of(desk)
    document.write_text("theirs now\n")
    (desk.near / "go").touch()
    path = process.wait_line("conflict: the other side has changed it too; yours is :", of_err=True)
    until(lambda: not (desk.near / "go").exists(), "the first save is made")
    (desk.near / "go").touch()
    result = process.wait(60)
    assert result.code == 0, result
    assert document.read_text() == "theirs now\n"
    ours = desk.far / path.rpartition("/")[2]
    assert ours.name.startswith("a (conflict ")
    assert ours.suffix == ".txt"
    assert ours.read_text() == "as it was\nmine\nmore\n"
    assert len(os.listdir(desk.far)) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_being_ended_sends_the_last_save_and_ends_the_program(desk: Desk, number: int) -> None:
    (desk.far / "a.txt").write_text("one\n")
    script = 'echo two >> "$1"; exec sleep 600\n'
    process = desk.start("edit", "--program", a_program(desk, script), desk.at("a.txt"))
    folder = folder_of(desk)
    until(lambda: (folder / "a.txt").read_text() == "one\ntwo\n", "the save")
    process.signal(number)
    assert process.wait(60).code == 0
    assert (desk.far / "a.txt").read_text() == "one\ntwo\n"
    assert not folder.exists()


def test_killing_it_leaves_no_folder(desk: Desk) -> None:
    write_file(desk.far / "a.txt", 3_000_000)
    process = desk.start("edit", "--program", a_program(desk, KEEPING), desk.at("a.txt"))
    folder = folder_of(desk)
    assert folder.exists()
    process.may_fail = True
    process.signal(signal.SIGKILL)
    until(lambda: not folder.exists(), "the guard removes it")
    (desk.near / "go").touch()  # its program is not ended with it
    process.wait()


def test_pulling_the_half_removes_the_folder_and_ends_the_program(plugged: Plugged) -> None:
    world = plugged.world
    desk = Desk(plugged, plugged.shared, plugged.mine)
    write_file(plugged.shared / "a.txt", 3_000_000)
    program = a_program(desk, "echo $$ > number; exec sleep 600\n")
    process = desk.start("edit", "--program", program, ":shared/a.txt")
    folder = folder_of(desk)
    number = desk.near / "number"
    until(lambda: number.exists() and number.read_text().strip(), "the program runs")
    world.b.half.rename(world.b.half.with_name("pulled"))
    result = process.wait(60)
    assert result.code == 5
    assert result.error == "the half was pulled out"
    until(lambda: not folder.exists(), "the folder is gone")
    assert not Path(f"/proc/{number.read_text().strip()}").exists()


def test_a_save_waits_for_the_other_side_and_goes_when_it_is_back(plugged: Plugged) -> None:
    world = plugged.world
    desk = Desk(plugged, plugged.shared, plugged.mine)
    document = plugged.shared / "a.txt"
    document.write_text("one\n")
    script = KEEPING + 'echo two >> "$1"; rm go\n' + KEEPING
    process = desk.start("edit", "--program", a_program(desk, script), ":shared/a.txt")
    folder_of(desk)
    plugged.agent_a.stop()
    (desk.near / "go").touch()
    process.wait_line("kept on the half, waiting for the other side: ", of_err=True)
    world.up(world.a, plugged.shared)
    process.wait_line("saved ", of_err=True)
    assert document.read_text() == "one\ntwo\n"
    (desk.near / "go").touch()
    assert process.wait(60).code == 0


def test_a_save_that_is_refused_is_kept_and_said(plugged: Plugged) -> None:
    world = plugged.world
    desk = Desk(plugged, plugged.shared, plugged.mine)
    frozen = world.a.folder("frozen")
    (frozen / "a.txt").write_text("one\n")
    plugged.agent_a.stop()
    world.up(world.a, f"{frozen}:ro")
    result = desk.run("edit", "--program", a_program(desk, 'echo two >> "$1"'), ":frozen/a.txt", code=4)
    assert "note: this share grants reading only: no save can go home" in result.err
    assert "the share does not grant this" in result.error
    (hint,) = [line for line in result.err.splitlines() if line.startswith("hint: it is kept in ")]
    kept = Path(hint.removeprefix("hint: it is kept in "))
    assert (kept / "a.txt").read_text() == "one\ntwo\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    for path in (kept / "a.txt", kept / TEMPORARY, kept):
        path.unlink() if path.is_file() else path.rmdir()


def test_a_program_that_hands_over_is_waited_for(desk: Desk) -> None:
    (desk.far / "a.odt").write_text("one\n")
    script = (
        f'( cd "$(dirname "$1")"; exec 9< a.odt; echo lock > ".~lock.a.odt#"; cd {desk.near}\n'
        f'{KEEPING} cd "$(dirname "$1")"; echo two >> a.odt; rm ".~lock.a.odt#" ) >/dev/null 2>&1 &\n'
        'until [ -e "$(dirname "$1")/.~lock.a.odt#" ]; do sleep 0.05; done\n'
    )
    process = desk.start("edit", "--program", a_program(desk, script), desk.at("a.odt"))
    assert "gave the document to a running program" in process.wait_line("note: ", of_err=True)
    (desk.near / "go").touch()
    assert process.wait(60).code == 0
    assert (desk.far / "a.odt").read_text() == "one\ntwo\n"


def test_ctrl_c_ends_what_was_handed_over(desk: Desk) -> None:
    (desk.far / "a.txt").write_text("one\n")
    program = a_program(desk, 'echo two >> "$1"\n', "xdg-open")
    process = desk.start("edit", "--program", program, desk.at("a.txt"))
    process.wait_line("note: xdg-open gave the document", of_err=True)
    process.signal(signal.SIGINT)
    assert process.wait(60).code == 0
    assert (desk.far / "a.txt").read_text() == "one\ntwo\n"


def test_json_events(desk: Desk) -> None:
    (desk.far / "a.txt").write_text("one\n")
    program = a_program(desk, 'echo said; echo two >> "$1"')
    result = desk.run("edit", "--json", "--program", program, desk.at("a.txt"))
    opened, saved = result.events
    assert opened == {"event": "opened", "program": "program", "size": 4}
    assert saved == {"event": "saved", "sent": 8, "size": 8, "conflict": None}
    assert result.err == "said\n"


def test_what_cannot_be_edited_is_said(desk: Desk) -> None:
    (desk.far / "folder").mkdir()
    (desk.far / "a.txt").write_text("one\n")
    result = desk.run("edit", "--program", "true", desk.at("folder"), code=4)
    assert "it is a folder" in result.error
    assert "hint: name a file instead" in result.err
    assert "names this computer" in desk.run("edit", "a.txt", code=2).error
    assert "a share is no document" in desk.run("edit", ":shared", code=2).error
    assert "there is no program" in desk.run("edit", "--program", "none-such", desk.at("a.txt"), code=2).error
    assert "no program was found" in desk.run("edit", desk.at("a.txt"), code=2).error
    failing = desk.run("edit", "--program", a_program(desk, 'echo two >> "$1"; exit 3'), desk.at("a.txt"), code=9)
    assert failing.error == "program ended with status 3"
    assert (desk.far / "a.txt").read_text() == "one\ntwo\n"


def test_of_a_link_the_document_it_points_to_is_named(desk: Desk) -> None:
    (desk.far / "folder").mkdir()
    (desk.far / "notes.txt").write_text("one\n")
    (desk.far / "folder" / "link").symlink_to("../notes.txt")
    result = desk.run("edit", "--program", "true", desk.at("folder/link"), code=4)
    assert "symbolic links are not followed" in result.error
    assert f"hint: edit its target: {desk.at('notes.txt')}\n" in result.err
    for target in ("missing", "/etc/hostname", "../../../../etc/hostname", "folder"):
        (desk.far / "elsewhere").symlink_to(target)
        result = desk.run("edit", "--program", "true", desk.at("elsewhere"), code=4)
        assert "hint: share the folder it points to by itself" in result.err, target
        (desk.far / "elsewhere").unlink()


def test_a_document_whose_contents_moved_is_at_home_whole(desk: Desk) -> None:
    document = write_file(desk.far / "large.bin", 6_000_000, mode=0o640)
    script = 'cd "$(dirname "$1")"; { echo front; cat large.bin; } > new; mv new large.bin\n'
    result = desk.run("edit", "--program", a_program(desk, script), desk.at("large.bin"))
    assert document.read_bytes() == b"front\n" + content(6_000_000)
    assert stat.S_IMODE(document.stat().st_mode) == 0o640
    assert "of 6 MB" in result.err


def test_attributes_of_the_document_stay(desk: Desk) -> None:
    document = desk.far / "a.txt"
    document.write_text("one\n")
    os.setxattr(document, "user.colour", b"blue")
    script = 'echo two >> "$1"; mv "$1" "$1.new"; cp "$1.new" "$1"; rm "$1.new"\n'
    desk.run("edit", "--program", a_program(desk, script), desk.at("a.txt"))
    assert document.read_text() == "one\ntwo\n"
    assert os.getxattr(document, "user.colour") == b"blue"


def test_saving_without_a_change_sends_nothing(desk: Desk) -> None:
    document = write_file(desk.far / "a.txt", 100_000)
    before = document.stat()
    result = desk.run("edit", "--program", a_program(desk, 'cp "$1" "$1~"; mv "$1~" "$1"\n'), desk.at("a.txt"))
    assert "saved" not in result.err
    assert (document.stat().st_ino, document.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_document_that_was_removed_meanwhile_comes_back(desk: Desk) -> None:
    document = desk.far / "a.txt"
    document.write_text("one\n")
    process = desk.start("edit", "--program", a_program(desk, KEEPING + 'echo two >> "$1"\n'), desk.at("a.txt"))
    folder_of(desk)
    document.unlink()
    (desk.near / "go").touch()
    result = process.wait()
    assert result.code == 0, result
    assert "conflict" not in result.err
    assert document.read_text() == "one\ntwo\n"
    assert os.listdir(desk.far) == ["a.txt"]


def test_names_that_cannot_travel_as_they_are(desk: Desk) -> None:
    document = desk.far / os.fsdecode(b"caf\xe9.txt")
    document.write_text("one\n")
    result = desk.run("edit", "--program", a_program(desk, 'echo two >> "$1"\n'), desk.at("caf*.txt"))
    assert document.read_text() == "one\ntwo\n", result


KEEP_ALWAYS = f"from gimmal.frontends.edit import sending; sending.KEEP_SECONDS = 0.0\n{RUN}"


@pytest.mark.parametrize("before", ["one\n", None], ids=["a change", "a new document"])
def test_what_is_kept_while_it_is_sent_is_not_sent_twice(desk: Desk, before: str | None) -> None:
    if before is not None:
        (desk.far / "a.txt").write_text(before)
    script = 'echo two >> "$1"\n' + KEEPING + 'echo three >> "$1"\n'
    process = desk.start("edit", "--program", a_program(desk, script), desk.at("a.txt"), driver=KEEP_ALWAYS)
    process.wait_line("saved ", of_err=True)
    (desk.near / "go").touch()
    result = process.wait()
    assert result.code == 0, result
    assert (desk.far / "a.txt").read_text() == (before or "") + "two\nthree\n"
    assert os.listdir(desk.far) == ["a.txt"]
    assert result.err.count("saved ") == 2
    assert desk.run("status", "--safe", "--json").object["going_home"] == 0
