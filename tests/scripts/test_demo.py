"""``make demo`` on a small tree: it shows the whole main job, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE

PROJECT = Path(__file__).resolve().parents[2]
DEADLINE = 5 * PATIENCE / 2

pytestmark = pytest.mark.skipif(
    not (PROJECT / ".venv/bin/gimmal").exists(), reason="the demo runs the command that `make setup` installs"
)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def start(scratch: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROJECT / "scripts/demo.py"), "--scratch", str(scratch), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def left_over(scratch: Path) -> list[str]:
    """Programs that still work in the scratch folder, and what lies in it."""
    found = [path.name for path in scratch.iterdir()]
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(scratch)):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_shows_everything_and_leaves_nothing(scratch: Path) -> None:
    process = start(scratch, "--small")
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, output
    assert output.splitlines()[-1] == "demo: ok"
    rows = [line.split() for line in output.splitlines() if line.endswith("identical")]
    assert len(rows) == 8
    assert sum("relayed" in row for row in rows) == sum("direct" in row for row in rows) == 4
    assert "unplugged: the half is gone" in output
    assert "disconnected: the other half was unplugged" in output
    assert left_over(scratch) == []


def test_says_when_the_disk_is_too_small(scratch: Path) -> None:
    process = start(scratch, "--size", str(1 << 60))
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "free and the demo needs" in output
    assert output.splitlines()[-1] == "demo: failed"
    assert left_over(scratch) == []


def test_stops_what_it_started_when_it_is_told_to_stop(scratch: Path) -> None:
    process = start(scratch, "--small")
    assert process.stdout is not None
    for line in process.stdout:
        if "connected: the other side" in line:
            break
    assert len(left_over(scratch)) > 3
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == 128 + signal.SIGTERM
    assert left_over(scratch) == []
