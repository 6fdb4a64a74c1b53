"""The file of an edit: begun as a copy of what stands, then written over, under a name nobody sees.

An edit never touches the file that stands: whatever is cut short, the name holds the old file or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence

from gimmal.base.beneath import open_regular
from gimmal.base.primitives import blake3_digest, equal
from gimmal.base.system_calls import clone_file
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import SPARSE_SIZE_MAX
from gimmal.protocol.messages import Extent, Replace, Version
from gimmal.share.attributes import is_same_version, version_of
from gimmal.share.byte_copying import copy_bytes
from gimmal.share.edit_spares import STRETCHES_MAX, EditSpares, Stretch
from gimmal.share.holes import data_stretches
from gimmal.share.part import is_same
from gimmal.share.places import Place
from gimmal.share.placing import standing_file
from gimmal.share.refused import RefusedError
from gimmal.share.temporary import create_temporary, remove_temporary

_KEPT_ATTRIBUTES = ("user.", "system.posix_acl_access")
"""What is taken over of a base's extended attributes: those of people, and who else may read or write it."""


class EditFile:
    """One, open. `write`, `read` and `truncate` may be called by several threads at a time, not while it is closed.

    Args:
        name: its own, in the folder of the final one.
        descriptor: closed by `close`.
        base: the version whose bytes it began with.
        former: versions that this very file was under the final name before; it must never be one of them again.
    """

    def __init__(
        self,
        name: bytes,
        descriptor: int,
        base: Version | None = None,
        former: frozenset[Version] = frozenset(),
        base_former: frozenset[Version] = frozenset(),
    ) -> None:
        self.name = name
        self.descriptor = descriptor
        self.base = base
        self.former = former
        self.base_former = base_former
        """The same of the file that is the base."""
        self.changed: list[Stretch] | None = None
        """Where it may differ from its base; None where nobody needs to know."""

    def note(self, start: int, end: int) -> None:
        """Bytes from ``start`` to before ``end`` are about to differ from the base."""
        changed = self.changed  # several threads may be here
        if changed is not None:
            if len(changed) < STRETCHES_MAX:
                changed.append((start, end))
            else:
                self.changed = None

    def write(self, ranges: Sequence[Extent], data: bytes, digest: bytes) -> None:
        """Write over stretches, in their order; ranges and bytes are checked before anything is written.

        Raises:
            RefusedError: INVALID, the ranges are not those of the bytes; CORRUPT; TOO_LARGE.
            OSError: the disk failed; some of it may be written.
        """
        check_ranges(ranges, data, digest)
        rest = memoryview(data)
        for offset, length in ranges:
            self.note(offset, offset + length)
            _write_all(self.descriptor, rest[:length], offset)
            rest = rest[length:]

    def read(self, offset: int, length: int) -> bytes:
        """What it holds, fewer bytes where it ends.

        Raises:
            OSError: the disk failed.
        """
        if offset >= SPARSE_SIZE_MAX:
            return b""
        pieces: list[bytes] = []
        while length and (piece := os.pread(self.descriptor, length, offset)):
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return b"".join(pieces)

    def truncate(self, size: int) -> None:
        """Give it another size; what is added is zeros.

        Raises:
            RefusedError: TOO_LARGE.
            OSError: the disk failed.
        """
        if size > SPARSE_SIZE_MAX:
            raise RefusedError(Code.TOO_LARGE)
        self.note(min(size, os.fstat(self.descriptor).st_size), SPARSE_SIZE_MAX)
        os.ftruncate(self.descriptor, size)

    def remove(self, place: Place) -> None:
        """Remove it, if it is still this one that has its name, and close it.

        Args:
            place: final place.
        """
        with contextlib.suppress(OSError, RefusedError), place.parent() as (folder, _final):
            if is_same(self.descriptor, self.name, folder):
                os.unlink(self.name, dir_fd=folder)
        self.close()

    def close(self) -> None:
        """Let go of it; the file itself stays."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def check_ranges(ranges: Sequence[Extent], data: bytes, digest: bytes) -> None:
    """Raise RefusedError (INVALID, TOO_LARGE, CORRUPT) unless these are the bytes of these ranges."""
    if not all(length for _offset, length in ranges) or sum(length for _offset, length in ranges) != len(data):
        raise RefusedError(Code.INVALID)
    if any(offset + length > SPARSE_SIZE_MAX for offset, length in ranges):
        raise RefusedError(Code.TOO_LARGE)
    if not equal(blake3_digest(data), digest):
        raise RefusedError(Code.CORRUPT)


def check_beginning(path: str, base: Version | None, kept: int, size: int, replace: Replace) -> None:
    """Raise RefusedError (INVALID, TOO_LARGE) unless an edit can begin so (docs/spec/protocol.md, section 12)."""
    if not path or kept > (base.size if base is not None else 0) or kept > size:
        raise RefusedError(Code.INVALID)
    if (replace is Replace.EXPECTED and base is None) or (replace is Replace.NEVER and base is not None):
        raise RefusedError(Code.INVALID)
    if size > SPARSE_SIZE_MAX:
        raise RefusedError(Code.TOO_LARGE)


def begin_file(
    place: Place, base: Version | None, kept: int, size: int, replace: Replace, spares: EditSpares
) -> EditFile:
    """A file that begins with the first ``kept`` bytes of the base, all else zeros up to ``size``.

    Args:
        place: final place.
        base: the version that must stand there; None where none is taken over.
        kept, size: in bytes, checked by `check_beginning`.
        replace: what the commit may replace; looked at now too, to say at once what would fail at the end.
        spares: of the session.

    Raises:
        RefusedError: CHANGED, another version stands there or it changed meanwhile; as `standing_file`; NO_SPACE.
        OSError: the disk failed.
    """
    with place.parent() as (folder, final):
        standing_file(place.share, folder, final, replace, base if replace is Replace.EXPECTED else None)
        if base is None:
            return _sized(_empty(folder), folder, size)
        try:
            source, found = open_regular(final, folder)
        except FileNotFoundError:
            raise RefusedError(Code.CHANGED) from None
        try:
            if version_of(found) != base:
                raise RefusedError(Code.CHANGED)
            file = _of_spare(place, folder, source, base, spares) or _copied(folder, source, found, base, kept)
            if not is_same_version(os.fstat(source), found):
                _drop(file, folder)
                raise RefusedError(Code.CHANGED)
            return _sized(file, folder, size, kept)
        finally:
            os.close(source)


def _empty(folder: int) -> EditFile:
    return EditFile(*create_temporary(folder, held=True))


def _drop(file: EditFile, folder: int) -> None:
    file.close()
    remove_temporary(file.name, folder)


def _sized(file: EditFile, folder: int, size: int, kept: int | None = None) -> EditFile:
    try:
        if kept is not None and os.fstat(file.descriptor).st_size > kept:
            file.truncate(kept)
        if os.fstat(file.descriptor).st_size != size:
            file.truncate(size)
    except BaseException:
        _drop(file, folder)
        raise
    return file


def _copied(folder: int, source: int, found: os.stat_result, base: Version, kept: int) -> EditFile:
    """A new file with at least the first ``kept`` bytes of the base."""
    file = _empty(folder)
    try:
        file.base = base
        if not _take_bytes(source, file.descriptor, found, kept):
            file.changed = []  # the next one need not be copied whole
            if kept < base.size:
                file.note(kept, SPARSE_SIZE_MAX)
        _take_attributes(source, file.descriptor)
    except BaseException:
        _drop(file, folder)
        raise
    return file


def _of_spare(place: Place, folder: int, source: int, base: Version, spares: EditSpares) -> EditFile | None:
    """The spare of the file, made what the base is; None where there is none that can be."""
    spare = spares.take(place, base)
    if spare is None:
        return None
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(spare.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_same(spare.descriptor, spare.name, folder):
            for start, end in spare.differing:
                copy_bytes(source, spare.descriptor, start, min(end, base.size))
            os.ftruncate(spare.descriptor, base.size)
            _take_attributes(source, spare.descriptor)
            file = EditFile(spare.name, spare.descriptor, base, spare.former, spare.current_former)
            file.changed = []
            return file
    except (OSError, RefusedError):
        pass  # copied whole, it may fit or not
    spare.remove()
    return None


def _take_bytes(source: int, target: int, found: os.stat_result, kept: int) -> bool:
    """Give a file the first bytes of its base; whether the two share them."""
    if not kept:
        return False
    if clone_file(source, target):
        return True
    room = os.fstatvfs(target)
    free = (room.f_bavail if os.geteuid() else room.f_bfree) * (room.f_frsize or room.f_bsize)
    if room.f_blocks and min(kept, found.st_blocks * 512) > free:
        raise RefusedError(Code.NO_SPACE)
    for start, end in data_stretches(source, 0, kept, 1):
        copy_bytes(source, target, start, end)
    if os.fstat(target).st_size != kept:
        os.ftruncate(target, kept)
    return False


def _take_attributes(source: int, target: int) -> None:
    """Give a file the extended attributes of its base, as far as the disk takes them: they are not worth the edit."""
    names = _kept_attributes(source)
    for name in _kept_attributes(target) - names:
        with contextlib.suppress(OSError):
            os.removexattr(target, name)
    for name in names:
        with contextlib.suppress(OSError):
            os.setxattr(target, name, os.getxattr(source, name))


def _kept_attributes(descriptor: int) -> set[str]:
    try:
        return {name for name in os.listxattr(descriptor) if name.startswith(_KEPT_ATTRIBUTES)}
    except OSError:
        return set()


def _write_all(descriptor: int, view: memoryview, place: int) -> None:
    while view:
        count = os.pwrite(descriptor, view, place)
        place += count
        view = view[count:]
