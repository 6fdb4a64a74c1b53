"""Random small trees with everything a disk can hold, and what is seen of a tree, by the system's own calls alone."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

NAMES = ("a", "b", "c", "d e", "ü", "日本", ".hidden", "-x", "n" * 200)
TARGETS = (b"a", b"../b", b"./c/../d e", b"/etc/hostname", b"/nowhere", b"self", b"../../../out", b"x" * 4000)
ODD_TARGETS = (b"line\nbreak", b"back\\slash", b"not utf-8 \xff", b"C:drive", "rl\u202eo".encode(), b"\xee\xb9\x9c")
XATTRS = ("user.note", "user.mime_type", "user.x.y z", "user.ü")
TIMES = (-1, 0, 1, 999_999_999, -86_400_000_000_001, 1_700_000_000_123_456_789, 4_000_000_000_000_000_003)
HUGE = 3 << 20


def build(chance: random.Random, root: Path) -> None:
    """Make a tree at ``root``, which is not there yet."""
    os.mkdir(root)
    files: list[str] = []
    folders = [os.fspath(root)]
    for _ in range(chance.randint(1, 30)):
        place = os.path.join(chance.choice(folders), chance.choice(NAMES) + str(chance.randrange(20)))
        if os.path.lexists(place):
            continue
        match chance.randrange(6):
            case 0 if place.count("/") < 60:
                os.mkdir(place)
                folders.append(place)
            case 1:
                os.symlink(chance.choice(TARGETS + ODD_TARGETS), place)
                os.utime(place, ns=(1, chance.choice(TIMES)), follow_symlinks=False)
            case 2 if files:
                os.link(chance.choice(files), place)
            case _:
                _file(chance, place)
                files.append(place)
    for place in files + folders:
        for name in chance.sample(XATTRS, chance.randrange(3)):
            os.setxattr(place, name, chance.randbytes(chance.choice((0, 1, 40, 900))))
    for place in files + folders[::-1]:
        modes = (0o700, 0o755, 0o750) if place in folders and os.geteuid() else (0, 0o400, 0o644, 0o777, 0o755, 0o555)
        os.chmod(place, chance.choice(modes))
        os.utime(place, ns=(1, chance.choice(TIMES)))


def _file(chance: random.Random, place: str) -> None:
    with open(place, "wb") as file:
        if chance.random() < 0.4:
            # Holes, sometimes at the end, and stretches of data of any size.
            file.truncate(chance.choice((1, 5000, 300_000, HUGE, 9 << 20)))
            size = file.seek(0, os.SEEK_END)
            for _ in range(chance.randrange(4)):
                file.seek(chance.randrange(size))
                file.write(chance.randbytes(chance.choice((1, 4096, 70_000))))
        else:
            file.write(chance.randbytes(chance.choice((0, 1, 100, 5000, 262_144, 262_145, 700_000))))


def seen(root: Path, *, contents: bool = True) -> dict[str, Any]:
    """Everything below and at a folder, as another program sees it; without ``contents`` only sizes of huge files."""
    found: dict[str, Any] = {}
    names: dict[tuple[int, int], set[str]] = {}

    def look(place: str, name: str) -> None:
        state = os.lstat(place)
        one: list[Any] = [oct(state.st_mode), state.st_mtime_ns]
        if os.path.islink(place):
            one.append(os.fsencode(os.readlink(place)))
        else:
            one.append({key: os.getxattr(place, key) for key in os.listxattr(place) if key.startswith("user.")})
        if os.path.isfile(place) and not os.path.islink(place):
            one.append(state.st_size)
            if contents or state.st_size < 1 << 30:
                with open(place, "rb") as file:
                    one.append(file.read())
            names.setdefault((state.st_dev, state.st_ino), set()).add(name)
        found[name] = one
        if os.path.isdir(place) and not os.path.islink(place):
            for below in sorted(os.listdir(place)):
                look(os.path.join(place, below), os.path.join(name, below))

    look(os.fspath(root), "")
    found["hard links"] = sorted(sorted(some) for some in names.values() if len(some) > 1)
    return found


def data_bytes(place: str | Path) -> int:
    """Bytes of a file that are no hole."""
    descriptor = os.open(place, os.O_RDONLY)
    total = at = 0
    try:
        while True:
            data = os.lseek(descriptor, at, os.SEEK_DATA)
            at = os.lseek(descriptor, data, os.SEEK_HOLE)
            total += at - data
    except OSError:
        return total
    finally:
        os.close(descriptor)


def sparse_bytes(root: Path) -> dict[str, int]:
    """Of each file below a folder the bytes that are no hole."""
    return {
        os.path.relpath(os.path.join(folder, name), root): data_bytes(os.path.join(folder, name))
        for folder, _folders, names in os.walk(root)
        for name in names
        if not os.path.islink(os.path.join(folder, name))
    }
