"""A disk that has neither links nor attributes and does not tell upper from lower case: exFAT in a file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE


@contextmanager
def exfat(base: Path) -> Iterator[Path]:
    """The folder it is mounted at below ``base``; skips the test where it cannot be had."""
    tools = ("mkfs.exfat", "mount.exfat-fuse", "losetup", "umount")
    if os.geteuid() or not all(map(shutil.which, tools)) or not Path("/dev/fuse").exists():
        pytest.skip("needs root, exfatprogs and exfat-fuse")
    image, mounted = base / "image", base / "mounted"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    mounted.mkdir()
    with ExitStack() as undo:
        try:
            _run("mkfs.exfat", str(image))
            device = _run("losetup", "--find", "--show", str(image)).strip()
            undo.callback(_run, "losetup", "--detach", device)
            _run("mount.exfat-fuse", device, str(mounted))
            undo.callback(_run, "umount", str(mounted))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"exFAT cannot be mounted here: {error}")
        yield mounted


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
