"""OpenPart: begin an upload, or go on with one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat

from gimmal.base.sealed_journal import SealedJournal
from gimmal.protocol.codes import Code
from gimmal.protocol.data_blocks import DataBlocks, are_stretches
from gimmal.protocol.digest import block_count
from gimmal.protocol.limits import PART_BLOCKS_MAX, SPARSE_SIZE_MAX
from gimmal.protocol.messages import OpenPart, PartOpened, Replace
from gimmal.share.disk_traits import keeps_holes
from gimmal.share.holes import make_hole
from gimmal.share.part import Part, is_same
from gimmal.share.part_journals import PartJournals, verified_blocks
from gimmal.share.places import Access, Place
from gimmal.share.placing import standing_file
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState

_OPENING = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATING = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 8


def access_to_write(replace: Replace) -> Access:
    """What an upload needs: to create only, or also to replace."""
    return Access.CREATE if replace is Replace.NEVER else Access.CHANGE


def answer_open_part(state: SessionState, request: OpenPart) -> PartOpened:
    """An open part file, with the blocks that a former upload of the same source left and that are still true."""
    if (request.replace is Replace.EXPECTED) != (request.expected is not None):
        raise RefusedError(Code.INVALID)
    _check_data(request)
    place = state.places.find(request.path, access_to_write(request.replace))
    opened = state.parts.at(place)
    if opened is not None:
        number, part = opened
        if (part.request.source, part.size, part.request.data) == (request.source, request.size, request.data):
            part.request = request
            return _opened(number, part, request)
        part.remove_file()
        state.parts.drop(number, forget=True)
    state.parts.everyone.hold(place, state.parts)
    try:
        with place.parent() as (folder, final):
            standing_file(place.share, folder, final, request.replace, request.expected)
            part = _open(state.parts.everyone.journals, place, folder, final, request)
        try:
            number = state.parts.add(part)
        except RefusedError:
            part.close(forget=False)
            raise
    except (RefusedError, OSError):
        state.parts.everyone.release(place, state.parts)
        raise
    return _opened(number, part, request)


def _opened(number: int, part: Part, request: OpenPart) -> PartOpened:
    return PartOpened(number, part.blocks_from(request.first, PART_BLOCKS_MAX))


def _open(journals: PartJournals, place: Place, folder: int, final: bytes, request: OpenPart) -> Part:
    name = journals.part_name(final)
    for _ in range(_TRIES):
        descriptor = _existing(name, folder)
        if descriptor is None:
            with contextlib.suppress(FileExistsError):
                return _begin(journals, place, folder, name, request)
            continue
        try:
            part = _resume(journals, place, name, descriptor, folder, request)
        except BaseException:
            os.close(descriptor)
            raise
        if part is not None:
            return part
        # Of another source, or nothing is known of it.
        os.unlink(name, dir_fd=folder)
        os.close(descriptor)
    raise RefusedError(Code.LIMIT)


def _existing(name: bytes, folder: int) -> int | None:
    """A part file that is there, opened and locked; None where there is none."""
    try:
        state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1:
        os.unlink(name, dir_fd=folder)  # not of our making, or already placed: the name alone goes
        return None
    descriptor = os.open(name, _OPENING, dir_fd=folder)
    try:
        _lock(descriptor)
        if is_same(descriptor, name, folder):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise RefusedError(Code.LIMIT)  # placed or removed by another just now


def _resume(
    journals: PartJournals, place: Place, name: bytes, descriptor: int, folder: int, request: OpenPart
) -> Part | None:
    journal: SealedJournal | None = None
    with contextlib.suppress(OSError):  # a journal that cannot be read is none
        found = journals.resume(place, request.size, request.source)
        if found is not None:
            journal, digests = found
    if journal is None:
        return None
    try:
        _require_room(place, folder, descriptor, request)
        _make_holes(descriptor, request)
        blocks = DataBlocks(request.size, request.data)
        digests = {index: digest for index, digest in digests.items() if blocks.holds(index)}
        true = verified_blocks(descriptor, request.size, digests)
    except BaseException:
        journal.close()
        raise
    return Part(place, name, descriptor, request, journal, true)


def _begin(journals: PartJournals, place: Place, folder: int, name: bytes, request: OpenPart) -> Part:
    descriptor = os.open(name, _CREATING, 0o600, dir_fd=folder)
    try:
        _lock(descriptor)
        _require_room(place, folder, descriptor, request)
        _make_holes(descriptor, request)
    except BaseException:
        os.unlink(name, dir_fd=folder)
        os.close(descriptor)
        raise
    journal: SealedJournal | None = None
    with contextlib.suppress(OSError):  # no room for notes: an interruption will send all again
        journal = journals.begin(place, request.size, request.source)
    return Part(place, name, descriptor, request, journal, {})


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RefusedError(Code.LIMIT) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL):
            raise


def _check_data(request: OpenPart) -> None:
    if request.data is None:
        return
    if request.size > SPARSE_SIZE_MAX:
        raise RefusedError(Code.TOO_LARGE)
    if not are_stretches(request.data, block_count(request.size)):
        raise RefusedError(Code.INVALID)


def _make_holes(descriptor: int, request: OpenPart) -> None:
    """Give a sparse part its size, and let what holds no data be holes, whatever a former upload left there."""
    if request.data is None:
        return
    if os.fstat(descriptor).st_size != request.size:
        os.ftruncate(descriptor, request.size)
    for offset, length in DataBlocks(request.size, request.data).holes():
        make_hole(descriptor, offset, length)


def _require_room(place: Place, folder: int, descriptor: int, request: OpenPart) -> None:
    """Say at once what would fail at the end."""
    if request.data is not None and keeps_holes(place.share, folder):
        return  # what it will take is not known: its blocks may be holes for the most part
    room = os.fstatvfs(descriptor)
    free = (room.f_bavail if os.geteuid() else room.f_bfree) * (room.f_frsize or room.f_bsize)
    if room.f_blocks and request.size - os.fstat(descriptor).st_blocks * 512 > free:
        raise RefusedError(Code.NO_SPACE)
