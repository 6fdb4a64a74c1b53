"""Stat and StatFileSystem."""

from __future__ import annotations

import os
import stat

from gimmal.protocol.codes import Code
from gimmal.protocol.limits import FILE_SIZE_MAX
from gimmal.protocol.messages import Attributes, Found, Kind, Room, Stat, StatFileSystem
from gimmal.share.attributes import attributes_at
from gimmal.share.disk_traits import time_grain
from gimmal.share.places import Access, OpenShare
from gimmal.share.refused import RefusedError
from gimmal.share.shares import Rights
from gimmal.share.state import SessionState

_MODES = {Rights.READ_WRITE: 0o755, Rights.READ_ONLY: 0o555, Rights.DROP: 0o333}
SHARE_LIST = Attributes(Kind.DIRECTORY, 0, 0, 0o555, 0)
"""What the empty path is: a folder of shares."""


def share_attributes(opened: OpenShare) -> Attributes:
    """A share as a folder whose mode tells the rights; one of this side alone as the folder it is."""
    state = opened.root.stat(())
    mode = stat.S_IMODE(state.st_mode) if opened.share.own else _MODES[opened.share.rights]
    return Attributes(Kind.DIRECTORY, 0, state.st_mtime_ns, mode, state.st_ino)


def answer_stat(state: SessionState, request: Stat) -> Found:
    """Attributes of one path; of a drop share only the share itself."""
    if not request.path:
        return Found(SHARE_LIST)
    place = state.places.find(request.path, Access.LOOK, share_itself=True)
    if not place.names:
        return Found(share_attributes(place.share))
    with place.parent() as (folder, name):
        return Found(attributes_at(name, folder))


def answer_stat_file_system(state: SessionState, request: StatFileSystem) -> Room:
    """Room on the disk that holds a path, and if asked the steps in which it keeps times."""
    if not request.path:
        raise RefusedError(Code.INVALID)
    place = state.places.find(request.path, Access.LOOK)
    found = place.stat()
    if stat.S_ISLNK(found.st_mode):
        raise RefusedError(Code.LINK_REFUSED)
    folder = place.names if stat.S_ISDIR(found.st_mode) else place.names[:-1]
    with place.root.directory(folder, reading=False) as descriptor:
        room = os.fstatvfs(descriptor)
        # To try it is to write; what may only be read is nobody's target.
        grain = time_grain(place.share, descriptor) if request.grain and place.share.grants(Access.CHANGE) else 0
    unit = room.f_frsize or room.f_bsize
    total, free, available = (
        min(count * unit, FILE_SIZE_MAX) for count in (room.f_blocks, room.f_bfree, room.f_bavail)
    )
    return Room(total, free, available, grain)
