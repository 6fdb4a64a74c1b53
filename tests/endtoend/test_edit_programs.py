"""``gimmal edit`` with other people's editors at a terminal."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import pytest

from tests.endtoend.conftest import Desk
from tests.endtoend.terminal import Terminal
from tests.endtoend.world import RUN, until

TEXT = "".join(f"line {number}\n" for number in range(2000))


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing: apt-get install {program}")


def at_terminal(desk: Desk, *arguments: str, **environment: str) -> Terminal:
    words = [sys.executable, "-c", RUN, *arguments]
    return Terminal(words, desk.world.b.environment | {"TERM": "xterm"} | environment, desk.near)


def a_document(desk: Desk, mode: int = 0o640) -> Path:
    document = desk.far / "notes.txt"
    document.write_text(TEXT)
    document.chmod(mode)
    return document


@needs("vim")
@pytest.mark.parametrize("backup", ["yes", "no"], ids=["in place", "by rename"])
def test_vim_saves_twice_and_quits(desk: Desk, backup: str) -> None:
    document = a_document(desk)
    with at_terminal(desk, "edit", desk.at("notes.txt"), EDITOR="vim -u NONE -N") as terminal:
        terminal.wait_for("line 1")
        terminal.type(f":set backupcopy={backup}\r:1s/line/first/\r:w\r")
        until(lambda: document.read_text() == TEXT.replace("line 0", "first 0"), "the first save is at home")
        assert "saved" not in terminal.shown, "the screen is vim's"
        terminal.type(":$s/line/last/\r:x\r")
        assert terminal.wait() == 0
        assert terminal.shown.count("saved ") == 2
    assert document.read_text() == TEXT.replace("line 0", "first 0").replace("line 1999", "last 1999")
    assert stat.S_IMODE(document.stat().st_mode) == 0o640
    assert [path.name for path in desk.far.iterdir()] == ["notes.txt"]
    home = desk.world.b.base / "home"
    assert [path for path in home.rglob("*") if path.is_file()] == [], "vim keeps no viminfo, undo or swap file"


@needs("vim")
def test_quitting_vim_without_a_save_changes_nothing(desk: Desk) -> None:
    document = a_document(desk)
    before = document.stat()
    with at_terminal(desk, "edit", desk.at("notes.txt"), VISUAL="vim -u NONE -N", EDITOR="false") as terminal:
        terminal.wait_for("line 1")
        terminal.type("dd:q!\r")
        assert terminal.wait() == 0
        assert "saved" not in terminal.shown
    assert (document.stat().st_ino, document.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@needs("ed")
def test_ed_gets_ctrl_c_for_itself(desk: Desk) -> None:
    document = a_document(desk)
    with at_terminal(desk, "edit", "--program", "ed", desk.at("notes.txt")) as terminal:
        terminal.wait_for(str(len(TEXT)))
        terminal.type("7p\n")  # it takes up Ctrl-C after it has read the document
        terminal.wait_for("line 6")
        terminal.type("\x03")
        terminal.wait_for("?")  # its answer
        terminal.type("1s/line/first/\nw\nq\n")
        assert terminal.wait() == 0
        assert "saved" in terminal.shown
    assert document.read_text() == TEXT.replace("line 0", "first 0")
