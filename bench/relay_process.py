"""A relay in a process of its own, for the benches of the relay."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import psutil

from gimmal.protocol.relay.url import RelayUrl

_SCRIPT = """
import sys
from gimmal.relay import chunks
if sys.argv[1] == "plain":
    del chunks.os.splice
from pathlib import Path
from gimmal.relay.limits import RelayLimits
from gimmal.relay.run import RelayOptions, run_relay
limits = RelayLimits(controls_per_source=10_000)
run_relay(RelayOptions("127.0.0.1:0", Path(sys.argv[2]), log_level="error", limits=limits))
"""


@contextlib.contextmanager
def relay_process(splice: bool = True) -> Iterator[tuple[psutil.Process, RelayUrl]]:
    """A running relay and its URL; one source may hold many controls.

    Args:
        splice: False takes ``os.splice`` away from it.
    """
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-c", _SCRIPT, "splice" if splice else "plain", state]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            try:
                yield psutil.Process(process.pid), RelayUrl.parse(line.removeprefix("relay: ").rstrip("\n"))
            finally:
                process.terminate()
                process.wait(10)
