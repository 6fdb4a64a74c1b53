"""Which commands on this computer use a half just now: each holds a lock as long as it runs (`gimmal status --safe`).

An agent could be asked, but commands run without one, too. A file is locked by the command itself, so that one of a
command that was killed says nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gimmal.base.errors import LocalError
from gimmal.base.primitives import sha256
from gimmal.base.side import Side
from gimmal.half.lockfile import runtime_directory

USES_MAX = 1000
"""Files that are looked at."""

_LABEL = b"gimmal half use v1"
_NAME_BYTES = 64
_TRIES = 3
_LOOKS, _LOOK_SECONDS = 50, 0.01
"""How long a file of one's own may be locked by who looks just now; longer than that nothing is noted."""

_counted = itertools.count(1)


@dataclass(frozen=True, order=True)
class Use:
    """A command that runs.

    Attributes:
        process: its number.
        command: how it is called, ``edit`` for instance.
    """

    process: int
    command: str


class NotedUse:
    """Notes that this process uses a half, until it ends or ``close``; where that cannot be, nothing is noted.

    Args:
        pair_id, side: the half.
        command: the command's name, without arguments.
    """

    def __init__(self, pair_id: bytes, side: Side, command: str) -> None:
        self._descriptor = -1
        self._path = Path()
        with contextlib.suppress(OSError, LocalError):
            folder, begin = _place(pair_id, side)
            # One process may use a half several times, each of which ends by itself.
            self._path = folder / f"{begin}{os.getpid()}.{next(_counted)}"
            for _ in range(_TRIES):
                self._descriptor = _locked(self._path)
                # Who looked just before it was locked took it for left over.
                if self._path.exists():
                    break
                os.close(self._descriptor)
                self._descriptor = -1
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, command.encode()[:_NAME_BYTES], 0)

    def close(self) -> None:
        """It uses the half no more."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_LOOK_SECONDS)  # somebody looks at it just now
        else:
            return descriptor
    os.close(descriptor)
    raise BlockingIOError(f"{path} stays locked")


def uses(pair_id: bytes, side: Side) -> list[Use]:
    """The commands that use a half on this computer now, this process left out; may block on the disk.

    Raises:
        LocalError: the folder of such notes cannot be used.
    """
    folder, begin = _place(pair_id, side)
    found: list[Use] = []
    try:
        names = [name for name in os.listdir(folder) if name.startswith(begin)]
    except OSError:
        return []
    for name in names[:USES_MAX]:
        number, _dot, _count = name.removeprefix(begin).partition(".")
        if number.isdigit() and int(number) != os.getpid():
            with contextlib.suppress(OSError):
                found += _of(folder / name, int(number))
    return sorted(set(found))


def _of(path: Path, process: int) -> list[Use]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return [Use(process, os.pread(descriptor, _NAME_BYTES, 0).decode(errors="replace"))]
        path.unlink()  # of one that was killed
        return []
    finally:
        os.close(descriptor)


def _place(pair_id: bytes, side: Side) -> tuple[Path, str]:
    name = sha256(_LABEL, pair_id, side.value.encode())[:16].hex()
    return runtime_directory(), f"use-{name}-"
