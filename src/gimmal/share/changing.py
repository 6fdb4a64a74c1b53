"""MakeDirectories, RemoveMany, Rename and SetAttributes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable
from typing import TypeVar

from gimmal.protocol.codes import Code
from gimmal.protocol.messages import (
    Done,
    FolderTimes,
    MakeDirectories,
    RemoveMany,
    Rename,
    Replace,
    Results,
    SetAttributes,
)
from gimmal.share.attributes import PERMISSION_BITS
from gimmal.share.collisions import is_respelling, refuse_collision
from gimmal.share.places import Access, Place, holds_half, is_part_name
from gimmal.share.placing import place_file
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.shares import HALF_FOLDER
from gimmal.share.stale_parts import remove_if_unheld
from gimmal.share.state import SessionState
from gimmal.share.xattrs import check_xattrs, write_xattrs

ItemT = TypeVar("ItemT")

_PARTS_LOOKED_AT = 256


def answer_make_directories(state: SessionState, request: MakeDirectories) -> Results:
    """Make folders, in order; a code for each."""
    return code_of_each(request.paths, lambda path: _make(state, request, path))


def answer_remove_many(state: SessionState, request: RemoveMany) -> Results:
    """Remove files, links and empty folders, in order; a code for each."""
    return code_of_each(request.paths, lambda path: _remove(state.places.find(path, Access.CHANGE)))


def answer_set_attributes(state: SessionState, request: SetAttributes) -> Results:
    """Set times and modes, in order; a code for each."""
    return code_of_each(request.items, lambda item: _set(state, item))


def answer_rename(state: SessionState, request: Rename) -> Done:
    """Move an entry within one share; a file may replace a file, a folder nothing."""
    if (request.replace is Replace.EXPECTED) != (request.expected is not None):
        raise RefusedError(Code.INVALID)
    source = state.places.find(request.source, Access.CHANGE)
    target = state.places.find(request.target, Access.CHANGE)
    if source.share is not target.share:
        raise RefusedError(Code.CROSS_DEVICE)
    if source.names == target.names[: len(source.names)] and len(target.names) > len(source.names):
        raise RefusedError(Code.INVALID)
    with source.parent() as (source_folder, old), target.parent() as (target_folder, new):
        found = os.stat(old, dir_fd=source_folder, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            _refuse_making_a_half(source, new)
        if source.names == target.names:
            return Done()
        if source.names[:-1] == target.names[:-1] and is_respelling(target_folder, old, new):
            os.rename(old, new, src_dir_fd=source_folder, dst_dir_fd=target_folder)
            return Done()
        refuse_collision(target.share, target_folder, new)
        replace = request.replace if stat.S_ISREG(found.st_mode) else Replace.NEVER
        place_file(target.share, target_folder, old, new, replace, request.expected, source_folder=source_folder)
    return Done()


def _make(state: SessionState, request: MakeDirectories, path: str) -> None:
    place = state.places.find(path, Access.CREATE)
    if not place.names:
        if not (request.exist_ok or request.parents):
            raise RefusedError(Code.EXISTS)
        return
    try:
        made = make_folder(place, exist_ok=request.exist_ok)
    except FileNotFoundError:
        if not request.parents:
            raise
        for depth in range(1, len(place.names)):
            make_folder(Place(place.share, place.names[:depth]), exist_ok=True)
        made = make_folder(place, exist_ok=request.exist_ok)
    if made and request.mode is not None:
        place.root.set_attributes(place.names, None, request.mode & PERMISSION_BITS)


def make_folder(place: Place, *, exist_ok: bool) -> bool:
    """Make one folder; False where it is there and may be."""
    with place.parent() as (folder, name):
        refuse_collision(place.share, folder, name)
        try:
            os.mkdir(name, 0o777, dir_fd=folder)
        except FileExistsError:
            state = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if exist_ok and stat.S_ISDIR(state.st_mode):
                return False
            raise
    return True


def _remove(place: Place) -> None:
    with place.parent() as (folder, name):
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            return
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError:
            # What is left may be part files, which nobody sees.
            if not _only_parts_removed(place):
                raise
            os.rmdir(name, dir_fd=folder)


def _only_parts_removed(place: Place) -> bool:
    with contextlib.suppress(OSError), place.root.directory(place.names) as descriptor:
        with os.scandir(descriptor) as scan:
            names = [os.fsencode(entry.name) for _, entry in zip(range(_PARTS_LOOKED_AT), scan, strict=False)]
        if names and all(map(is_part_name, names)):
            return all(remove_if_unheld(name, descriptor) for name in names)
    return False


def _set(state: SessionState, item: FolderTimes) -> None:
    place = state.places.find(item.path, Access.CHANGE)
    if not place.names:
        raise RefusedError(Code.NOT_GRANTED)
    mode = None if item.mode is None else item.mode & PERMISSION_BITS
    check_xattrs(item.xattrs)
    kept = True

    def write(entry: str, _state: os.stat_result) -> None:
        nonlocal kept
        kept = write_xattrs(entry, item.xattrs)

    place.root.set_attributes(place.names, item.mtime_ns, mode, write if item.xattrs else None)
    if not kept:
        raise RefusedError(Code.NOT_STORED)


def _refuse_making_a_half(source: Place, new: bytes) -> None:
    if new.lower() == HALF_FOLDER and holds_half(source.root, source.names):
        raise RefusedError(Code.NOT_GRANTED)


def code_of_each(items: Iterable[ItemT], act: Callable[[ItemT], None]) -> Results:
    """Do something with each item, in order; a code for each."""
    codes = []
    for item in items:
        code = 0
        try:
            act(item)
        except RefusedError as refused:
            code = refused.code
        except OSError as error:
            code = code_of(error)
        codes.append(code)
    return Results(codes)
