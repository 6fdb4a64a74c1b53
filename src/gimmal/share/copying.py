"""Copy: one file, without its bytes leaving this side."""

from __future__ import annotations

import os
import stat

from gimmal.base.beneath import open_regular
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Copy, Found, Replace
from gimmal.share.attributes import PERMISSION_BITS, attributes_of, version_of
from gimmal.share.byte_copying import copy_bytes
from gimmal.share.holes import data_stretches
from gimmal.share.keeping import keeping_one
from gimmal.share.places import Access, Place
from gimmal.share.placing import place_file, standing_file, sync_folder
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState
from gimmal.share.temporary import create_temporary, remove_temporary
from gimmal.share.xattrs import read_xattrs, write_xattrs


def answer_copy(state: SessionState, request: Copy) -> Found:
    """Copy one file with its mode and time, durably; CHANGED where it changed meanwhile."""
    if request.replace is Replace.EXPECTED:
        raise RefusedError(Code.INVALID)
    source = state.places.find(request.source, Access.LOOK)
    target = state.places.find(request.target, Access.CHANGE)
    if not source.names:
        raise RefusedError(Code.IS_A_DIRECTORY)
    with source.parent() as (folder, name):
        reading, found = open_regular(name, folder)
    try:
        return _copy(state, reading, found, target, request)
    finally:
        os.close(reading)


def _copy(state: SessionState, reading: int, found: os.stat_result, target: Place, request: Copy) -> Found:
    with target.parent() as (folder, final):
        standing = standing_file(target.share, folder, final, request.replace, None)
        if standing is not None and (standing.st_dev, standing.st_ino) == (found.st_dev, found.st_ino):
            raise RefusedError(Code.INVALID)  # onto itself
        temporary, writing = create_temporary(folder, held=True)
        try:
            for start, end in data_stretches(reading, 0, found.st_size, 1):
                copy_bytes(reading, writing, start, end)
            os.ftruncate(writing, found.st_size)
            xattrs, bare = read_xattrs(reading) if request.xattrs else ((), False)
            bare = not write_xattrs(writing, xattrs) or bare
            if version_of(os.fstat(reading)) != version_of(found):
                raise RefusedError(Code.CHANGED)
            os.fchmod(writing, stat.S_IMODE(found.st_mode) & PERMISSION_BITS)
            os.utime(writing, ns=(found.st_atime_ns, found.st_mtime_ns))
            os.fsync(writing)
            with keeping_one(state, target, folder, final, request.keep) as keep:
                place_file(target.share, folder, temporary, final, request.replace, keep=keep)
            copied = os.fstat(writing)
        except BaseException:
            remove_temporary(temporary, folder)
            raise
        finally:
            os.close(writing)
    sync_folder(target.root, target.names[:-1])
    return Found(attributes_of(copied), bare)
