"""A front end that is a folder of this computer: system calls. The mount; and a plain folder, which keeps the suite
itself honest."""

from __future__ import annotations

import os
from pathlib import Path

from tests.frontends.behaviour import Front


class OsFront(Front):
    """Reads and writes by the system's own calls."""

    def __init__(self, home: Path, here: Path) -> None:
        super().__init__(home)
        self.here = here

    def _write(self, path: str, data: bytes, flags: int, offset: int = 0) -> None:
        descriptor = os.open(self.here / path, flags | os.O_WRONLY, 0o644)
        try:
            view = memoryview(data)
            while view:
                count = os.pwrite(descriptor, view, offset)
                view, offset = view[count:], offset + count
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def write(self, path: str, data: bytes) -> None:
        self._write(path, data, os.O_CREAT | os.O_TRUNC)

    def make_new(self, path: str, data: bytes) -> None:
        self._write(path, data, os.O_CREAT | os.O_EXCL)

    def write_part(self, path: str, offset: int, data: bytes) -> None:
        self._write(path, data, 0, offset)

    def truncate(self, path: str, size: int) -> None:
        os.truncate(self.here / path, size)

    def read(self, path: str) -> bytes:
        return (self.here / path).read_bytes()

    def read_range(self, path: str, offset: int, length: int) -> bytes:
        descriptor = os.open(self.here / path, os.O_RDONLY)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)

    def names(self, folder: str) -> set[str]:
        return set(os.listdir(self.here / folder))

    def size(self, path: str) -> int:
        return os.stat(self.here / path).st_size

    def mtime(self, path: str) -> float:
        return os.stat(self.here / path).st_mtime

    def set_mtime(self, path: str, seconds: float) -> None:
        os.utime(self.here / path, (seconds, seconds))

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(self.here / path)

    def make_folder(self, path: str) -> None:
        os.mkdir(self.here / path)

    def remove(self, path: str) -> None:
        os.unlink(self.here / path)

    def remove_folder(self, path: str) -> None:
        os.rmdir(self.here / path)

    def rename(self, source: str, target: str) -> None:
        os.rename(self.here / source, self.here / target)

    def make_link(self, path: str, target: str) -> None:
        os.symlink(target, self.here / path)

    def read_link(self, path: str) -> str:
        return os.readlink(self.here / path)
