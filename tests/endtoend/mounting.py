"""A mount for tests: made by the command, and always taken away again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from gimmal.base.own_mounts import own_mounts
from tests.endtoend.processes import Process
from tests.endtoend.world import Computer, World, until

MISSING = next(
    (
        reason
        for reason, missing in (
            ("pyfuse3 is not installed", find_spec("pyfuse3") is None),
            ("fusermount3 is not installed", shutil.which("fusermount3") is None),
            ("/dev/fuse cannot be opened", not os.access("/dev/fuse", os.R_OK | os.W_OK)),
        )
        if missing
    ),
    "",
)
"""Why nothing can be mounted here; empty where it can."""


@contextmanager
def mounted(
    world: World, computer: Computer, *words: str | Path, name: str = "mount"
) -> Iterator[tuple[Path, Process]]:
    """While the context lasts the other side's files lie in a folder of a computer."""
    folder = computer.folder(name)
    process: Process = world.start(computer, "mount", folder, *words)
    try:
        process.wait_line("mounted: ")
        yield folder, process
        if process.running:
            take_away(folder)
            result = process.wait(60)
            assert result.code == 0, str(result)
        until(lambda: folder not in own_mounts(), "the mount gone", 30)
    finally:
        take_away(folder)


def take_away(folder: Path) -> None:
    """End a mount where there is one, whoever uses it."""
    if folder in own_mounts():
        subprocess.run(["fusermount3", "-u", "-z", folder], check=False, timeout=30)
        until(lambda: folder not in own_mounts(), "the mount gone", 30)
