"""Nothing that a killed run of tests started runs on."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.endtoend.world import until

RUN = """
import subprocess, sys, time
from tests.reaper import start_reaper
start_reaper()
nap = [sys.executable, "-c", "import time; time.sleep(600)"]
print(subprocess.Popen(nap, start_new_session=True, stdout=subprocess.DEVNULL).pid, flush=True)
time.sleep(600)
"""


def test_what_a_killed_run_started_ends_with_it() -> None:
    with subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        left = psutil.Process(int(run.stdout.readline()))
        assert left.is_running()
        run.kill()
    until(lambda: not left.is_running() or left.status() == psutil.STATUS_ZOMBIE, "what it started has ended")
