"""gimmal pair, half and password, run as processes: output, files, exit codes; and asked on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gimmal.base.side import Side
from gimmal.half.disable_code import lock_of, parse_code
from gimmal.half.lockfile import HalfLock
from gimmal.half.reading import open_half, read_header
from tests.half.helpers import GOOD_PASSWORD, folders
from tests.half.test_killed_process import exfat
from tests.patience import PATIENCE

GIMMAL = [sys.executable, "-m", "gimmal.frontends.cli.main"]
RELAY = "gimmal-relay://127.0.0.1:7117/#" + "A" * 43
HOSTILE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(autouse=True)
def runtime(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return folders(tmp_path, "one", "two")


def gimmal(*words: str | Path, code: int = 0, given: str = "", fds: tuple[int, ...] = ()) -> tuple[str, str]:
    done = subprocess.run(
        [*GIMMAL, *map(str, words)],
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        pass_fds=fds,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert not HOSTILE.search(done.stdout + done.stderr)
    if code:
        assert re.search(r"^error: .+\nhint: .+\n\Z", done.stderr, re.MULTILINE), done.stderr
        assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def on_terminal(*words: str | Path, answers: list[tuple[str, str]]) -> tuple[int, str]:
    """Run on a terminal of its own; each answer is typed when its prompt has appeared."""
    terminal, inner = pty.openpty()
    process = subprocess.Popen(
        [*GIMMAL, *map(str, words)], stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    seen = ""
    waiting = list(answers)
    try:
        while True:
            if waiting and waiting[0][0] in seen:
                prompt, answer = waiting.pop(0)
                seen = seen.split(prompt, 1)[1]
                os.write(terminal, answer.encode() + b"\n")
            try:
                part = os.read(terminal, 4096)
            except OSError:
                # The process has closed its end.
                break
            if not part:
                break
            seen += part.decode()
        code = process.wait(timeout=PATIENCE)
    finally:
        os.close(terminal)
        process.kill()
        process.wait()
    assert not waiting, seen
    return code, seen


class TestPair:
    def test_prints_what_was_made(self, two: list[Path]) -> None:
        out, talk = gimmal("pair", *two, "--name", "home", "--no-password")
        lines = out.splitlines()
        assert "pair: home" in lines
        assert "generation: 1" in lines
        assert any(line.startswith("relay: none") and "--at" in line for line in lines)
        code = next(line for line in lines if line.startswith("disable code: ")).removeprefix("disable code: ")
        half = open_half(two[0], None)
        assert lock_of(parse_code(code)) == half.lock
        assert f"half b: {two[1]}/GIMMAL (no password)" in lines
        assert "write it down" in talk

    def test_password_from_a_file_is_for_b(self, two: list[Path], tmp_path: Path) -> None:
        (tmp_path / "password").write_text(GOOD_PASSWORD + "\n")
        out, _ = gimmal("pair", *two, "--name", "home", "--password-file", tmp_path / "password")
        assert f"half b: {two[1]}/GIMMAL (with password)" in out
        assert [read_header(place).has_password for place in two] == [False, True]
        assert open_half(two[1], lambda: GOOD_PASSWORD).side is Side.B
        assert GOOD_PASSWORD not in out

    def test_password_from_a_descriptor_for_both(self, two: list[Path]) -> None:
        read_end, write_end = os.pipe()
        os.write(write_end, GOOD_PASSWORD.encode())
        os.close(write_end)
        words = ("--password-fd", str(read_end), "--password-for", "both")
        gimmal("pair", *two, "--name", "home", *words, fds=(read_end,))
        os.close(read_end)
        assert all(read_header(place).has_password for place in two)
        for place in two:
            open_half(place, lambda: GOOD_PASSWORD)

    def test_json(self, two: list[Path]) -> None:
        out, _ = gimmal("pair", *two, "--name", "ho\u00ebme", "--no-password", "--relay", RELAY, "--json")
        told = json.loads(out)
        assert (told["pair"], told["generation"], told["password"]) == ("ho\u00ebme", 1, [])
        assert told["relays"] == [RELAY] == list(open_half(two[1], None).relays)
        assert lock_of(parse_code(told["disable_code"])) == open_half(two[0], None).lock

    def test_again_keeps_name_and_relays_or_replaces_them(self, two: list[Path]) -> None:
        gimmal("pair", *two, "--name", "home", "--no-password", "--relay", RELAY)
        out, _ = gimmal("pair", *two, "--no-password")
        assert f"relay: {RELAY}" in out.splitlines()
        assert "generation: 2" in out.splitlines()
        other = RELAY.replace("7117", "7118")
        gimmal("pair", *two, "--no-password", "--relay", other)
        assert open_half(two[0], None).relays == (other,)

    def test_a_token_in_the_url_is_kept_and_not_shown(self, two: list[Path]) -> None:
        url = "gimmal-relay://127.0.0.1:7117/?token=let-me-in"
        out, talk = gimmal("pair", *two, "--name", "home", "--no-password", "--relay", url)
        assert "let-me-in" not in out + talk
        assert open_half(two[0], None).relay_tokens == ("let-me-in",)

    def test_sheet(self, two: list[Path], tmp_path: Path) -> None:
        sheet = tmp_path / "sheet.txt"
        out, _ = gimmal("pair", *two, "--name", "home", "--no-password", "--sheet", sheet, "--relay", RELAY)
        code = re.search(r"disable code: (\S+)", out)
        half = open_half(two[0], None)
        text = sheet.read_text()
        assert code is not None
        for wanted in (
            code[1],
            half.sign_a.hex(),
            half.sign_b.hex(),
            half.pair_id.hex(),
            f"gimmal disable '{code[1]}'",
        ):
            assert wanted in text
        assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
        gimmal("pair", *two, "--no-password", "--sheet", sheet, code=2)
        assert sheet.read_text() == text
        assert open_half(two[0], None).generation == 1

    @pytest.mark.parametrize(
        ("words", "code"),
        [
            (("--name", "home"), 2),
            (("--no-password",), 2),
            (("--name", "home", "--no-password", "--password-for", "a"), 2),
            (("--name", "home", "--no-password", "--password-file", "x"), 2),
            (("--name", "home", "--password-file", "absent"), 9),
            (("--name", "home", "--no-password", "--relay", "http://relay"), 2),
            (("--name", "ho\nme", "--no-password"), 2),
        ],
    )
    def test_refused_and_nothing_made(self, two: list[Path], words: tuple[str, ...], code: int) -> None:
        out, _ = gimmal("pair", *two, *words, code=code)
        assert out == ""
        assert [list(place.iterdir()) for place in two] == [[], []]

    @pytest.mark.parametrize(
        "content", ["", "short\n", "two fine lines here\nsecond line\n", "x" * 5000, "password1234\n"]
    )
    def test_bad_passwords(self, two: list[Path], tmp_path: Path, content: str) -> None:
        (tmp_path / "password").write_text(content)
        _, talk = gimmal("pair", *two, "--name", "home", "--password-file", tmp_path / "password", code=2)
        assert not content.strip() or content.strip() not in talk.replace("too short", "")

    def test_folders_that_are_absent_or_one(self, two: list[Path]) -> None:
        gimmal("pair", two[0], two[0], "--name", "home", "--no-password", code=5)
        gimmal("pair", two[0], two[0] / "absent", "--name", "home", "--no-password", code=5)
        gimmal("pair", two[0], "/tmp/\x1b[31mred\u202e", "--name", "home", "--no-password", code=5)

    def test_copies_need_yes(self, two: list[Path], tmp_path: Path) -> None:
        gimmal("pair", *two, "--name", "home", "--no-password")
        shutil.copytree(two[0], tmp_path / "copy")
        _, talk = gimmal("pair", two[0], tmp_path / "copy", "--no-password", code=5)
        assert "copies of side a" in talk
        gimmal("pair", two[0], tmp_path / "copy", "--no-password", "--yes")

    def test_another_pair_needs_replace(self, two: list[Path], tmp_path: Path) -> None:
        others = folders(tmp_path, "three", "four")
        gimmal("pair", *two, "--name", "home", "--no-password")
        gimmal("pair", *others, "--name", "work", "--no-password")
        _, talk = gimmal("pair", two[0], others[0], "--no-password", code=5)
        assert "--replace" in talk
        gimmal("pair", two[0], others[0], "--no-password", "--replace")

    def test_old_password_is_needed_to_join_again(self, two: list[Path], tmp_path: Path) -> None:
        (tmp_path / "password").write_text(GOOD_PASSWORD)
        gimmal("pair", *two, "--name", "home", "--password-file", tmp_path / "password")
        gimmal("pair", *two, "--no-password", code=6)
        gimmal("pair", *two, "--password-file", tmp_path / "password")
        gimmal("pair", *two, "--no-password", "--old-password-file", tmp_path / "password")
        assert open_half(two[1], None).generation == 3

    def test_a_served_half(self, two: list[Path]) -> None:
        gimmal("pair", *two, "--name", "home", "--no-password")
        half = open_half(two[0], None)
        with HalfLock(half.pair_id, half.side):
            _, talk = gimmal("pair", *two, "--no-password", code=5)
        assert f"process {os.getpid()}" in talk

    def test_output_that_nobody_reads_joins_nothing(self, two: list[Path]) -> None:
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [*GIMMAL, "pair", *map(str, two), "--name", "home", "--no-password"],
                stdout=full,
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                timeout=PATIENCE,
                check=False,
            )
        assert done.returncode == 9
        assert b"nothing was joined" in done.stderr
        assert [list(place.iterdir()) for place in two] == [[], []]

    def test_asked_on_a_terminal(self, two: list[Path]) -> None:
        answers = [
            ("new password", "short"),
            ("new password", GOOD_PASSWORD),
            ("the same again", GOOD_PASSWORD + "x"),
            ("new password", GOOD_PASSWORD),
            ("the same again", GOOD_PASSWORD),
        ]
        code, seen = on_terminal("pair", *two, "--name", "home", answers=answers)
        assert code == 0, seen
        assert GOOD_PASSWORD not in seen
        assert "disable code: " in seen
        assert open_half(two[1], lambda: GOOD_PASSWORD).side is Side.B
        code, seen = on_terminal(
            "pair",
            *two,
            "--no-password",
            answers=[("present password of side b", "no"), ("present password", GOOD_PASSWORD)],
        )
        assert code == 0, seen
        assert open_half(two[1], None).generation == 2

    def test_question_on_a_terminal(self, two: list[Path], tmp_path: Path) -> None:
        gimmal("pair", *two, "--name", "home", "--no-password")
        shutil.copytree(two[0], tmp_path / "copy")
        words = ("pair", two[0], tmp_path / "copy", "--no-password")
        assert on_terminal(*words, answers=[("[y/N]", "n")])[0] == 5
        assert on_terminal(*words, answers=[("[y/N]", "y")])[0] == 0


class TestHalf:
    def test_shows_what_may_be_shown(self, two: list[Path], tmp_path: Path) -> None:
        (tmp_path / "password").write_text(GOOD_PASSWORD)
        gimmal("pair", *two, "--name", "home", "--password-file", tmp_path / "password", "--relay", RELAY)
        for words in (("half", two[1]), ("half", "show", two[1]), ("half", two[1] / "GIMMAL")):
            out, _ = gimmal(*words)
            assert {"pair: home", "side: b", "generation: 1", "password: yes"} <= set(out.splitlines())
            assert RELAY not in out
        opened = open_half(two[0], None)
        out, _ = gimmal("half", two[0])
        assert f"relay: {RELAY}" in out.splitlines()
        for secret in (opened.root, opened.static_private, opened.storage_key, opened.lineage_id, opened.lock):
            assert secret.hex() not in out
        told = json.loads(gimmal("half", two[0], "--json")[0])
        assert (told["side"], told["password"], told["relays"]) == ("a", False, [RELAY])

    def test_warns_when_others_may_read(self, two: list[Path]) -> None:
        gimmal("pair", *two, "--name", "home", "--no-password")
        (two[0] / "GIMMAL").chmod(0o755)
        (two[0] / "GIMMAL/half.json").chmod(0o644)
        assert "warning: other users" in gimmal("half", two[0])[1]

    def test_pair_as_json_warns_of_keys_that_others_may_read(self, two: list[Path], tmp_path: Path) -> None:
        """On a disk without permissions, as most sticks are."""
        if not all(map(shutil.which, ("mkfs.exfat", "mount.exfat-fuse", "fusermount3", "losetup"))):
            pytest.skip("exfatprogs, exfat-fuse, fuse3 or util-linux is not installed")
        words = ("--name", "home", "--no-password", "--json")
        assert json.loads(gimmal("pair", *two, *words)[0])["warnings"] == []
        with exfat(tmp_path, "stick") as stick:
            out, talk = gimmal("pair", two[0], stick, *words, "--replace", "--yes")
            (warning,) = json.loads(out)["warnings"]
            assert warning == f"other users of this computer may be able to read {stick}/GIMMAL"
            assert f"warning: {warning}" in talk

    def test_errors_have_their_codes(self, two: list[Path]) -> None:
        gimmal("half", two[0], code=5)
        assert json.loads(gimmal("half", two[0], "--json", code=5)[0])["exit_code"] == 5
        gimmal("pair", *two, "--name", "home", "--no-password")
        (two[0] / "GIMMAL/joining").touch()
        assert "gimmal pair" in gimmal("half", two[0], code=5)[1]
        gimmal("pair", *two, "--no-password")
        gimmal("half", two[0])

    def test_erase(self, two: list[Path]) -> None:
        gimmal("pair", *two, "--name", "home", "--no-password")
        refused, _ = gimmal("half", "erase", two[1], "--json", code=2)
        assert json.loads(refused)["hint"] == "give --yes if you mean it"
        assert open_half(two[1], None)
        out, talk = gimmal("half", "erase", two[1], "--yes")
        assert out == f"erased: {two[1]}/GIMMAL\n"
        assert "Flash memory" in talk
        assert list(two[1].iterdir()) == []
        gimmal("half", "erase", two[1], "--yes", code=5)
        code, _ = on_terminal("half", "erase", two[0], answers=[("[y/N]", "n")])
        assert code == 8
        assert open_half(two[0], None)


class TestPassword:
    def test_set_and_clear(self, two: list[Path], tmp_path: Path) -> None:
        old, new = tmp_path / "old", tmp_path / "new"
        old.write_text(GOOD_PASSWORD)
        new.write_text("quite another long one")
        gimmal("pair", *two, "--name", "home", "--no-password")
        root = open_half(two[1], None).root
        out, _ = gimmal("password", "set", *two, "--password-file", old)
        assert out.splitlines() == ["half a: no password", "half b: with password"]
        gimmal("password", "set", *two, "--password-file", new, code=2)
        gimmal("password", "set", *two, "--password-file", new, "--old-password-file", new, code=6)
        words = ("--old-password-file", old, "--password-for", "both", "--json")
        assert json.loads(gimmal("password", "set", *two, "--password-file", new, *words)[0]) == {
            "password": ["a", "b"]
        }
        assert open_half(two[0], new.read_text).root == root
        gimmal("password", "clear", *two, "--old-password-file", new)
        assert [open_half(place, None).root for place in two] == [root, root]

    def test_one_half_alone_is_not_enough(self, two: list[Path], tmp_path: Path) -> None:
        (tmp_path / "password").write_text(GOOD_PASSWORD)
        gimmal("pair", *two, "--name", "home", "--no-password")
        (fresh,) = folders(tmp_path, "fresh")
        gimmal("password", "set", two[0], fresh, "--password-file", tmp_path / "password", code=5)
        gimmal("password", "set", two[0], two[0], "--password-file", tmp_path / "password", code=5)
        assert not read_header(two[0]).has_password
