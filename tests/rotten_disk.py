"""A disk whose bytes can be changed behind the system's back: ext4 in a file."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.patience import PATIENCE


@dataclass(frozen=True)
class RottenDisk:
    """Attributes: ``folder`` is where it is mounted, ``image`` the file that all of it lies in."""

    folder: Path
    image: Path

    def rot(self, path: Path, at: int = 0) -> None:
        """Change a byte of a file on the disk; what the system holds of the file in memory stays as it was."""
        os.sync()
        content = path.read_bytes()
        start = at - at % 1024
        marked = content[start : start + 512]
        with self.image.open("r+b") as file, mmap.mmap(file.fileno(), 0) as disk:
            place = disk.find(marked)
            assert place >= 0, "the file does not lie on the disk as it is"
            assert disk.find(marked, place + 1) < 0, "not the only place with these bytes"
            disk[place + at - start] ^= 1
            disk.flush()
        assert path.read_bytes() == content, "the page cache has forgotten the file: nothing is shown by this test"


@contextmanager
def rotten_disk(base: Path, megabytes: int = 48) -> Iterator[RottenDisk]:
    """One that is mounted below ``base``; skips the test where it cannot be had."""
    if os.geteuid() or not all(map(shutil.which, ("mkfs.ext4", "losetup", "mount", "umount"))):
        pytest.skip("needs root, e2fsprogs and mount")
    image, mounted = base / "disk-image", base / "disk"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    mounted.mkdir()
    with ExitStack() as undo:
        try:
            _run("mkfs.ext4", "-q", "-F", str(image))
            device = _run("losetup", "--find", "--show", str(image)).strip()
            undo.callback(_run, "losetup", "--detach", device)
            _run("mount", device, str(mounted))
            undo.callback(_run, "umount", str(mounted))
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no file system can be mounted here: {error}")
        yield RottenDisk(mounted, image)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout
