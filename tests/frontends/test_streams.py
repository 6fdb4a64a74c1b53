"""What a command does when its output goes nowhere, is full, or was closed before it began."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gimmal.base.errors import ExitCode
from tests.patience import PATIENCE

RUN = "from gimmal.frontends.cli.main import run; run()"


def gimmal(*words: str, redirect: str = "", unbuffered: bool = False) -> subprocess.CompletedProcess[str]:
    shell = f'exec "$0" "$@" {redirect}'
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    command = ["/bin/sh", "-c", shell, sys.executable, "-c", RUN, *words]
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("halves")
    for side in ("a", "b"):
        (folder / side).mkdir()
    done = gimmal("pair", str(folder / "a"), str(folder / "b"), "--name", "home", "--no-password")
    assert done.returncode == 0, done.stderr
    yield folder


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize("words", [["half", "show", "a"], ["half", "show", "a", "--json"], ["--help"]])
def test_output_that_is_lost_is_an_error(halves: Path, words: list[str], unbuffered: bool) -> None:
    words = [str(halves / word) if word == "a" else word for word in words]
    done = gimmal(*words, redirect="> /dev/full", unbuffered=unbuffered)
    assert done.returncode == ExitCode.LOCAL
    assert done.stderr.splitlines()[0].startswith("error: cannot write the output: ")
    assert "hint: " in done.stderr


@pytest.mark.parametrize("redirect", [">&-", ">&- <&-"])
def test_a_closed_stdout_is_an_error(halves: Path, redirect: str) -> None:
    done = gimmal("half", "show", str(halves / "a"), redirect=redirect)
    assert done.returncode == ExitCode.LOCAL
    assert done.stderr.splitlines()[0].startswith("error: cannot write the output: ")


def test_a_closed_stdin_or_stderr_changes_nothing(halves: Path) -> None:
    words = ["half", "show", str(halves / "a")]
    expected = gimmal(*words)
    assert expected.returncode == 0
    for redirect in ("<&-", "2>&-", "<&- 2>&-"):
        done = gimmal(*words, redirect=redirect)
        assert (done.returncode, done.stdout) == (0, expected.stdout)


def test_talk_never_strays_to_stdout(halves: Path) -> None:
    done = gimmal("half", "show", str(halves / "nowhere"), redirect="2>&-")
    assert (done.returncode, done.stdout) == (ExitCode.HALF, "")


def test_no_pair_is_made_whose_code_nobody_can_see(halves: Path) -> None:
    before = (halves / "a" / "GIMMAL" / "half.json").read_bytes()
    done = gimmal("pair", str(halves / "a"), str(halves / "b"), "--no-password", redirect=">&-")
    assert done.returncode == ExitCode.LOCAL
    assert "nothing was joined" in done.stderr
    assert (halves / "a" / "GIMMAL" / "half.json").read_bytes() == before


@pytest.mark.parametrize("words", [[], ["half"], ["password"]])
def test_nothing_asked_shows_the_help(words: list[str]) -> None:
    done = gimmal(*words)
    assert done.returncode in (0, ExitCode.USAGE)
    assert "error:" not in done.stderr
    assert (done.stdout + done.stderr).startswith("Usage: gimmal")


def test_a_mistyped_option_is_an_error_in_json_too() -> None:
    done = gimmal("ls", "--json", "--bogus")
    assert done.returncode == ExitCode.USAGE
    value = json.loads(done.stdout)
    assert value["exit_code"] == ExitCode.USAGE
    assert "--bogus" in value["error"]


def test_the_json_of_a_relay_is_its_log_alone() -> None:
    done = gimmal("relay", "--json", "--bogus")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
