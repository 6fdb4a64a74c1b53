"""Random reads, writes, cuts and mappings of one file, each compared with a plain file that gets the same."""

from __future__ import annotations

import mmap
import os
import random
from collections import Counter
from pathlib import Path

SIZE_MAX = 1 << 20
LENGTH_MAX = 64 << 10

WEIGHTS = {
    "read": 30,
    "write": 30,
    "truncate": 8,
    "map read": 10,
    "map write": 8,
    "append": 5,
    "sync": 3,
    "open again": 4,
    "stat": 2,
}


class Fsx:
    """One file, twice.

    Args:
        tried: the file to be tried, made by this.
        model: a plain one.
        seed: of all that is drawn.
    """

    def __init__(self, tried: Path, model: Path, seed: int) -> None:
        self._paths = tried, model
        self._drawn = random.Random(seed)
        self.done: Counter[str] = Counter()
        self._open = [os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644) for path in self._paths]
        self._log: list[str] = []

    def run(self, count: int) -> None:
        """So many operations; AssertionError at the first that differs, with those before it."""
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        for _ in range(count):
            name = self._drawn.choices(names, weights)[0]
            self._log.append(name)
            del self._log[:-50]
            getattr(self, "_" + name.replace(" ", "_"))()
            self.done[name] += 1
        self._compare_all()

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    @property
    def _size(self) -> int:
        return os.fstat(self._open[1]).st_size

    def _place(self, limit: int) -> tuple[int, int]:
        offset = self._drawn.randrange(max(1, limit))
        if self._drawn.random() < 0.3:
            offset -= offset % 4096
        length = self._drawn.choice((1, 10, 4096, self._drawn.randrange(1, LENGTH_MAX)))
        return offset, min(length, max(1, limit - offset))

    def _note(self, text: str) -> None:
        self._log[-1] = text

    def _same(self, tried: bytes | int, model: bytes | int) -> None:
        if tried != model:
            at = 0
            if isinstance(tried, bytes) and isinstance(model, bytes):
                at = next((at for at, (one, other) in enumerate(zip(tried, model, strict=False)) if one != other), -1)
                tried, model = tried[at : at + 16], model[at : at + 16]
            raise AssertionError(f"{tried!r} instead of {model!r}, {at} bytes in, after:\n" + "\n".join(self._log))

    def _read(self) -> None:
        offset, length = self._place(SIZE_MAX)
        self._note(f"read {offset} {length}")
        self._same(os.pread(self._open[0], length, offset), os.pread(self._open[1], length, offset))

    def _write_at(self, offset: int, length: int) -> None:
        data = self._drawn.randbytes(length)
        for descriptor in self._open:
            assert os.pwrite(descriptor, data, offset) == length

    def _write(self) -> None:
        offset, length = self._place(SIZE_MAX)
        self._note(f"write {offset} {length}")
        self._write_at(offset, length)

    def _append(self) -> None:
        offset = self._size
        length = min(self._drawn.randrange(1, 8192), SIZE_MAX - offset)
        self._note(f"append {offset} {length}")
        if length > 0:
            self._write_at(offset, length)

    def _truncate(self) -> None:
        size = self._drawn.choice((0, self._drawn.randrange(SIZE_MAX), self._size // 2))
        self._note(f"truncate {self._size} {size}")
        for descriptor in self._open:
            os.ftruncate(descriptor, size)

    def _map_read(self) -> None:
        size = self._size
        if not size:
            return
        offset, length = self._place(size)
        self._note(f"map read {offset} {length}")
        found = []
        for descriptor in self._open:
            with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as mapped:
                found.append(mapped[offset : offset + length])
        self._same(*found)

    def _map_write(self) -> None:
        size = self._size
        if not size:
            return
        offset, length = self._place(size)
        self._note(f"map write {offset} {length}")
        data = self._drawn.randbytes(length)
        for descriptor in self._open:
            with mmap.mmap(descriptor, size) as mapped:
                mapped[offset : offset + length] = data
                mapped.flush()

    def _sync(self) -> None:
        for descriptor in self._open:
            os.fsync(descriptor)

    def _open_again(self) -> None:
        self.close()
        self._open = [os.open(path, os.O_RDWR) for path in self._paths]

    def _stat(self) -> None:
        self._note(f"stat {self._size}")
        self._same(os.stat(self._paths[0]).st_size, self._size)
        self._same(os.fstat(self._open[0]).st_size, self._size)

    def _compare_all(self) -> None:
        self._same(os.pread(self._open[0], SIZE_MAX + 1, 0), os.pread(self._open[1], SIZE_MAX + 1, 0))
