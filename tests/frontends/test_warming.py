"""What is prepared for agents can be copied: there is one thread, nothing is open, and what they need is imported."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.patience import PATIENCE

_SCRIPT = """
import json, os, sys
before = set(os.listdir("/proc/self/fd"))
from gimmal.frontends.cli.warming import prepare_for_agents
prepare_for_agents()
kinds = [os.readlink(f"/proc/self/fd/{name}") for name in set(os.listdir("/proc/self/fd")) - before if
         os.path.exists(f"/proc/self/fd/{name}")]
print(json.dumps({"threads": len(os.listdir("/proc/self/task")), "open": kinds, "imported": sorted(sys.modules)}))
"""


def test_one_thread_nothing_open_all_imported() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found["threads"] == 1
    assert [name for name in found["open"] if name.startswith(("socket:", "pipe:", "anon_inode:"))] == []
    needed = ("gimmal.agent.agent", "gimmal.agent.kept_shares", "gimmal.frontends.cli.pulled", "psutil", "ssl")
    assert set(needed) <= set(found["imported"])
