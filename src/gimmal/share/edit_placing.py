"""The end of an edit: its file gets time, mode, owner and its final name."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Attributes, Replace, Version
from gimmal.share.attributes import attributes_of, version_of
from gimmal.share.edit_file import EditFile
from gimmal.share.edit_spares import FORMER_MAX, Spare, exchange, is_nobodys, open_old
from gimmal.share.keeping import keeping_one
from gimmal.share.part import is_same
from gimmal.share.part_opening import access_to_write
from gimmal.share.places import Place, refuse_own
from gimmal.share.placing import mode_for, place_file, standing_file, sync_folder
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState


class DiskFailedError(OSError):
    """What was written may not have reached the disk, and may look whole from here: it must not be placed."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an edit ends; the fields are those of CommitEdit and OpenEdit."""

    replace: Replace
    expected: Version | None
    mtime_ns: int | None
    mode: int | None
    durable: bool
    keep: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that has its final name."""

    attributes: Attributes
    spare: Spare | None = None
    """The version it replaced, where the next edit may take it."""


def settle(state: SessionState, place: Place, ending: Ending, placed: Placed) -> None:
    """Make the name of a placed file durable, where that is asked.

    Only then may the next edit write to what the name meant before: a power cut could bring that back.

    Raises:
        OSError: the disk failed.
    """
    try:
        if ending.durable:
            sync_folder(place.root, place.names[:-1])
    except OSError:
        if placed.spare is not None:
            placed.spare.remove()
        raise
    if placed.spare is not None:
        state.edits.spares.keep(placed.spare)


def place_edit(state: SessionState, file: EditFile, begun: Place, place: Place, ending: Ending) -> Placed:
    """Give the file of an edit its final name; what comes next is `settle`.

    Args:
        state: of the session.
        file: what is placed; it stays open.
        begun: the place the edit was begun for, in whose folder the file lies.
        place: where it goes, in the same share.
        ending: how.

    Raises:
        RefusedError: something stands there that may not be replaced; UNKNOWN_PART, the file is gone.
        DiskFailedError: give the edit up.
        OSError: the system refuses; another try may succeed.
    """
    refuse_own(place, access_to_write(ending.replace))
    with begun.parent() as (own_folder, _name), place.parent() as (folder, final):
        if not is_same(file.descriptor, file.name, own_folder):
            raise RefusedError(Code.UNKNOWN_PART)
        standing = standing_file(place.share, folder, final, ending.replace, ending.expected)
        _set_attributes(state, file, standing, ending)
        if ending.durable:
            try:
                os.fsync(file.descriptor)
            except OSError as error:
                raise DiskFailedError(error.errno, error.strerror) from error
        if standing is not None and place == begun:
            placed = _exchange(file, place, folder, final, standing, ending)
            if placed is not None:
                return placed
        with keeping_one(state, place, folder, final, ending.keep) as keep:
            place_file(
                place.share,
                folder,
                file.name,
                final,
                ending.replace,
                ending.expected,
                source_folder=own_folder,
                keep=keep,
            )
        return Placed(attributes_of(os.fstat(file.descriptor)))


def _exchange(
    file: EditFile, place: Place, folder: int, final: bytes, standing: os.stat_result, ending: Ending
) -> Placed | None:
    """Place it and keep what stood there for the next edit; None where that cannot be, and nothing was done.

    Raises:
        RefusedError: CHANGED, another version stands there by now.
        OSError: the system refuses.
    """
    # Of what is not durable nobody knows when it is on the disk: then the old version must stay as it is.
    wanted = ending.durable and not ending.keep and ending.replace is Replace.EXPECTED
    base, changed = file.base, file.changed
    if not wanted or base is None or base != ending.expected or changed is None or len(file.base_former) >= FORMER_MAX:
        return None
    size = os.fstat(file.descriptor).st_size
    if sum(max(0, min(end, size) - start) for start, end in changed) > size // 2:
        return None  # bringing that over costs as much as copying
    old = open_old(final, folder, standing)
    if old is None:
        return None
    done: bool | None = None
    try:
        done = exchange(file.name, final, folder, old)
        if done is False:
            raise RefusedError(Code.CHANGED)
    finally:
        if not done:
            os.close(old)
    if done is None:
        return None
    attributes = attributes_of(os.fstat(file.descriptor))
    current = Version(attributes.identity, attributes.size, attributes.mtime_ns)
    spare = Spare(
        place, file.name, old, current, tuple(changed), file.base_former | {base}, file.former, time.monotonic()
    )
    if is_nobodys(old):
        return Placed(attributes, spare)
    spare.remove()
    return Placed(attributes)


def _set_attributes(state: SessionState, file: EditFile, standing: os.stat_result | None, ending: Ending) -> None:
    if standing is not None:
        _give_owner(file.descriptor, standing)
    os.fchmod(file.descriptor, mode_for(ending.mode, standing, state.new_file_mode))
    _set_time(file, time.time_ns() if ending.mtime_ns is None else ending.mtime_ns)


def _set_time(file: EditFile, mtime_ns: int) -> None:
    """Set the time of change, or the next later one with which the file is a version that it never was."""
    taken = {version.mtime_ns for version in file.former}
    while mtime_ns in taken:
        mtime_ns += 1
    os.utime(file.descriptor, ns=(mtime_ns, mtime_ns))
    step = 1
    while version_of(os.fstat(file.descriptor)) in file.former:
        # Disks keep times in steps of up to two seconds.
        mtime_ns, step = mtime_ns + step, 2 * step
        os.utime(file.descriptor, ns=(mtime_ns, mtime_ns))


def _give_owner(descriptor: int, standing: os.stat_result) -> None:
    """Let the file be whose the one before was, as far as this user may: the group is often allowed alone."""
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) == (standing.st_uid, standing.st_gid):
        return
    try:
        os.fchown(descriptor, standing.st_uid, standing.st_gid)
    except OSError:
        with contextlib.suppress(OSError):
            os.fchown(descriptor, -1, standing.st_gid)
