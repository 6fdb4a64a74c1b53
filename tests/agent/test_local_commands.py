"""What the agent tells commands on its own computer."""

from __future__ import annotations

import os
from pathlib import Path

from tests.endtoend.world import new_world


def test_status_beside_a_share_whose_path_is_no_utf8(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd \xff"
    os.mkdir(odd)
    with new_world() as world:
        world.pair(relay=False)
        world.up(world.a, f"odd={os.fsdecode(odd)}")
        (share,) = world.status(world.a)["agent"]["shares"]
    assert share == {"name": "odd", "path": f"{tmp_path}/odd \\xff", "rights": "rw"}
