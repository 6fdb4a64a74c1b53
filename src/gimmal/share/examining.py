"""Examine: extended attributes, and where a file holds data."""

from __future__ import annotations

import os
import stat
from itertools import islice

from gimmal.base.beneath import open_regular
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import EXTENTS_MAX
from gimmal.protocol.messages import Examine, Examined
from gimmal.share.attributes import is_sparse, version_of
from gimmal.share.holes import data_stretches
from gimmal.share.places import Access
from gimmal.share.refused import RefusedError
from gimmal.share.state import SessionState
from gimmal.share.xattrs import read_xattrs


def answer_examine(state: SessionState, request: Examine) -> Examined:
    """What a copy needs to know of a file or folder beyond its attributes; nothing of a link or another kind."""
    place = state.places.find(request.path, Access.LOOK)
    found = place.stat()
    if stat.S_ISDIR(found.st_mode):
        with place.root.directory(place.names) as descriptor:
            return Examined(*read_xattrs(descriptor))
    if not place.names:
        raise RefusedError(Code.NOT_A_DIRECTORY)
    with place.parent() as (folder, name):
        descriptor, found = open_regular(name, folder)
    try:
        if request.version is not None and version_of(found) != request.version:
            raise RefusedError(Code.CHANGED)
        return _of_file(descriptor, found, request.offset)
    finally:
        os.close(descriptor)


def _of_file(descriptor: int, found: os.stat_result, offset: int) -> Examined:
    # Told once: where it goes on, the asker has them.
    xattrs, bare = read_xattrs(descriptor) if not offset else ((), False)
    if not is_sparse(found):
        return Examined(xattrs, bare, ((offset, found.st_size - offset),) if offset < found.st_size else ())
    stretches = list(islice(data_stretches(descriptor, offset, found.st_size), EXTENTS_MAX + 1))
    more = stretches[EXTENTS_MAX][0] if len(stretches) > EXTENTS_MAX else 0
    return Examined(xattrs, bare, tuple((start, end - start) for start, end in stretches[:EXTENTS_MAX]), more)
