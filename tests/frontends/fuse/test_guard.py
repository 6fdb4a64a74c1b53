"""The shell that takes a folder back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gimmal.frontends.fuse.guard import Guard
from tests.endtoend.world import until


@pytest.fixture
def unmounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a program that stands for fusermount3 writes down what it was asked."""
    said = tmp_path / "said"
    program = tmp_path / "bin" / "fusermount3"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {said}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return said


def test_a_process_that_dies_leaves_nothing_mounted(unmounted: Path) -> None:
    script = (
        "import os\nfrom pathlib import Path\nfrom gimmal.frontends.fuse.guard import Guard\n"
        "guard = Guard(Path('/some/folder with \"quotes\"'))\nos.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    until(lambda: unmounted.exists() and unmounted.read_text().endswith("\n"), "the folder taken back")
    assert unmounted.read_text() == '-u -z -q -- /some/folder with "quotes"\n'


def test_one_that_was_dismissed_does_nothing(unmounted: Path) -> None:
    guard = Guard(Path("/some/folder"))
    guard.dismiss()
    assert guard._shell.poll() is not None
    assert not unmounted.exists()
