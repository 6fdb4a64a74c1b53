"""The laboratory leaves nothing behind, also where the run of tests is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.endtoend.world import until
from tests.lab.namespaces import leftovers, namespaces, plug
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
MAKE_AND_WAIT = (
    "import sys\nfrom tests.lab.namespaces import Namespace\n"
    "made = Namespace('lonely')\nprint(made.number, flush=True)\nsys.stdin.read()"
)


def test_a_packet_passes_a_cable_and_nothing_is_left() -> None:
    with namespaces("one", "other") as (one, other):
        plug(one, "x0", "192.168.7.1/24", other, "y0", "192.168.7.2/24")
        assert "192.168.7.2 dev x0" in one.run("ip", "route", "get", "192.168.7.2")
        paths = [Path(one.path), Path(other.path)]
    assert not any(path.exists() for path in paths)
    assert not leftovers()


def test_a_run_that_is_killed_leaves_no_namespace() -> None:
    with namespaces():
        pass
    with subprocess.Popen(
        [sys.executable, "-c", MAKE_AND_WAIT], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        holder = Path(f"/proc/{int(run.stdout.readline())}")
        assert (holder / "ns/net").exists()
        run.kill()
        run.wait(PATIENCE)
    until(lambda: not holder.exists(), "the namespace is gone")
