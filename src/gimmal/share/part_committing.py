"""Commit and Discard: the end of an upload."""

from __future__ import annotations

import os

from gimmal.base.primitives import equal
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import file_digest
from gimmal.protocol.messages import Commit, Discard, Done, Found
from gimmal.share.attributes import attributes_of
from gimmal.share.keeping import keeping_one
from gimmal.share.part import Part, is_same
from gimmal.share.part_opening import access_to_write
from gimmal.share.places import refuse_own
from gimmal.share.placing import mode_for, place_file, standing_file, sync_folder
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState
from gimmal.share.xattrs import check_xattrs, write_xattrs


def answer_commit(state: SessionState, request: Commit) -> Found:
    """Verify, set time and mode, make durable, give the final name.

    INVALID where blocks are missing; CORRUPT where the digest is another, and then the part file is removed, for
    going on with it would end the same way. Any other refusal leaves it for another try.
    """
    part = state.parts.get(request.part)
    check_xattrs(request.xattrs)
    with part.finishing() as descriptor:
        _verify(state, request, part, descriptor)
        refuse_own(part.place, access_to_write(part.request.replace))
        whole = _place(state, request, part, descriptor)
        state.parts.drop(request.part, forget=True)
        if request.durable:
            sync_folder(part.place.root, part.place.names[:-1])
        return Found(attributes_of(os.fstat(descriptor)), not whole)


def answer_discard(state: SessionState, request: Discard) -> Done:
    """Give up a part file, and remove it unless it is to be gone on with another time."""
    part = state.parts.get(request.part)
    if request.remove:
        part.remove_file()
    state.parts.drop(request.part, forget=request.remove)
    return Done()


def _verify(state: SessionState, request: Commit, part: Part, descriptor: int) -> None:
    digests = part.all_digests()
    if not equal(file_digest(part.size, digests), request.digest) or os.fstat(descriptor).st_size != part.size:
        _give_up(state, request, part)
        raise RefusedError(Code.CORRUPT)


def _place(state: SessionState, request: Commit, part: Part, descriptor: int) -> bool:
    """Place the file; False where it lacks extended attributes that came."""
    opened = part.request
    with part.place.parent() as (folder, final):
        if not is_same(descriptor, part.name, folder):
            state.parts.drop(request.part, forget=True)
            raise RefusedError(Code.UNKNOWN_PART)
        standing = standing_file(part.place.share, folder, final, opened.replace, opened.expected)
        whole = write_xattrs(descriptor, request.xattrs)
        os.fchmod(descriptor, mode_for(request.mode, standing, state.new_file_mode))
        os.utime(descriptor, ns=(request.mtime_ns, request.mtime_ns))
        if request.durable:
            try:
                os.fsync(descriptor)
            except OSError:
                # What did not reach the disk may still look whole from here: never go on with it.
                _give_up(state, request, part)
                raise
        with keeping_one(state, part.place, folder, final, request.keep) as keep:
            place_file(part.place.share, folder, part.name, final, opened.replace, opened.expected, keep=keep)
    return whole


def _give_up(state: SessionState, request: Commit, part: Part) -> None:
    part.remove_file()
    state.parts.drop(request.part, forget=True)
