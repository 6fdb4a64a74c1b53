"""Run ``gimmal ARGUMENTS`` and end the process, as kill -9 does, before its changing call number STEP.

Usage: python -m tests.half.killed_command STEP ARGUMENTS...
"""

from __future__ import annotations

import os
import signal
import sys

from gimmal.base.disk import Disk, replaced_disk
from gimmal.frontends.cli.main import run


class KillingDisk(Disk):
    """The real calls, until the one that is not made."""

    def __init__(self, step: int) -> None:
        self._left = step

    def _count(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if flags & os.O_CREAT:
            self._count()
        return super().open(path, flags, mode)

    def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        self._count()
        if self._left == 0 and len(data) > 1:
            # The next call never comes: leave half a write behind.
            data = data[: len(data) // 2]
        return super().pwrite(descriptor, data, offset)

    def truncate(self, descriptor: int, size: int) -> None:
        self._count()
        super().truncate(descriptor, size)

    def fsync(self, descriptor: int) -> None:
        self._count()
        super().fsync(descriptor)

    def rename(self, source: str, target: str) -> None:
        self._count()
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        self._count()
        super().unlink(path)

    def mkdir(self, path: str, mode: int = 0o700) -> None:
        self._count()
        super().mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        self._count()
        super().rmdir(path)


if __name__ == "__main__":
    with replaced_disk(KillingDisk(int(sys.argv[1]))):
        run(sys.argv[2:])
