"""A computer that somebody else owns: a disk of its own with a half's disk beside it, and what can be found there."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from gimmal.base.system_calls import sync_file_system
from tests.patience import PATIENCE

_TOOLS = ("mkfs.ext4", "losetup", "mount", "umount")
_PIECE = 1 << 20

_SHUT_DOWN, _NO_FLUSH = 0x8004587D, 2
"""A request of ext4, and its argument."""


@dataclass(frozen=True)
class LoopDisk:
    """ext4 in a file. Attributes: ``folder`` is where it is mounted, ``image`` the file that all of it lies in."""

    folder: Path
    image: Path

    def sync(self) -> None:
        """Bring everything that was written into the image."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            assert sync_file_system(descriptor)
        finally:
            os.close(descriptor)

    def unmount_lazily(self) -> None:
        """As an impatient person does: the name is gone, what is open stays open."""
        _run("umount", "--lazy", str(self.folder))

    def shut_down(self) -> bool:
        """Have every further call on it fail with an I/O error, as where a disk breaks; False where ext4 cannot."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUT_DOWN, struct.pack("I", _NO_FLUSH))
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True


@contextmanager
def loop_disk(base: Path, name: str, megabytes: int = 48) -> Iterator[LoopDisk]:
    """A disk mounted below ``base``; skips the test where it cannot be had."""
    if os.geteuid() or not all(map(shutil.which, _TOOLS)):
        pytest.skip("needs root, e2fsprogs and mount")
    image = base / f"{name}.image"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run_or_skip("mkfs.ext4", "-q", "-F", str(image))
    with mounted_image(image, base / name) as disk:
        yield disk


@contextmanager
def mounted_image(image: Path, folder: Path) -> Iterator[LoopDisk]:
    """Mount what lies in a file; it may be unmounted or broken by the end."""
    folder.mkdir()
    with ExitStack() as undo:
        device = _run_or_skip("losetup", "--find", "--show", str(image)).strip()
        undo.callback(_try, "losetup", "--detach", device)
        _run_or_skip("mount", device, str(folder))
        undo.callback(_try, "umount", "--lazy", str(folder))
        yield LoopDisk(folder, image)


def processes_of(base: Path) -> list[int]:
    """Numbers of all processes whose environment names a folder below ``base``."""
    mark = f"{base}/".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def in_memory(process: int, *markers: bytes) -> set[bytes]:
    """Which markers lie in the memory of a process; of one that has ended none."""
    found: set[bytes] = set()
    with suppress(OSError), open(f"/proc/{process}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            fields = line.split()
            if not fields[1].startswith("rw"):
                continue
            start, end = (int(part, 16) for part in fields[0].split("-"))
            with suppress(OSError, ValueError, OverflowError):
                found |= _found(os.pread(memory.fileno(), end - start, start), markers)
    return found


def in_files(folder: Path, *markers: bytes) -> dict[str, set[bytes]]:
    """Files and folders below ``folder`` whose name or bytes hold a marker."""
    found: dict[str, set[bytes]] = {}
    for path in folder.rglob("*"):
        hits = _found(os.fsencode(path.name), markers)
        if path.is_symlink():
            hits |= _found(os.fsencode(path.readlink()), markers)
        elif path.is_file():
            hits |= in_image(path, *markers)
        if hits:
            found[str(path.relative_to(folder))] = hits
    return found


def in_image(image: Path, *markers: bytes) -> set[bytes]:
    """Which markers lie anywhere in a file."""
    longest = max(map(len, markers), default=1)
    found: set[bytes] = set()
    with image.open("rb") as file:
        before = b""
        while piece := file.read(_PIECE):
            found |= _found(before + piece, markers)
            before = piece[-longest:]
    return found


def _found(data: bytes, markers: tuple[bytes, ...]) -> set[bytes]:
    return {marker for marker in markers if marker in data}


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


def _run_or_skip(*command: str) -> str:
    try:
        return _run(*command)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no file system can be mounted here: {error}")


def _try(*command: str) -> None:
    with suppress(subprocess.CalledProcessError):
        _run(*command)
