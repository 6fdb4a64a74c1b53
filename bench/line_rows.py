"""What is copied across lines: each row's line, its files, and what makes them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 4 << 20
_IN_FOLDER = 100
_SMALL = 4096
_TINY = 64
_INSERTED = 1 << 20
_MIXED = ("/usr/lib/python3", "/usr/share")


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


@dataclass(frozen=True)
class Row:
    """One kind of work on one kind of line; a round trip takes 50 ms on all of them.

    Attributes:
        name: one word, for the command line.
        title: as tables show it.
        rate_bits, loss: of the line.
        make: makes a part of the work (1 is the whole) in a folder that is not there yet.
        kinds: who takes part, by ``Contender.kind``; all where there are none.
        before: prepares the target folder, given the source.
        whole: nobody may run on a part of it.
    """

    name: str
    title: str
    rate_bits: float
    loss: float
    make: Make
    kinds: tuple[str, ...] = ()
    before: Before | None = None
    whole: bool = False

    @property
    def queue_bytes(self) -> int:
        """What the line carries in one round trip."""
        return int(self.rate_bits * 0.05 / 8)


def _random_file(size: int) -> Make:
    def make(folder: Path, part: float) -> Made:
        folder.mkdir(parents=True)
        path = folder / "large.bin"
        length = max(1, int(size * part))
        with open(path, "wb") as file:
            file.writelines(os.urandom(min(_CHUNK, length - start)) for start in range(0, length, _CHUNK))
        return Made(path, 1, length)

    return make


def _files(count: int, size: int) -> Make:
    def make(folder: Path, part: float) -> Made:
        number = max(1, int(count * part))
        for index in range(number):
            room = folder / "tree" / f"folder-{index // _IN_FOLDER:04d}"
            if index % _IN_FOLDER == 0:
                room.mkdir(parents=True)
            (room / f"file-{index:06d}.bin").write_bytes(os.urandom(size))
        return Made(folder / "tree", number, number * size)

    return make


def _mixed(folder: Path, part: float) -> Made:
    """Files of this machine's own system, without links: they are compared elsewhere."""
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


def _same_there(source: Path, into: Path) -> None:
    subprocess.run(["cp", "-a", str(source), f"{into}/"], check=True)


def _older_there(source: Path, into: Path) -> None:
    """The source, without the bytes that were put at its front later."""
    older = into / source.name
    with open(source, "rb") as new, open(older, "wb") as old:
        new.seek(_INSERTED)
        shutil.copyfileobj(new, old, _CHUNK)
    os.utime(older, (1_600_000_000, 1_600_000_000))


ROWS = (
    Row("large", "2 GiB file, 1 Gbit/s", 1e9, 0.0, _random_file(2 << 30)),
    Row("loss", "512 MiB file, 200 Mbit/s, 0.5 % loss", 200e6, 0.005, _random_file(512 << 20)),
    Row("small", "10,000 files of 4 KiB, 200 Mbit/s", 200e6, 0.0, _files(10_000, _SMALL)),
    Row(
        "unchanged",
        "100,000 files, nothing changed, 200 Mbit/s",
        200e6,
        0.0,
        _files(100_000, _TINY),
        kinds=("rsync", "rclone", "gimmal"),
        before=_same_there,
        whole=True,
    ),
    Row("mixed", "mixed tree of this system, 200 Mbit/s", 200e6, 0.0, _mixed),
    Row(
        "changed",
        "1 GiB file, 1 MiB inserted at its front, 200 Mbit/s",
        200e6,
        0.0,
        _random_file(1 << 30),
        kinds=("scp", "rsync", "gimmal"),
        before=_older_there,
        whole=True,
    ),
)
