"""Batches: what requests put into a trash within minutes, and the note on it.

A note is durable before the first entry is moved, so that whatever lies in a trash can be told where it was. Each
entry is moved by one rename to a name that nothing has: it is at its old place or here, at any instant.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gimmal.base.beneath import Root, check_name, open_regular
from gimmal.base.errors import BadName
from gimmal.base.system_calls import rename_without_replacing
from gimmal.protocol.codes import Code
from gimmal.share.refused import RefusedError
from gimmal.share.temporary import write_whole
from gimmal.share.trash_names import (
    NOTE,
    TRASH_FOLDER,
    is_batch_name,
    is_item_name,
    new_batch_name,
    new_gone_name,
)

BATCHES_MAX = 100_000
"""Batches in one trash."""

NOTE_BYTES_MAX = 16 << 20
"""A request of 1 MiB makes no larger one."""

LONGER_NOTE_MAX = 1 << 20
"""Bytes of a note that is written anew for one more request."""

_VERSION = 1
_WHO_MAX = 256
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)

Names = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of the entries of a batch; ``items`` are local names from the share's root down."""

    who: str
    items: tuple[Names, ...]


class Batch:
    """A batch being filled; close it. Its folder is locked meanwhile, so that nobody takes it for an empty one.

    Entries are meant by their number in the request that fills it now.

    Attributes:
        items: of all requests that filled it, as the note has them.
        since: when it was begun, seconds since 1970.
    """

    def __init__(
        self, trash: int, name: bytes, descriptor: int, items: tuple[Names, ...], since: float, first: int = 0
    ) -> None:
        self.name = name
        self.items = items
        self.since = since
        self._first = first
        self._trash = trash
        self._descriptor = descriptor

    def _entry(self, index: int) -> bytes:
        return b"%d" % (self._first + index)

    def take(self, index: int, folder: int, name: bytes) -> None:
        """Move an entry here; EXDEV where it lies on another disk."""
        rename_without_replacing(name, self._entry(index), folder, self._descriptor)

    def link(self, index: int, folder: int, name: bytes) -> None:
        """Let a file be here too, under its old name still; an error of the system where its disk has no such links."""
        os.link(name, self._entry(index), src_dir_fd=folder, dst_dir_fd=self._descriptor, follow_symlinks=False)

    def holds(self, index: int) -> os.stat_result | None:
        """State of an entry that is here."""
        try:
            return os.stat(self._entry(index), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def drop(self, index: int) -> None:
        """Undo `link`."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._entry(index), dir_fd=self._descriptor)

    def make_durable(self) -> None:
        """What is here stays here through a power cut."""
        sync_directory(self._descriptor)

    def close(self) -> bool:
        """Let go of it; one that came to nothing is removed. Whether it stays."""
        if self._descriptor < 0:
            return False
        removed = False
        with contextlib.suppress(OSError):
            removed = remove_if_empty(self._trash, self.name, self._descriptor)
        os.close(self._descriptor)
        os.close(self._trash)
        self._descriptor = self._trash = -1
        return not removed


def begin_batch(root: Root, items: Sequence[Names], who: str, now: float) -> Batch:
    """A new batch in the trash of a share, its note durable; the trash is made where it is missing.

    Args:
        root: the share's folder.
        items: local names of what is to come here.
        who: shown to people.
        now: seconds since 1970.

    Raises:
        RefusedError: LIMIT.
        OSError: the disk refuses.
    """
    with contextlib.suppress(FileExistsError):
        root.make_directory((TRASH_FOLDER,), 0o700)
        with root.directory(()) as above:
            sync_directory(above)
    trash = root.open_directory((TRASH_FOLDER,))
    try:
        _refuse_too_many(trash)
        while True:
            name = new_batch_name(now)
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=trash)
                break
        descriptor = os.open(name, _FOLDER, dir_fd=trash)
    except BaseException:
        os.close(trash)
        raise
    batch = Batch(trash, name, descriptor, tuple(items), now)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_new(descriptor, NOTE, _note_bytes(items, who))
        sync_directory(descriptor)
        sync_directory(trash)
    except BaseException:
        batch.close()
        raise
    return batch


def continue_batch(
    root: Root, name: bytes, before: tuple[Names, ...], items: Sequence[Names], who: str, since: float
) -> Batch | None:
    """A batch of this program filled further, its longer note durable; None where another has to be begun.

    Args:
        root: the share's folder.
        name: of the batch.
        before: what its note names already.
        items: local names of what is to come, behind those.
        who: shown to people.
        since: when it was begun, seconds since 1970.

    Raises:
        OSError: the disk refuses, or it is gone.
    """
    data = _note_bytes((*before, *items), who)
    if len(data) > LONGER_NOTE_MAX:
        return None
    trash = root.open_directory((TRASH_FOLDER,))
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=trash)
    except BaseException:
        os.close(trash)
        raise
    batch = Batch(trash, name, descriptor, (*before, *items), since, len(before))
    try:
        if is_being_filled(descriptor):
            os.close(descriptor)
            os.close(trash)
            return None
        # Whoever empties it looks at the lock first; it may have been just before this.
        os.stat(NOTE, dir_fd=descriptor, follow_symlinks=False)
        longer = new_gone_name()
        write_new(descriptor, longer, data)
        os.rename(longer, NOTE, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        sync_directory(descriptor)
    except BaseException:
        batch.close()
        raise
    return batch


@contextlib.contextmanager
def opened_trash(root: Root) -> Iterator[int | None]:
    """Descriptor of the trash of a share; None where there is none."""
    try:
        trash = root.open_directory((TRASH_FOLDER,))
    except FileNotFoundError:
        yield None
        return
    try:
        yield trash
    finally:
        os.close(trash)


@contextlib.contextmanager
def opened_batch(trash: int, name: bytes) -> Iterator[int]:
    """Descriptor of a batch; FileNotFoundError where there is none of the name."""
    descriptor = os.open(name, _FOLDER, dir_fd=trash)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def batch_names(trash: int) -> list[bytes]:
    """All batches of a trash, oldest first."""
    return sorted(name for name in _names_in(trash) if is_batch_name(name))


def items_in(batch: int) -> list[int]:
    """Places of the entries that are in a batch."""
    return sorted(int(name) for name in _names_in(batch) if is_item_name(name))


def read_note(batch: int) -> Note | None:
    """The note of a batch; None where it is missing or is not one of ours."""
    data = read_bounded(NOTE, batch)
    return _parse_note(data) if data is not None else None


def read_bounded(name: bytes, folder: int) -> bytes | None:
    """The content of a file; None where there is none, or it is longer than any of ours."""
    try:
        descriptor, state = open_regular(name, folder)
    except OSError:
        return None
    try:
        if state.st_size > NOTE_BYTES_MAX:
            return None
        data = b""
        while len(data) < state.st_size and (more := os.pread(descriptor, state.st_size - len(data), len(data))):
            data += more
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return data


def remove_if_empty(trash: int, name: bytes, batch: int) -> bool:
    """Remove a batch that holds at most its note; False where it holds more, or somebody is filling it."""
    if any(found != NOTE for found in _names_in(batch)):
        return False
    with contextlib.suppress(FileNotFoundError):
        os.unlink(NOTE, dir_fd=batch)
    os.rmdir(name, dir_fd=trash)
    return True


def is_being_filled(batch: int) -> bool:
    """Whether somebody holds a batch locked, for it is not full yet."""
    try:
        fcntl.flock(batch, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a disk without locks
    return False


def sync_directory(descriptor: int) -> None:
    """Make the names in a folder durable, where its file system has the notion."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def write_new(folder: int, name: bytes, data: bytes) -> None:
    """A new file of gimmal's own, durable but for its name."""
    descriptor = os.open(name, _CREATING, 0o600, dir_fd=folder)
    try:
        write_whole(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _names_in(descriptor: int) -> list[bytes]:
    with os.scandir(descriptor) as scan:
        return [os.fsencode(entry.name) for entry in scan]


def _refuse_too_many(trash: int) -> None:
    # Most file systems count a folder's folders in its links; what they say is enough where it is little.
    links = os.fstat(trash).st_nlink
    if 2 <= links < BATCHES_MAX:
        return
    if len(_names_in(trash)) >= BATCHES_MAX:
        raise RefusedError(Code.LIMIT)


def _note_bytes(items: Sequence[Names], who: str) -> bytes:
    value = {
        "version": _VERSION,
        "who": who[:_WHO_MAX],
        "items": [[name.decode("utf-8", "surrogateescape") for name in names] for names in items],
    }
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _parse_note(data: bytes) -> Note | None:
    try:
        value = json.loads(data)
        if value["version"] != _VERSION or not isinstance(value["who"], str):
            return None
        items = tuple(tuple(name.encode("utf-8", "surrogateescape") for name in names) for names in value["items"])
        for names in items:
            for name in names:
                check_name(name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BadName):
        return None
    return Note(value["who"][:_WHO_MAX], items)
