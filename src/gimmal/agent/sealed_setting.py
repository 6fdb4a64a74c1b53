"""One small thing that this computer keeps for a half, sealed with a key of it and replaced as a whole.

Without the half it is noise, and with it it is there again, over joinings too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from gimmal.agent.plugged import state_directory
from gimmal.base.display import displayable
from gimmal.base.errors import AuthenticationFailed, LocalError
from gimmal.base.persistence import FileMissingError, local_errors, read_limited, write_atomic
from gimmal.base.primitives import NONCE_SIZE, hkdf_sha256, hmac_sha256, open_at_rest, random_bytes, seal_at_rest
from gimmal.half.opened import OpenedHalf

LOCK_SECONDS = 2.0
"""How long it is waited for another program that changes the same: it takes it milliseconds."""

_AGAIN_SECONDS = 0.02


class SealedSetting:
    """A file of its own for each half and computer. All of it may block on the disk.

    Args:
        half: opened.
        info: says which thing it is, and of which version; no two things have the same.
        limit: bytes of the file at most.
        called: how errors call it, for example ``the shares kept in``.
        hint: what to do where it cannot be read.

    Raises:
        LocalError: there is no folder for it.
    """

    def __init__(self, half: OpenedHalf, info: bytes, limit: int, called: str, hint: str) -> None:
        key = hkdf_sha256(b"", half.storage_key, info, 32)
        folder = state_directory(half.lineage_id) / "settings"
        # Keyed, so that the two halves of a pair have settings of their own on one computer.
        self._path = folder / hmac_sha256(key, b"name")[:16].hex()
        self._key = hmac_sha256(key, b"seal")
        self._info = info
        self._limit = limit
        self._called = called
        self._hint = hint

    def read(self) -> bytes | None:
        """What is kept; None where nothing is.

        Raises:
            LocalError: the file cannot be read, or was altered.
        """
        try:
            sealed = read_limited(self._path, self._limit)
        except FileMissingError:
            return None
        try:
            return open_at_rest(self._key, sealed, self._info)
        except AuthenticationFailed as exc:
            raise self.unreadable() from exc

    def write(self, plain: bytes) -> None:
        """Keep this instead; a cut leaves the old or the new.

        Raises:
            LocalError: the disk refuses.
        """
        with local_errors("make", self._path.parent):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
        write_atomic(self._path, seal_at_rest(self._key, plain, self._info, random_bytes(NONCE_SIZE)))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Held from reading to writing, so that no other program's change is lost.

        Raises:
            LocalError: another program holds it for seconds.
        """
        lock = self._path.with_suffix(".lock")
        with local_errors("open", lock):
            lock.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def unreadable(self) -> LocalError:
        """The error for a file that holds something else."""
        return LocalError(f"{self._called} {displayable(os.fspath(self._path))} cannot be read", self._hint)


def _lock(descriptor: int) -> None:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise LocalError(
                    "another program is changing the settings of this half just now", "run the command again"
                ) from None
            time.sleep(_AGAIN_SECONDS)
        except OSError:
            return  # a disk without locks
        else:
            return
