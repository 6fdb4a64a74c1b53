"""A journal of edits on a disk: sealed, of one owner, whole up to its last complete operation wherever it is cut.

It lies on the half itself where that has room, so that it goes home from whichever computer the half is plugged into
next; else on this computer. Its owner is who holds the lock on the file; a process that ends, however it does, leaves
it to the next. All of it may block on the disk, and may be called from any thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from gimmal.base.display import displayable
from gimmal.base.errors import LocalError, ProtocolViolation
from gimmal.base.persistence import fsync_directory, local_errors
from gimmal.base.primitives import hmac_sha256, random_bytes
from gimmal.base.sealed_journal import SealedJournal
from gimmal.half.places import EDITS_FOLDER
from gimmal.remote.edits.damaged import copy_to, name_of_copy
from gimmal.remote.edits.operations import (
    DATA_BYTES,
    REASON_CHARACTERS,
    Begun,
    Data,
    End,
    Gone,
    MakeFolder,
    Move,
    NotDone,
    Old,
    Operation,
    Record,
    Remove,
    Save,
    SetTimes,
    decode_record,
    encode_record,
)

logger = logging.getLogger("gimmal.remote")

RESERVE = 8 << 20
"""Bytes of a disk that a journal leaves free."""

BEGIN_ROOM = 24 << 20
"""Bytes beyond the reserve that a disk has to have for a journal to begin there, where there is another one."""

BEGIN_TRIES = 8
"""Names that a new journal is given, where others take each of them."""

BEGIN_SECONDS = 60.0
"""An empty file is left to who makes it for so long."""

FILES_MAX = 256
"""Journals in one folder that are looked at."""

_NAME = re.compile(r"[0-9a-f]{32}")
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class JournalFile:
    """One journal that this process owns. Make one with `begin` or `claim`; close it, or remove it.

    Attributes:
        pending: operations that are complete and not yet at home, by number, in order.
        results: what came of those that are.
        not_done: what the other side said of those that it did not do when it was asked last.
        done_here: all that are complete, by number, whether at home or not.
        computer: on which they were done.
        refuses: whether it did not take what was to be added last; then `move_to` another folder.
    """

    def __init__(self, path: Path, lock: int, journal: SealedJournal, key: bytes) -> None:
        self.path = path
        self.refuses = False
        self.pending: dict[int, Operation] = {}
        self.results: dict[int, Gone] = {}
        self.not_done: dict[int, str] = {}
        self.done_here: dict[int, Operation] = {}
        self.next_number = 1
        self.computer = ""
        self._lock = lock
        self._journal = journal
        self._key = key
        self._left: list[tuple[int, SealedJournal]] = []
        self._one = threading.Lock()
        self._reading: Iterator[Record] | None = None
        self._passed = 0

    @classmethod
    def begin(cls, folder: Path, key: bytes, computer: str = "") -> Self:
        """A new journal.

        Args:
            folder: made where it is missing.
            key: 32 bytes from the half; without it the file is noise.
            computer: what this one is called, for names of conflicts.

        Raises:
            LocalError: the disk refuses.
        """
        with local_errors("begin a journal of edits in", folder):
            path, lock, journal = _begin_file(folder, key, computer)
        made = cls(path, lock, journal, key)
        made.computer = computer
        return made

    @classmethod
    def claim(cls, path: Path, key: bytes) -> Self | None:
        """A journal that a process left; None where one still has it, it is gone, or nothing in it goes home.

        One that was damaged is kept as it is under another name, and what can still be read of it goes home.

        Raises:
            LocalError: the disk refuses.
            ProtocolViolation: a later version of gimmal wrote it.
        """
        with local_errors("open the journal of edits", path):
            try:
                lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                if not _take(lock) or not _is_there(path, lock) or _is_being_begun(lock):
                    os.close(lock)
                    return None
                made = cls(path, lock, SealedJournal.open(path, _seal_key(key), path.name.encode()), key)
            except BaseException:
                os.close(lock)
                raise
            try:
                made.read_all()
                made._set_aside_if_damaged()
            except BaseException:
                made.close()
                raise
        if not made.pending:
            made._remove_if_ours()
            return None
        return made

    @classmethod
    def look(cls, path: Path, key: bytes) -> Self:
        """A journal to be read only, whoever has it. Close it.

        Raises:
            OSError: the disk refuses, or it is gone.
            LocalError: the disk refuses.
            ProtocolViolation: as `claim`.
        """
        made = cls(path, -1, SealedJournal.open_to_read(path, _seal_key(key), path.name.encode()), key)
        try:
            made.read_all()
        except BaseException:
            made.close()
            raise
        return made

    def read_all(self) -> None:
        """Find out what is pending."""
        head: Save | None = None
        for record in self._records():
            if isinstance(record, Save):
                head = record
            elif isinstance(record, End):
                if head is not None and head.number == record.number:
                    self.pending[head.number] = self.done_here[head.number] = head
                head = None
            elif isinstance(record, Gone):
                self.pending.pop(record.number, None)
                self.results[record.number] = record
                self.not_done.pop(record.number, None)
            elif isinstance(record, NotDone):
                self.not_done[record.number] = record.reason
            elif isinstance(record, Begun):
                self.computer = record.computer
            elif not isinstance(record, Data | Old):
                self.pending[record.number] = self.done_here[record.number] = record
            number = getattr(record, "number", 0)
            self.next_number = max(self.next_number, number + 1)

    def _set_aside_if_damaged(self) -> None:
        """What cannot be read may be what a person has to have back: it is cut off only where a copy has it."""
        with self._one:
            if not self._journal.size or not self._journal.damaged():
                return
            copy = name_of_copy(self.path)
            if self.pending:
                copy_to(self._lock, copy)
                self._journal.trim()
            else:
                os.replace(self.path, copy)
            fsync_directory(self.path.parent)
        logger.warning("a journal of edits is damaged: not all of it can go home; it is kept as %s", copy)

    def _remove_if_ours(self) -> None:
        """Remove a journal of which nothing is left to do; not one that another half's key seals."""
        with self._one, contextlib.suppress(OSError):
            if self._journal.size or not os.fstat(self._lock).st_size:
                self._unlink()
        self.close()

    # Adding ----------------------------------------------------------------------------------------------------------

    def add(self, operation: Operation) -> None:
        """Note an operation that is no save; durable on return.

        Raises:
            LocalError: the disk refuses, or is too full.
        """
        with self._adding():
            self._require_room(0)
            self._journal.append(encode_record(operation), durable=True)
            self.pending[operation.number] = self.done_here[operation.number] = operation
            self.next_number = operation.number + 1

    def add_save(self, save: Save, written: Iterable[tuple[int, bytes]], old: Iterable[tuple[int, bytes]]) -> None:
        """Note a save; durable on return.

        Args:
            save: its head.
            written: places and bytes.
            old: the same of the version before, as far as they are known and still count.

        Raises:
            LocalError: the disk refuses, or is too full; then the save was never begun.
        """
        with self._adding():
            self.next_number = save.number + 1  # also where it fails: a number stands for one head
            before = self._journal.mark()
            try:
                self._journal.append(encode_record(save))
                for kind, pieces in ((Data, written), (Old, old)):
                    for offset, content in pieces:
                        self._require_room(len(content))
                        for at in range(0, len(content), DATA_BYTES):
                            self._journal.append(encode_record(kind(offset + at, content[at : at + DATA_BYTES])))
                self._journal.append(encode_record(End(save.number)), durable=True)
            except BaseException:
                with contextlib.suppress(OSError):  # then a head without an end stays, which counts for nothing
                    self._journal.cut_back(before)
                raise
            self.pending[save.number] = self.done_here[save.number] = save

    def note_home(self, result: Gone) -> None:
        """An operation was done at home. What follows with the same file waits for `sync`.

        Raises:
            LocalError: the disk refuses; then it is still pending.
        """
        with self._adding():
            self._journal.append(encode_record(result))
            self.pending.pop(result.number, None)
            self.results[result.number] = result
            self.not_done.pop(result.number, None)

    @contextlib.contextmanager
    def _adding(self) -> Iterator[None]:
        with self._one, local_errors("write the journal of edits", self.path):
            self.refuses = True
            yield
            self.refuses = False

    @property
    def failed(self) -> bool:
        """Whether its disk lost what it had taken: nothing is added to this file any more."""
        return self._journal.failed

    def note_not_done(self, number: int, reason: str) -> None:
        """The other side does not do an operation now; for whoever asks why it waits.

        Raises:
            LocalError: the disk refuses.
        """
        reason = reason[:REASON_CHARACTERS]
        if self.not_done.get(number) == reason:
            return
        with self._adding():
            self._journal.append(encode_record(NotDone(number, reason)))
            self.not_done[number] = reason

    def sync(self) -> None:
        """Return only when all that was noted would survive a power cut.

        Raises:
            LocalError: the disk refuses.
        """
        with self._one, local_errors("write the journal of edits", self.path):
            self._journal.sync()

    def _require_room(self, length: int) -> None:
        _require_room(self._lock, length)

    # Moving ----------------------------------------------------------------------------------------------------------

    def move_to(self, folder: Path) -> None:
        """Go on in a new file there with what is pending and what that builds on, without the rest; durable on return.

        Where the process ends between the two, both files are there, and each operation is done twice, without harm.

        Raises:
            LocalError: that disk refuses, or this one does not give back what is pending; then it stays where it is.
        """
        with self._one, local_errors("move the journal of edits to", folder):
            path, lock, journal = _begin_file(folder, self._key, self.computer)
            try:
                _require_room(lock, self._journal.size)
                self._copy_to(journal)
            except BaseException:
                journal.remove()
                os.close(lock)
                raise
            # Who reads in the old one reads on.
            old, self.path = self.path, path
            self._left.append((self._lock, self._journal))
            self._lock, self._journal, self._reading = lock, journal, None
            self.refuses = False
        try:
            old.unlink()
            fsync_directory(old.parent)
        except (OSError, LocalError) as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._left[-1][0], 0)
            logger.warning("an old journal of edits could not be removed: %s", error)

    def _needed(self) -> set[int]:
        """What is pending, and what that builds on, whose bytes a conflict needs."""
        after: dict[int, int] = {}
        for data in self._journal.records():
            record = decode_record(data)
            if isinstance(record, Save | Move | Remove | SetTimes):
                after[record.number] = record.after
        needed = set(self.pending)
        for number in sorted(after, reverse=True):
            if number in needed:
                needed.add(after[number])
        return needed

    def _copy_to(self, journal: SealedJournal) -> None:
        needed = self._needed()
        copied: set[int] = set()
        inside = False
        for data in self._journal.records():
            record = decode_record(data)
            number = getattr(record, "number", 0)
            if isinstance(record, Save):
                inside = number in needed
            of_save = isinstance(record, Data | Old | Save | End)
            if inside if of_save else isinstance(record, Gone) or number in needed:
                journal.append(data)
                if isinstance(record, End) or not of_save:
                    copied.add(number)
            if isinstance(record, End):
                inside = False
        if not copied.issuperset(self.pending):
            raise OSError(errno.EIO, "not all of it can be read")
        journal.sync()

    def chain(self, number: int) -> list[Operation]:
        """An operation and those that it builds on, the first one first; empty for none."""
        found: list[Operation] = []
        while (operation := self.done_here.get(number)) is not None and len(found) < len(self.done_here):
            found.insert(0, operation)
            number = 0 if isinstance(operation, MakeFolder) else operation.after
        return found

    # Reading ---------------------------------------------------------------------------------------------------------

    def bytes_of(self, number: int) -> Iterator[Data | Old]:
        """Bytes of a complete save, in the order in which they were noted; reads on while it is consumed.

        Saves that are asked for in order are found without reading from the beginning each time.

        Raises:
            LocalError: they cannot be read any more, or the disk refuses.
        """
        if self._reading is None or self._passed >= number:
            self._reading = self._records()
        inside = False
        for record in self._reading:
            if isinstance(record, Save):
                self._passed = record.number
                inside = record.number == number
            elif inside and isinstance(record, Data | Old):
                yield record
            elif inside and isinstance(record, End):
                return
        self._reading = None
        raise LocalError(
            f"the journal of edits {displayable(str(self.path))} cannot be read any more",
            "check the disk that it is on",
        )

    def _records(self) -> Iterator[Record]:
        # Bytes of a save that was cut short lie before the head of the next one: the head begins anew.
        found = self._journal.records()
        while True:
            with self._one, local_errors("read the journal of edits", self.path):
                data = next(found, None)
            if data is None:
                return
            yield decode_record(data)

    def is_damaged(self) -> bool:
        """Whether something in it cannot be read that was no record cut short; OSError."""
        with self._one:
            return self._journal.damaged()

    # End -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the file, which stays for whoever claims it."""
        with self._one:
            self._journal.close()
            if self._lock >= 0:
                os.close(self._lock)
                self._lock = -1
            for lock, journal in self._left:
                journal.close()
                os.close(lock)
            self._left.clear()

    def remove(self) -> None:
        """Remove the file: all of it is at home.

        Raises:
            LocalError: the disk refuses.
        """
        with self._one, local_errors("remove the journal of edits", self.path):
            self._unlink()
        self.close()

    def _unlink(self) -> None:
        """Pulled out right behind it, a stick may have the name again, and would have what was noted last no more."""
        if not _is_there(self.path, self._lock):
            return  # it has another name by now, under which it is kept
        os.ftruncate(self._lock, 0)
        os.fsync(self._lock)
        self.path.unlink(missing_ok=True)
        fsync_directory(self.path.parent)


def folders(half: Path | None, directory: Path, key: bytes) -> list[Path]:
    """Where journals of a half may lie, the one that is liked best first.

    Args:
        half: the folder of the half; None where nothing may be written there.
        directory: where this computer keeps sealed things for the lineage.
        key: of the half; each has its own folder there.
    """
    # Keyed, so that the two halves of a pair do not meet on one computer, and the name tells nothing.
    name = hmac_sha256(key, b"gimmal edits v1 folder")[:16].hex()
    here = [half / EDITS_FOLDER] if half is not None else []
    return [*here, directory / "edits" / name]


def choose_folder(places: list[Path]) -> Path:
    """The first of some folders whose disk has room for a journal, else the last."""
    for place in places[:-1]:
        with contextlib.suppress(OSError):
            parent = place if place.is_dir() else place.parent
            state = os.statvfs(parent)
            free = state.f_bavail * (state.f_frsize or state.f_bsize)
            if free >= RESERVE + BEGIN_ROOM and os.access(parent, os.W_OK):
                return place
    return places[-1]


def left_over(places: list[Path]) -> list[Path]:
    """Journals that are there, whoever has them, oldest first."""
    found: list[tuple[float, Path]] = []
    for place in places:
        with contextlib.suppress(OSError):
            for entry in os.scandir(place):
                if _NAME.fullmatch(entry.name) and len(found) < FILES_MAX:
                    found.append((entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)))
    return [path for _time, path in sorted(found)]


def not_done(places: list[Path], key: bytes) -> list[str]:
    """Why the other side does not do what waits, as far as it was asked; else as `waiting_operations`."""
    reasons: dict[str, None] = {}
    for path in left_over(places):
        with contextlib.suppress(OSError, LocalError, ProtocolViolation):
            journal = JournalFile.look(path, key)
            try:
                reasons |= dict.fromkeys(journal.not_done.values())
            finally:
                journal.close()
    return list(reasons)


def waiting_operations(places: list[Path], key: bytes) -> list[Operation]:
    """What waits in all journals of a half, also in those that another process has; nothing is claimed.

    One that cannot be read, or is of another half, counts for nothing.
    """
    waiting: list[Operation] = []
    for path in left_over(places):
        with contextlib.suppress(OSError, LocalError, ProtocolViolation):
            journal = JournalFile.look(path, key)
            try:
                waiting += journal.pending.values()
            finally:
                journal.close()
    return waiting


def _seal_key(key: bytes) -> bytes:
    return hmac_sha256(key, b"gimmal edits v1 seal")


def _require_room(descriptor: int, length: int) -> None:
    state = os.fstatvfs(descriptor)
    if state.f_blocks and state.f_bavail * (state.f_frsize or state.f_bsize) < RESERVE + length:
        raise OSError(errno.ENOSPC, "no room is left for edits that wait for the other side")


def _begin_file(folder: Path, key: bytes, computer: str) -> tuple[Path, int, SealedJournal]:
    """A new file, the lock on it, and the journal in it; OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for _ in range(BEGIN_TRIES):
        path = folder / random_bytes(16).hex()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(path, flags, 0o600)
        try:
            journal = _begun(path, lock, key, computer)
        except BaseException:
            _discard(path, lock)
            raise
        if journal is not None:
            return path, lock, journal
        _discard(path, lock)
    raise OSError(errno.EBUSY, "others take each new journal of edits")


def _begun(path: Path, lock: int, key: bytes, computer: str) -> SealedJournal | None:
    """The journal in a new file; None where another process looked into it before it was locked, and may have it."""
    if not _take(lock):
        return None
    journal = SealedJournal.open(path, _seal_key(key), path.name.encode())
    try:
        journal.append(encode_record(Begun(computer[:256])))
        fsync_directory(path.parent)
        fsync_directory(path.parent.parent)
        if _is_there(path, lock):
            return journal
    except BaseException:
        journal.close()
        raise
    journal.close()
    return None


def _discard(path: Path, lock: int) -> None:
    os.close(lock)
    with contextlib.suppress(OSError):
        path.unlink()


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def _is_being_begun(lock: int) -> bool:
    """Whether it may be of a process that has just made it and did not get to lock it yet."""
    state = os.fstat(lock)
    return not state.st_size and time.time() - state.st_mtime < BEGIN_SECONDS


def _is_there(path: Path, lock: int) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    ours = os.fstat(lock)
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
