"""Trash, ListTrash, RestoreTrash and EmptyTrash (docs/spec/protocol.md, section 10)."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from gimmal.base.errors import BadName
from gimmal.base.paths import DEPTH_MAX, PATH_BYTES_MAX, local_name_to_wire
from gimmal.base.system_calls import rename_without_replacing
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import PAGE_BYTES_MAX, TRASH_ITEMS_MAX
from gimmal.protocol.messages import (
    EmptyTrash,
    ListTrash,
    RestoreTrash,
    Results,
    Trash,
    TrashEntry,
    TrashPage,
)
from gimmal.share.attributes import attributes_at
from gimmal.share.changing import make_folder
from gimmal.share.collisions import refuse_collision
from gimmal.share.places import Access, OpenShare, Place, holds_half, refuse_own
from gimmal.share.placing import sync_folder
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.shares import HALF_FOLDER
from gimmal.share.state import SessionState
from gimmal.share.trash_batches import (
    Names,
    batch_names,
    is_being_filled,
    items_in,
    opened_batch,
    opened_trash,
    read_note,
    remove_if_empty,
    sync_directory,
)
from gimmal.share.trash_names import EntryName, parse_entry_name, time_of_batch
from gimmal.share.trash_removing import destroy_marked, mark

_ENTRY_BYTES = 128
_ALL = 1 << 62


def answer_trash(state: SessionState, request: Trash) -> Results:
    """Move entries into the trash of their share, in order; a code for each."""
    codes = [0] * len(request.paths)
    found: dict[int, list[tuple[int, Place]]] = {}
    for number, path in enumerate(request.paths):
        with _noting(codes, number):
            place = state.places.find(path, Access.CHANGE)
            if not place.names:
                raise RefusedError(Code.NOT_GRANTED)
            found.setdefault(id(place.share), []).append((number, place))
    for places in found.values():
        _trash_of_one_share(state, places, codes)
    return Results(codes)


def _trash_of_one_share(state: SessionState, places: list[tuple[int, Place]], codes: list[int]) -> None:
    share = places[0][1].share
    root = share.root
    try:
        batch = state.trash.begin(share, [place.names for _number, place in places], state.clock())
    except RefusedError as refused:
        for number, _place in places:
            codes[number] = refused.code
        return
    except OSError as error:
        for number, _place in places:
            codes[number] = code_of(error)
        return
    try:
        for index, (number, place) in enumerate(places):
            with _noting(codes, number), place.parent() as (folder, name):
                if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                    _refuse_what_stays(state, place)
                batch.take(index, folder, name)
        batch.make_durable()
    finally:
        state.trash.end(share, batch)
    for above in {place.names[:-1] for number, place in places if not codes[number]}:
        with contextlib.suppress(OSError):  # a cut of power may then bring a name back: nothing is lost by that
            sync_folder(root, above)


def _refuse_what_stays(state: SessionState, place: Place) -> None:
    """Raise RefusedError where a folder holds a half, the folder of a share, or another disk."""
    shared = {(root.st_dev, root.st_ino) for root in (opened.root.stat(()) for opened in state.places)}
    device = place.stat().st_dev
    waiting = [place.names]
    while waiting:
        names = waiting.pop()
        if len(names) > DEPTH_MAX:
            raise RefusedError(Code.NAME_TOO_LONG)
        found = place.root.stat(names)
        if (found.st_dev, found.st_ino) in shared:
            raise RefusedError(Code.NOT_GRANTED)
        if found.st_dev != device:
            raise RefusedError(Code.CROSS_DEVICE)
        if names[-1].lower() == HALF_FOLDER and holds_half(place.root, names):
            raise RefusedError(Code.NOT_GRANTED)
        with place.root.directory(names) as descriptor, os.scandir(descriptor) as scan:
            waiting += [(*names, os.fsencode(entry.name)) for entry in scan if entry.is_dir(follow_symlinks=False)]


def answer_list_trash(state: SessionState, request: ListTrash) -> TrashPage:
    """A page of the entries of a share's trash, oldest first."""
    share = _share(state, request.share)
    after = _entry(request.after) if request.after else None
    entries: list[TrashEntry] = []
    room = PAGE_BYTES_MAX
    with opened_trash(share.root) as trash:
        if trash is None:
            return TrashPage([], False)
        for name in batch_names(trash):
            if after is not None and name < after.batch:
                continue
            for entry in _entries_of(trash, name, after.index if after is not None and name == after.batch else -1):
                room -= _ENTRY_BYTES + len(entry.path.encode()) + len(entry.attributes.target.encode())
                if room < 0 or len(entries) >= TRASH_ITEMS_MAX:
                    return TrashPage(entries, True)
                entries.append(entry)
    return TrashPage(entries, False)


def _entries_of(trash: int, name: bytes, after: int) -> list[TrashEntry]:
    entries: list[TrashEntry] = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), opened_batch(trash, name) as batch:
        found = [index for index in items_in(batch) if index > after]
        note = read_note(batch) if found else None
        for index in found:
            path = ""
            if note is not None and index < len(note.items):
                path = _wire_path(note.items[index])
            with contextlib.suppress(FileNotFoundError):
                attributes = attributes_at(b"%d" % index, batch)
                who = note.who if note is not None else ""
                entries.append(TrashEntry(str(EntryName(name, index)), path, attributes, time_of_batch(name), who))
    return entries


def answer_restore_trash(state: SessionState, request: RestoreTrash) -> Results:
    """Move entries back, in order; a code for each. Nothing is replaced."""
    share = _share(state, request.share)
    target: Place | None = None
    if request.target:
        if len(request.names) != 1:
            raise RefusedError(Code.INVALID)
        target = state.places.find(request.target, Access.CHANGE)
        if target.share is not share:
            raise RefusedError(Code.CROSS_DEVICE)

    def restore(trash: int, batch: int, entry: EntryName) -> None:
        os.stat(b"%d" % entry.index, dir_fd=batch, follow_symlinks=False)
        place = target
        if place is None:
            note = read_note(batch)
            if note is None or entry.index >= len(note.items):
                raise RefusedError(Code.INVALID)
            place = Place(share, note.items[entry.index])
            refuse_own(place, Access.CHANGE)
        _restore(place, batch, entry.index)

    return _each_entry(share, request.names, restore)


def _restore(place: Place, batch: int, index: int) -> None:
    for depth in range(1, len(place.names)):
        make_folder(Place(place.share, place.names[:depth]), exist_ok=True)
    with place.parent() as (folder, name):
        refuse_collision(place.share, folder, name)
        rename_without_replacing(b"%d" % index, name, batch, folder)
    sync_folder(place.root, place.names[:-1])


def answer_empty_trash(state: SessionState, request: EmptyTrash) -> Results:
    """Destroy entries; a code for each."""

    def empty(trash: int, batch: int, entry: EntryName) -> None:
        mark(batch, entry.index)
        destroy_marked(batch, _ALL)

    return _each_entry(_share(state, request.share), request.names, empty)


def _each_entry(share: OpenShare, names: Sequence[str], act: Callable[[int, int, EntryName], None]) -> Results:
    codes = [0] * len(names)
    touched: set[bytes] = set()
    with opened_trash(share.root) as trash:
        if trash is None:
            return Results([int(Code.NOT_FOUND)] * len(names))
        for number, text in enumerate(names):
            with _noting(codes, number):
                entry = _entry(text)
                with opened_batch(trash, entry.batch) as batch:
                    touched.add(entry.batch)
                    act(trash, batch, entry)
        for name in touched:
            with contextlib.suppress(OSError), opened_batch(trash, name) as batch:
                if not is_being_filled(batch):
                    remove_if_empty(trash, name, batch)
        with contextlib.suppress(OSError):
            sync_directory(trash)
    return Results(codes)


def _share(state: SessionState, path: str) -> OpenShare:
    place = state.places.find(path, Access.CHANGE)
    if place.names:
        raise RefusedError(Code.INVALID)
    return place.share


def _entry(text: str) -> EntryName:
    entry = parse_entry_name(text)
    if entry is None:
        raise RefusedError(Code.INVALID)
    return entry


def _wire_path(names: Names) -> str:
    try:
        path = "/".join(local_name_to_wire(name)[0] for name in names)
    except BadName:
        return ""
    return path if len(path.encode()) <= PATH_BYTES_MAX else ""


@contextlib.contextmanager
def _noting(codes: list[int], number: int) -> Iterator[None]:
    try:
        yield
    except RefusedError as refused:
        codes[number] = refused.code
    except OSError as error:
        codes[number] = code_of(error)
