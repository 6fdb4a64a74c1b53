"""States of files as the wire tells them."""

from __future__ import annotations

import os
import stat

from gimmal.base.paths import map_text
from gimmal.protocol.messages import Attributes, Kind, Version

PERMISSION_BITS = 0o777
"""What a peer may set of a mode: never set-user-id, set-group-id or sticky."""

_TARGET_MAX = 4096
_KINDS = {stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}


def attributes_of(state: os.stat_result, target: bytes = b"") -> Attributes:
    """Attributes of an entry; ``target`` is where a link points."""
    mode = state.st_mode
    if stat.S_ISREG(mode):
        size = state.st_size
        linked = state.st_dev if state.st_nlink > 1 else 0
        return Attributes(
            Kind.FILE, size, state.st_mtime_ns, stat.S_IMODE(mode), state.st_ino, "", linked, is_sparse(state)
        )
    kind = _KINDS.get(stat.S_IFMT(mode), Kind.OTHER)
    text = map_text(target)[0][:_TARGET_MAX] if target else ""
    return Attributes(kind, 0, state.st_mtime_ns, stat.S_IMODE(mode), state.st_ino, text)


def is_sparse(state: os.stat_result) -> bool:
    """Whether a file takes less room than its size."""
    return state.st_blocks * 512 < state.st_size


def attributes_at(name: bytes, folder: int) -> Attributes:
    """Attributes of an entry below a descriptor; a link is itself."""
    state = os.stat(name, dir_fd=folder, follow_symlinks=False)
    target = os.readlink(name, dir_fd=folder) if stat.S_ISLNK(state.st_mode) else b""
    return attributes_of(state, target)


def version_of(state: os.stat_result) -> Version:
    """What must stay equal for a file to be the same."""
    return Version(state.st_ino, state.st_size, state.st_mtime_ns)


def is_same_version(now: os.stat_result, before: os.stat_result) -> bool:
    """Whether a file is the same in both states: as `version_of` of them would be equal."""
    return now.st_mtime_ns == before.st_mtime_ns and now.st_size == before.st_size and now.st_ino == before.st_ino
