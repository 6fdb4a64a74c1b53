"""Whatever call fails, a file is under its old name or in the trash, listed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.figures import figure
from tests.patience import PATIENCE

FULL = os.environ.get("GIMMAL_CAMPAIGN") == "full"
ACTS = ["trash", "twice", "upload", "bundle", "copy", "restore", "empty"]
FAULTS = ["kill before", "kill after", "EIO", "ENOSPC", "EACCES", "short"]
CASES = [(act, fault) for act in ACTS for fault in FAULTS if FULL or fault in ("kill after", "EIO")]


@pytest.mark.campaign
@pytest.mark.parametrize(("act", "fault"), CASES)
def test_every_call_fails_once(act: str, fault: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.share.faulty_trash", act, fault, str(tmp_path / "side")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    figure(f"trash, {act}, {fault} at each of {result['cases']} calls: files lost", len(result["bad"]), "0")
    assert result["bad"] == [], done.stderr
    assert 5 <= result["cases"] < 400
