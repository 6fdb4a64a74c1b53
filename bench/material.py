"""What is copied: files and trees that are made for a row, and what lies at the target before."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 4 << 20
INSERTED = 1 << 20
_IN_FOLDER = 100
_MIXED = ("/usr/lib/python3", "/usr/share")
_OLDER = 1_600_000_000


@dataclass(frozen=True)
class Made:
    """What lies there to be copied.

    Attributes:
        path: file or folder.
        count: of files.
        size: bytes of contents.
    """

    path: Path
    count: int
    size: int


Make = Callable[[Path, float], Made]
Before = Callable[[Path, Path], None]


def random_file(size: int) -> Make:
    """One file that no compression helps with."""

    def make(folder: Path, part: float) -> Made:
        folder.mkdir(parents=True)
        path = folder / "large.bin"
        length = max(1, int(size * part))
        with open(path, "wb") as file:
            file.writelines(random_pieces(length))
        return Made(path, 1, length)

    return make


def random_pieces(length: int) -> Iterator[bytes]:
    """Random bytes in pieces; no piece is held when the next one is made."""
    for start in range(0, length, CHUNK):
        yield os.urandom(min(CHUNK, length - start))


def many_files(count: int, size: int) -> Make:
    """Files of one size, a hundred to a folder."""

    def make(folder: Path, part: float) -> Made:
        number = max(1, int(count * part))
        for index in range(number):
            room = folder / "tree" / f"folder-{index // _IN_FOLDER:04d}"
            if index % _IN_FOLDER == 0:
                room.mkdir(parents=True)
            (room / f"file-{index:06d}.bin").write_bytes(os.urandom(size))
        return Made(folder / "tree", number, number * size)

    return make


def mixed_tree(folder: Path, part: float) -> Made:
    """Files of this machine's own system, without links, which not every peer keeps."""
    top = folder / "tree"
    top.mkdir(parents=True)
    count = size = 0
    for start in filter(os.path.isdir, _MIXED):
        for place, _folders, names in os.walk(start):
            for name in names:
                path = os.path.join(place, name)
                if os.path.islink(path) or not os.path.isfile(path) or not _chosen(path, part):
                    continue
                target = top / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
                count, size = count + 1, size + target.stat().st_size
    return Made(top, count, size)


def _chosen(path: str, part: float) -> bool:
    digest = hashlib.blake2b(os.fsencode(path), digest_size=4).digest()
    return int.from_bytes(digest, "big") < part * 2**32


def same_there(source: Path, into: Path) -> None:
    """The target holds it already."""
    subprocess.run(["cp", "-a", str(source), f"{into}/"], check=True)


def older_there(source: Path, into: Path) -> None:
    """The target holds the source without the bytes that were put at its front later."""
    older = into / source.name
    with open(source, "rb") as new, open(older, "wb") as old:
        new.seek(INSERTED)
        shutil.copyfileobj(new, old, CHUNK)
    os.utime(older, (_OLDER, _OLDER))


def touch_memory(folder: Path, size: int) -> None:
    """Touch memory once: on a virtual machine the first touch of a page is far slower than all later ones."""
    path = folder / "touched"
    with open(path, "wb") as file:
        file.writelines(bytes(CHUNK) for _ in range(0, size, CHUNK))
    path.unlink()
