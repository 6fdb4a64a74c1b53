"""What is copied: files and trees that are made for a row, and what lies at the target before."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

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


ItemT = TypeVar("ItemT")
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
    """Files of this machine's own system, without links, which not every peer keeps.

    A part has its share of the files of every size, so that it has its share of the bytes too.
    """
    top = folder / "tree"
    top.mkdir(parents=True)
    count = size = 0
    for length, path in evenly(_regular_files(), part):
        target = top / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
        count, size = count + 1, size + length
    return Made(top, count, size)


def _regular_files() -> list[tuple[int, str]]:
    """Size and path, least first."""
    found = []
    for start in filter(os.path.isdir, _MIXED):
        for place, _folders, names in os.walk(start):
            for name in names:
                path = os.path.join(place, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    found.append((os.stat(path).st_size, path))
    return sorted(found)


def evenly(items: Sequence[ItemT], part: float) -> list[ItemT]:
    """A part of the items, at least one, at even distances."""
    count = max(1, round(len(items) * part))
    return [items[int((number + 0.5) * len(items) / count)] for number in range(count)]


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
