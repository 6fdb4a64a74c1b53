"""Uses a folder as programs do and prints what it took, a JSON object of figures and seconds.

    python -m bench.mount_probe read SHOWN HOME        a large file from its beginning to its end
    python -m bench.mount_probe random SHOWN HOME N    N times 4 KiB of it, here and there
    python -m bench.mount_probe find SHOWN HOME        find over a tree: the first time, and thrice again
    python -m bench.mount_probe late SHOWN HOME N      how late a change at home is seen, N times
    python -m bench.mount_probe git SHOWN HOME         git status in a repository: the first time, and thrice again
    python -m bench.mount_probe patch SHOWN HOME       10 KiB of a document are written over, until they are at home
    python -m bench.mount_probe replace SHOWN HOME     the same by a program that writes all of it, and renames
    python bench/mount_probe.py editor FIGURES HOME DOCUMENT    the same in a document that `gimmal edit` gives it

SHOWN is the folder as it is mounted, HOME the folder itself. It is a process of its own, so that whoever mounts and
does not answer holds up this one only.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

LARGE, TREE, REPOSITORY, DOCUMENT = "large.bin", "tree", "repository", "document.bin"
CHANGED = 10 * 1024
_BUFFER = 1 << 20
_RANDOM = 4096
_WARM_RUNS = 3
_LATE_SECONDS = 30.0
"""Longer nobody waits for a change."""

_SAVED_SECONDS = 150.0
"""Longer nobody waits for a document: three times what a line of 20 Mbit/s takes for all of it."""

Figures = dict[str, float]


def read(shown: Path, _home: Path) -> Figures:
    """Bytes a second."""
    began, size = time.perf_counter(), 0
    buffer = bytearray(_BUFFER)
    with open(shown / LARGE, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            size += count
    return {"read in order": size / (time.perf_counter() - began)}


def read_random(shown: Path, home: Path, count: int) -> Figures:
    """The median of the seconds of each."""
    draw, took = random.Random(count), []
    file, there = os.open(shown / LARGE, os.O_RDONLY), os.open(home / LARGE, os.O_RDONLY)
    size = os.fstat(file).st_size
    for _ in range(count):
        place = draw.randrange(size // _RANDOM) * _RANDOM
        began = time.perf_counter()
        piece = os.pread(file, _RANDOM, place)
        took.append(time.perf_counter() - began)
        assert piece == os.pread(there, _RANDOM, place)
    return {"4 KiB here and there": statistics.median(took)}


def find(shown: Path, home: Path) -> Figures:
    """Names, and then names with sizes."""
    names = _timed(["find", str(shown / TREE)])
    cold, count = names[0], names[1].count(b"\n")
    assert count == _timed(["find", str(home / TREE)])[1].count(b"\n")
    warm = statistics.median(_timed(["find", str(shown / TREE)])[0] for _ in range(_WARM_RUNS))
    local = statistics.median(_timed(["find", str(home / TREE)])[0] for _ in range(_WARM_RUNS))
    sizes = statistics.median(_timed(["find", str(shown / TREE), "-size", "+1"])[0] for _ in range(_WARM_RUNS))
    return {"find, cold": cold, "find, again": warm, "find with sizes, again": sizes, "find at home": local}


def late(shown: Path, home: Path, count: int) -> Figures:
    """The median, over ``count`` changes, until a new name is listed and a file has its new size."""
    folder = min(path.name for path in (home / TREE).iterdir())
    there, here = home / TREE / folder, shown / TREE / folder
    file = min(path.name for path in there.iterdir())
    listed = os.listdir(here)
    assert file in listed
    found: dict[str, list[float]] = {"a new name is seen after": [], "a new size is seen after": []}
    for number in range(count):
        name = f"new-{number}-{os.urandom(4).hex()}"
        assert not (here / name).exists()
        (there / name).write_bytes(b"x")
        found["a new name is seen after"].append(_until(lambda name=name: name in os.listdir(here)))  # type: ignore[misc]
        with open(there / file, "ab") as grown:
            grown.write(b"more")
            size = grown.tell()
        found["a new size is seen after"].append(_until(lambda size=size: os.stat(here / file).st_size == size))  # type: ignore[misc]
    return {figure: statistics.median(seconds) for figure, seconds in found.items()}


def git(shown: Path, _home: Path) -> Figures:
    """Nothing is changed, and nothing is written."""
    command = ["git", "-C", str(shown / REPOSITORY), "-c", "safe.directory=*", "status", "--porcelain"]
    cold, said = _timed(command)
    assert not said, said[:500]
    warm = statistics.median(_timed(command)[0] for _ in range(_WARM_RUNS))
    return {"git status, cold": cold, "git status, again": warm}


def patch(shown: Path, home: Path) -> Figures:
    """Seconds until the program goes on, and until the bytes are at home."""
    content, place, new = _changed(home)
    began = time.perf_counter()
    file = os.open(shown / DOCUMENT, os.O_RDWR)
    os.pwrite(file, new, place)
    os.fsync(file)
    os.close(file)
    done = time.perf_counter() - began
    seen = _until(lambda: _is_at_home(home, content), began, _SAVED_SECONDS)
    return {"10 KiB written over, program goes on": done, "10 KiB written over, at home": seen}


def replace(shown: Path, home: Path) -> Figures:
    """The same, where the program has the document in memory and writes all of it to a new file."""
    content, _place, _new = _changed(home)
    began = time.perf_counter()
    _save_by_rename(shown / DOCUMENT, content)
    done = time.perf_counter() - began
    seen = _until(lambda: _is_at_home(home, content), began, _SAVED_SECONDS)
    return {"saved by rename, program goes on": done, "saved by rename, at home": seen}


def edit(figures: Path, home: Path, document: Path) -> None:
    """The same; figures are written into a file."""
    content, _place, _new = _changed(home)
    assert len(document.read_bytes()) == len(content)
    began = time.perf_counter()
    _save_by_rename(document, content)
    seen = _until(lambda: _is_at_home(home, content), began, _SAVED_SECONDS)
    figures.write_text(json.dumps({"saved in gimmal edit, at home": seen}), encoding="utf-8")


def _save_by_rename(document: Path, content: bytearray) -> None:
    new = document.with_name(f".{document.name}.new")
    with open(new, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, document)


def _changed(home: Path) -> tuple[bytearray, int, bytes]:
    """The document as it will be, where it differs from what it is, and how."""
    content, new = bytearray((home / DOCUMENT).read_bytes()), os.urandom(CHANGED)
    place = len(content) // 2
    content[place : place + CHANGED] = new
    return content, place, new


def _is_at_home(home: Path, content: bytearray) -> bool:
    """Whether it is there whole: who writes it anew passes through all lengths. Places of it are looked at, not all."""
    try:
        with open(home / DOCUMENT, "rb") as file:
            if os.fstat(file.fileno()).st_size != len(content):
                return False
            middle, last = len(content) // 2, len(content) - CHANGED
            return all(os.pread(file.fileno(), CHANGED, at) == content[at : at + CHANGED] for at in (0, middle, last))
    except FileNotFoundError:
        return False


def _until(what: Callable[[], bool], began: float | None = None, most: float = _LATE_SECONDS) -> float:
    began = time.perf_counter() if began is None else began
    while not what() and time.perf_counter() - began < most:
        time.sleep(0.005)
    return time.perf_counter() - began


def _timed(command: list[str]) -> tuple[float, bytes]:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    """One of them."""
    what, shown, home, *counts = sys.argv[1:]
    if what == "editor":
        edit(Path(shown), Path(home), Path(counts[0]))
        return
    works: dict[str, Callable[..., Figures]] = {
        "read": read,
        "random": read_random,
        "find": find,
        "late": late,
        "git": git,
        "patch": patch,
        "replace": replace,
    }
    print(json.dumps(works[what](Path(shown), Path(home), *map(int, counts))))


if __name__ == "__main__":
    main()
