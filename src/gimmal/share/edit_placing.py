"""The end of an edit: its file gets time, mode, owner and its final name."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Attributes, Replace, Version
from gimmal.share.attributes import attributes_of
from gimmal.share.edit_file import EditFile
from gimmal.share.keeping import keeping_one
from gimmal.share.part import is_same
from gimmal.share.part_opening import access_to_write
from gimmal.share.places import Place, refuse_own
from gimmal.share.placing import mode_for, place_file, standing_file
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


def place_edit(state: SessionState, file: EditFile, begun: Place, place: Place, ending: Ending) -> Attributes:
    """Give the file of an edit its final name. With ``durable`` the caller syncs the folder once this has returned.

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
        _set_attributes(state, file.descriptor, standing, ending)
        if ending.durable:
            try:
                os.fsync(file.descriptor)
            except OSError as error:
                raise DiskFailedError(error.errno, error.strerror) from error
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
        return attributes_of(os.fstat(file.descriptor))


def _set_attributes(state: SessionState, descriptor: int, standing: os.stat_result | None, ending: Ending) -> None:
    if standing is not None:
        _give_owner(descriptor, standing)
    os.fchmod(descriptor, mode_for(ending.mode, standing, state.new_file_mode))
    mtime_ns = time.time_ns() if ending.mtime_ns is None else ending.mtime_ns
    os.utime(descriptor, ns=(mtime_ns, mtime_ns))


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
