"""Who uses a half on this computer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gimmal.agent.uses import NotedUse, Use, uses
from gimmal.base.side import Side

PAIR = bytes(range(16))

OTHER = (
    "import sys\n"
    "from gimmal.agent.uses import NotedUse\n"
    "from gimmal.base.side import Side\n"
    f"use = NotedUse({PAIR!r}, Side.B, sys.argv[1])\n"
    "print('noted', flush=True)\n"
    "sys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "gimmal"


def another(command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", OTHER, command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"noted\n"
    return process


def test_others_are_seen_until_they_end_or_are_killed(runtime: Path) -> None:
    assert uses(PAIR, Side.B) == []
    ending, killed = another("edit"), another("cp")
    assert set(uses(PAIR, Side.B)) == {Use(ending.pid, "edit"), Use(killed.pid, "cp")}
    assert uses(PAIR, Side.A) == [], "that is the other half"
    assert uses(bytes(16), Side.B) == []
    killed.kill()
    killed.communicate()
    assert uses(PAIR, Side.B) == [Use(ending.pid, "edit")]
    ending.communicate()
    assert uses(PAIR, Side.B) == []
    assert [path.name for path in runtime.iterdir() if path.name.startswith("use-")] == []


def test_oneself_is_no_other(runtime: Path) -> None:
    with NotedUse(PAIR, Side.B, "status"):
        assert uses(PAIR, Side.B) == []
        (noted,) = [path for path in runtime.iterdir() if path.name.startswith("use-")]
        assert f"-{os.getpid()}." in noted.name
        assert noted.stat().st_mode & 0o777 == 0o600
    assert list(runtime.glob("use-*")) == []


def test_a_process_may_use_a_half_several_times_at_once(runtime: Path) -> None:
    with NotedUse(PAIR, Side.B, "speed"):
        with NotedUse(PAIR, Side.B, "speed"):
            assert len(list(runtime.glob("use-*"))) == 2
        assert len(list(runtime.glob("use-*"))) == 1
    assert list(runtime.glob("use-*")) == []


def test_where_nothing_can_be_noted_the_command_runs_all_the_same(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime.parent.joinpath("gimmal").write_text("no folder")
    with NotedUse(PAIR, Side.B, "edit"):
        pass
