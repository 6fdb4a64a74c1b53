"""The file-system calls that persistence makes, in one replaceable object.

Tests put an object in its place that fails call i, or forgets what was not synced. Nothing else replaces it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


class Disk:
    """The real calls, one method each; every method raises OSError as the call does."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        return os.pread(descriptor, size, offset)

    def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def fchmod(self, descriptor: int, mode: int) -> None:
        os.fchmod(descriptor, mode)

    def fstat(self, descriptor: int) -> os.stat_result:
        return os.fstat(descriptor)

    def lstat(self, path: str) -> os.stat_result:
        return os.lstat(path)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        os.mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def sync(self) -> None:
        os.sync()


_current = Disk()


def disk() -> Disk:
    """The calls in use."""
    return _current


@contextlib.contextmanager
def replaced_disk(substitute: Disk) -> Iterator[None]:
    """Use ``substitute`` for every file-system call of persistence until the block ends (for tests)."""
    global _current
    before, _current = _current, substitute
    try:
        yield
    finally:
        _current = before
