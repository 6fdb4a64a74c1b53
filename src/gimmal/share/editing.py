"""OpenEdit, WriteEdit, ReadEdit, TruncateEdit, CommitEdit, DiscardEdit and QuickEdit."""

from __future__ import annotations

from gimmal.base.primitives import blake3_digest
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    CommitEdit,
    DiscardEdit,
    Done,
    EditOpened,
    EditRead,
    Found,
    OpenEdit,
    QuickEdit,
    ReadEdit,
    Replace,
    TruncateEdit,
    Version,
    WriteEdit,
)
from gimmal.share.edit import Edit
from gimmal.share.edit_file import begin_file, check_beginning, check_ranges
from gimmal.share.edit_placing import DiskFailedError, Ending, place_edit, settle
from gimmal.share.part_opening import access_to_write
from gimmal.share.places import Access, Place
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState


def answer_open_edit(state: SessionState, request: OpenEdit) -> EditOpened:
    """Begin an edit; copying what it keeps may take as long as that is large."""
    place = _place_of(state, request)
    state.edits.check_room()
    file = begin_file(place, request.base, request.kept, request.size, request.replace, state.edits.spares)
    try:
        edit = Edit(request.path, place, request.replace, request.base, file, state.edits.spares)
        return EditOpened(state.edits.add(edit))
    except RefusedError:
        file.remove(place)
        raise


def answer_write_edit(state: SessionState, request: WriteEdit) -> Done:
    """Write over stretches."""
    with state.edits.get(request.edit).using() as file:
        file.write(request.ranges, request.data, request.digest)
    return Done()


def answer_read_edit(state: SessionState, request: ReadEdit) -> EditRead:
    """What an edit holds."""
    edit = state.edits.get(request.edit)
    if not edit.place.share.grants(Access.LOOK):
        raise RefusedError(Code.NOT_GRANTED)
    with edit.using() as file:
        data = file.read(request.offset, request.length)
    return EditRead(data, blake3_digest(data))


def answer_truncate_edit(state: SessionState, request: TruncateEdit) -> Done:
    """Give an edit another size."""
    with state.edits.get(request.edit).using() as file:
        file.truncate(request.size)
    return Done()


def answer_commit_edit(state: SessionState, request: CommitEdit) -> Found:
    """Place an edit; where that is refused it stays open for another try."""
    edit = state.edits.get(request.edit)
    if request.path and request.keep_open:
        raise RefusedError(Code.INVALID)
    place, replace, expected = edit.place, edit.replace, edit.base if edit.replace is Replace.EXPECTED else None
    if request.path:
        place, replace, expected = state.places.find(request.path, Access.CREATE), Replace.NEVER, None
        if place.share is not edit.place.share:
            raise RefusedError(Code.CROSS_DEVICE)
    ending = Ending(replace, expected, request.mtime_ns, request.mode, request.durable, request.keep)
    with edit.alone() as file:
        try:
            placed = place_edit(state, file, edit.place, place, ending)
        except DiskFailedError:
            state.edits.drop(request.edit, placed=False)
            raise
        if request.keep_open:
            attributes = placed.attributes
            edit.rest(Version(attributes.identity, attributes.size, attributes.mtime_ns))
        else:
            state.edits.drop(request.edit, placed=True)
        settle(state, place, ending, placed)
    return Found(placed.attributes)


def answer_discard_edit(state: SessionState, request: DiscardEdit) -> Done:
    """Give an edit up."""
    state.edits.get(request.edit).give_up()
    state.edits.drop(request.edit, placed=False)
    return Done()


def answer_quick_edit(state: SessionState, request: QuickEdit) -> Found:
    """Begin, write and place at once: the usual save, in one round trip."""
    place = _place_of(state, request)
    check_ranges(request.ranges, request.data, request.digest)
    if any(offset + length > request.size for offset, length in request.ranges):
        raise RefusedError(Code.INVALID)
    expected = request.base if request.replace is Replace.EXPECTED else None
    ending = Ending(request.replace, expected, request.mtime_ns, request.mode, request.durable, request.keep)
    file = begin_file(place, request.base, request.kept, request.size, request.replace, state.edits.spares)
    try:
        file.write(request.ranges, request.data, request.digest)
        placed = place_edit(state, file, place, place, ending)
    except BaseException:
        file.remove(place)
        raise
    file.close()
    settle(state, place, ending, placed)
    return Found(placed.attributes)


def _place_of(state: SessionState, request: OpenEdit | QuickEdit) -> Place:
    check_beginning(request.path, request.base, request.kept, request.size, request.replace)
    return state.places.find(request.path, access_to_write(request.replace))
