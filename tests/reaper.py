"""Ends what a run of tests leaves running where the run itself is killed, and so can end nothing any more.

A small process of its own waits for the run to end; whatever then carries the run's mark in its environment, at any
depth, is killed. Nothing else reaches it: agents run in sessions of their own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

MARK = "GIMMAL_TESTS_RUN"
"""Variable of the environment that everything started by a run of tests inherits."""

_WAIT_AND_KILL = f"""
import os, select, sys
try:
    select.select([os.pidfd_open(int(sys.argv[1]))], [], [])
except ProcessLookupError:
    pass
mark = b"{MARK}=" + sys.argv[2].encode() + b"\\0"
for _ in range(3):  # what is being started during one look is met by the next
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/" + name + "/environ", "rb") as file:
                    if mark in file.read():
                        os.kill(int(name), {int(signal.SIGKILL)})
            except OSError:
                pass
"""


def start_reaper() -> None:
    """Mark what this process starts from now on, and have it ended after this process."""
    mark = os.urandom(8).hex()
    command = [sys.executable, "-I", "-S", "-c", _WAIT_AND_KILL, str(os.getpid()), mark]
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    reaper = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)
    reaper.returncode = 0  # nobody waits for it: it outlives us
    os.environ[MARK] = mark
