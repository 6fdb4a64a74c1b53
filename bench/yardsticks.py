"""What the machine itself can do: a TCP connection between two processes."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.contenders import Contender, Ground
from bench.gimmal_rig import Service


def yardsticks(ground: Ground) -> list[Contender]:
    """A way to copy one file that does less than any peer; on this machine's loopback only."""
    program = [sys.executable, "-m", "bench.plain_tcp"]
    server = Service([*program, "serve"], dict(ground.environment))
    ground.stack.callback(server.stop)
    port = server.wait_for("")[1]

    def get(source: Path, target: Path) -> list[str]:
        return [*program, "get", port, str(source), str(target / source.name)]

    def put(source: Path, target: Path) -> list[str]:
        return [*program, "put", port, str(source), str(target / source.name)]

    return [Contender("plain-text TCP copy", get, put, ground.environment, server.id, yardstick=True, kind="plain")]
