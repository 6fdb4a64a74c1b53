"""MakeDurable."""

from __future__ import annotations

import os
import stat

from gimmal.protocol.messages import MakeDurable, Results
from gimmal.share.changing import code_of_each
from gimmal.share.places import Access, Place
from gimmal.share.placing import sync_folder
from gimmal.share.state import SessionState

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def answer_make_durable(state: SessionState, request: MakeDurable) -> Results:
    """Let what stands at each path survive a power cut, in order; a code for each."""
    return code_of_each(request.paths, lambda path: _make_durable(state.places.find(path, Access.CREATE)))


def _make_durable(place: Place) -> None:
    if not place.names:
        sync_folder(place.root, ())
        return
    with place.parent() as (folder, name):
        kind = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        if stat.S_ISREG(kind):
            _sync_file(name, folder)
    if stat.S_ISDIR(kind):
        sync_folder(place.root, place.names)


def _sync_file(name: bytes, folder: int) -> None:
    try:
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except PermissionError:
        os.sync()  # a file that may not be read
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
