"""Which program edits, and who still has a document open."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gimmal.base.errors import UsageError
from gimmal.frontends.edit.program import Program, find_program, in_use


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, with some programs; no desktop, and none of the person's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("xdg-open", "nano", "my-editor", "vim"):
        program = folder / name
        program.write_text("#!/bin/sh\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    for name in ("VISUAL", "EDITOR", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.mark.usefixtures("programs")
class TestChoice:
    def test_the_one_that_is_named_with_its_words(self, programs: Path) -> None:
        found = find_program("my-editor --wait 'two words'", terminal=False, text=True)
        assert found == Program("my-editor", (str(programs / "my-editor"), "--wait", "two words"))

    @pytest.mark.parametrize("wanted", ["none-such", "", "'"])
    def test_one_that_is_not_there(self, wanted: str) -> None:
        with pytest.raises(UsageError, match="there is no program"):
            find_program(wanted, terminal=True, text=True)

    def test_at_a_terminal_the_persons_editor(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDITOR", "nano")
        assert find_program(None, terminal=True, text=True).name == "nano"
        monkeypatch.setenv("VISUAL", "my-editor")
        assert find_program(None, terminal=True, text=True).name == "my-editor"
        assert find_program(None, terminal=True, text=False).name == "my-editor", "there is no desktop"

    def test_what_is_no_text_goes_to_the_desktop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EDITOR", "nano")
        monkeypatch.setenv("DISPLAY", ":0")
        opener = find_program(None, terminal=True, text=False)
        assert (opener.name, opener.hands_over) == ("xdg-open", True)
        assert find_program(None, terminal=False, text=True).name == "xdg-open"
        assert not find_program(None, terminal=True, text=True).hands_over

    def test_where_nobody_named_one(self) -> None:
        assert find_program(None, terminal=True, text=True).name == "nano"
        with pytest.raises(UsageError, match="no program was found"):
            find_program(None, terminal=False, text=True)

    def test_without_a_terminal_the_persons_editor_does_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(UsageError) as without:
            find_program(None, terminal=False, text=True)
        assert "EDITOR" not in without.value.hint
        monkeypatch.setenv("EDITOR", "nano")
        with pytest.raises(UsageError) as refused:
            find_program(None, terminal=False, text=True)
        assert "$EDITOR count at a terminal only" in refused.value.hint

    def test_vim_is_told_to_keep_nothing(self) -> None:
        words = find_program("vim -u NONE", terminal=True, text=True).words[1:]
        assert words[:3] == ("-n", "-i", "NONE")
        assert "noundofile" in words[4]
        assert words[-2:] == ("-u", "NONE")


class TestInUse:
    def test_a_lock_file_tells_it(self, tmp_path: Path) -> None:
        (tmp_path / "a.odt").write_text("one")
        assert not in_use(tmp_path, "a.odt")
        (tmp_path / ".~lock.a.odt#").write_text("")
        assert in_use(tmp_path, "a.odt")

    def test_so_does_another_process_that_has_it_open(self, tmp_path: Path) -> None:
        document = tmp_path / "a.txt"
        document.write_text("one")
        with document.open():
            assert not in_use(tmp_path, "a.txt"), "that is this process"
        script = "import sys; file = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
        process = subprocess.Popen(
            [sys.executable, "-c", script, document], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        assert in_use(tmp_path, "a.txt")
        process.communicate()
        assert not in_use(tmp_path, "a.txt")
