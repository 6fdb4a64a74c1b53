"""The log of use as it lies on this computer: sealed journals of bounded size, the oldest of which go.

``log/NAME/00000001`` and so on in the folder of the lineage; NAME is keyed, so that the two halves of a pair have logs
of their own on one computer. A crash takes at most the record it cut: what is torn is left as it is and a new file is
begun. One program writes at a time, by a lock of the kernel; any may read meanwhile.

What this side did over there lies beside it, in files of its own: each command writes them, one after the other.

All of it may block on the disk, and may be called from any thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import threading
import time
from pathlib import Path

from gimmal.base.errors import LocalError
from gimmal.base.persistence import fsync_directory, local_errors
from gimmal.base.primitives import hmac_sha256
from gimmal.base.sealed_journal import SealedJournal

FILE_BYTES = 1 << 20
"""Bytes after which a new file is begun."""

LOG_BYTES_MAX = 32 << 20
"""Bytes of all files together; the oldest go."""

OWN_FILE_BYTES, OWN_LOG_BYTES_MAX = 32 << 10, 8 << 20
"""The same of what this side did: each command reads the newest file to its end before it adds to it."""

TURN_SECONDS = 1.0
"""How long a command waits for others that write just now."""

FILES_MAX = 1024
"""Files; the oldest go."""

KEPT_SECONDS = 400 * 24 * 3600.0
"""Age after which the oldest file goes, when another begins: one at a time, for a clock may be wrong."""

NUMBER_MAX = (1 << 32) - 1

_NAME = re.compile("[0-9a-f]{8}")
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class UseLogFiles:
    """Where the files of one half's log lie, and how they are sealed.

    Args:
        directory: where the sealed things of the lineage lie.
        key: 32 bytes from the half; all that is here is noise without it.
        own: those of what this side did over there.
    """

    def __init__(self, directory: Path, key: bytes, *, own: bool = False) -> None:
        label = b"gimmal own log v1" if own else b"gimmal use log v1"
        name = hmac_sha256(hmac_sha256(key, label + b" name"), b"log")[:16].hex()
        self._seal_key = hmac_sha256(key, label + b" seal")
        self.folder = directory / "log" / name
        self.own = own
        self.file_bytes = OWN_FILE_BYTES if own else FILE_BYTES
        self.bytes_max = OWN_LOG_BYTES_MAX if own else LOG_BYTES_MAX

    def numbers(self) -> list[int]:
        """Numbers of the files that are there, oldest first; OSError where the folder cannot be read."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(int(name, 16) for name in os.listdir(self.folder) if _NAME.fullmatch(name))
        return []

    def path(self, number: int) -> Path:
        """Of one file."""
        return self.folder / f"{number:08x}"

    def open(self, number: int) -> SealedJournal:
        """One file, to append to; OSError."""
        return SealedJournal.open(self.path(number), self._seal_key, _identity(number))

    def open_to_read(self, number: int) -> SealedJournal:
        """One file, to read; OSError, FileNotFoundError where it has gone."""
        return SealedJournal.open_to_read(self.path(number), self._seal_key, _identity(number))


class UseLogStore:
    """Appends to the log of one half on this computer; one at a time.

    That of the other side's use belongs to one program and is durable at once. To that of this side's own all commands
    write in turn, so that it is let go of after each time; a power cut may take the last of it.

    Args:
        files: where they lie.
    """

    def __init__(self, files: UseLogFiles) -> None:
        self._files = files
        # A caller that is cancelled leaves its thread behind, still writing.
        self._one = threading.Lock()
        self._lock = -1
        self._journal: SealedJournal | None = None
        self._number = 0
        self._closed = False

    def append(self, records: list[bytes]) -> None:
        """Keep records.

        Args:
            records: what is kept of them is taken out.

        Raises:
            LocalError: another program has the log open, it was closed, or the disk refuses.
        """
        with self._one, local_errors("write to the log of use in", self._files.folder):
            if self._closed:
                raise LocalError("the log of use is closed", "start `gimmal up` again")
            done = 0
            try:
                journal = self._open()
                for data in records:
                    if journal.size and journal.size + len(data) > self._files.file_bytes:
                        journal.sync()
                        journal = self._next()
                    journal.append(data)
                    done += 1
                if self._files.own:
                    self._leave()
                else:
                    journal.sync()
            except (OSError, LocalError):
                # The next try looks anew at what the disk made of this one.
                self._leave()
                raise
            finally:
                del records[:done]

    def close(self) -> None:
        """Let go of it; what was appended stays."""
        with self._one:
            self._closed = True
            self._leave()

    def _open(self) -> SealedJournal:
        if self._journal is not None:
            return self._journal
        for folder in (self._files.folder.parent, self._files.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # parents alone would get the mode of any folder
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._lock = os.open(self._files.folder / "lock", flags, 0o600)
        try:
            self._take_lock()
        except BlockingIOError:
            self._leave()
            what_next = "it is tried again" if self._files.own else "stop that `gimmal up` first"
            raise LocalError("another program writes the log of use of this half", what_next) from None
        except OSError as error:
            # On a disk without locks there is the half's own lock, which holds for all but odd cases.
            if error.errno not in _NO_LOCKS:
                raise
        numbers = self._files.numbers()
        self._number = numbers[-1] if numbers else 0
        if numbers:
            journal = self._journal = self._files.open(self._number)
            if not journal.torn():
                return journal
        return self._next()

    def _take_lock(self) -> None:
        until = time.monotonic() + (TURN_SECONDS if self._files.own else 0.0)
        while True:
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
            time.sleep(0.005)

    def _next(self) -> SealedJournal:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._number >= NUMBER_MAX:
            raise OSError(errno.EFBIG, "no number is left for a file")
        self._number += 1
        journal = self._journal = self._files.open(self._number)
        fsync_directory(self._files.folder)
        self._drop_most()
        return journal

    def _drop_most(self) -> None:
        """Remove the oldest files beyond what may be kept; the newest stays whatever it has."""
        numbers = self._files.numbers()
        self._drop_old(numbers)
        sizes = {number: _size(self._files.path(number)) for number in numbers}
        total = sum(sizes.values()) + self._files.file_bytes
        for index, number in enumerate(numbers[:-1]):
            if total <= self._files.bytes_max and len(numbers) - index <= FILES_MAX:
                break
            with contextlib.suppress(OSError):
                self._files.path(number).unlink()
            total -= sizes[number]

    def _drop_old(self, numbers: list[int]) -> None:
        if len(numbers) > 1:
            path = self._files.path(numbers[0])
            with contextlib.suppress(OSError):
                if time.time() - path.lstat().st_mtime > KEPT_SECONDS:
                    path.unlink()
                    del numbers[0]

    def _leave(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _identity(number: int) -> bytes:
    return b"log of use|" + number.to_bytes(4, "big")


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
