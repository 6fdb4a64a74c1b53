"""States of files as the wire tells them."""

from __future__ import annotations

import os
import stat

from gimmal.base.paths import map_text
from gimmal.protocol.messages import Attributes, Kind, Version

PERMISSION_BITS = 0o777
"""What a peer may set of a mode: never set-user-id, set-group-id or sticky."""

_TARGET_MAX = 4096
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.LINK}


def attributes_of(state: os.stat_result, target: bytes = b"") -> Attributes:
    """Attributes of an entry; ``target`` is where a link points."""
    kind = _KINDS.get(stat.S_IFMT(state.st_mode), Kind.OTHER)
    return Attributes(
        kind,
        state.st_size if kind is Kind.FILE else 0,
        state.st_mtime_ns,
        stat.S_IMODE(state.st_mode),
        state.st_ino,
        map_text(target)[0][:_TARGET_MAX] if target else "",
        state.st_dev if kind is Kind.FILE and state.st_nlink > 1 else 0,
        kind is Kind.FILE and is_sparse(state),
    )


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
