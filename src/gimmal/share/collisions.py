"""Names that a disk takes for one though they differ in case, form or trailing dots (docs/spec/names.md, section 4).

Most disks here keep them apart, and then nothing is refused. Whether one does not is tried once for each device
of a writable share, with a file of gimmal's own that is removed at once.
"""

from __future__ import annotations

import contextlib
import os
import unicodedata

from gimmal.base.paths import collision_key
from gimmal.base.primitives import random_bytes
from gimmal.protocol.codes import Code
from gimmal.share.places import PART_PREFIX, OpenShare
from gimmal.share.refused import RefusedError


def refuse_collision(share: OpenShare, folder: int, name: bytes) -> None:
    """Raise RefusedError(COLLISION) if ``name`` would mean a file that is there under another name.

    Args:
        share: where the answer is remembered.
        folder: descriptor of the folder the name is to be created in.
        name: the local name.
    """
    if not folds(share, folder):
        return
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not _listed(folder, name):
        raise RefusedError(Code.COLLISION)


def is_respelling(folder: int, old: bytes, new: bytes) -> bool:
    """Whether two names in a folder mean one entry, so that a rename only changes its spelling."""
    if collision_key(os.fsdecode(old)) != collision_key(os.fsdecode(new)):
        return False
    return _there(folder, new) and not _listed(folder, new)


def folds(share: OpenShare, folder: int) -> bool:
    """Whether the disk of a folder takes names that differ in case or form for one, as far as is known."""
    device = os.fstat(folder).st_dev
    known = share.folding.get(device)
    if known is None:
        try:
            known = share.folding[device] = _probe(folder)
        except OSError:
            known = True  # not known: look closely this time, and try again the next
    return known


def _probe(folder: int) -> bool:
    name = PART_PREFIX + b"a" + random_bytes(12).hex().encode()[1:]
    if _makes_one(folder, name, name.upper(), name + b"."):
        return True
    composed = name.decode() + "\u00e9"
    with contextlib.suppress(OSError):  # a disk without such letters
        return _makes_one(folder, composed.encode(), unicodedata.normalize("NFD", composed).encode())
    return False


def _makes_one(folder: int, name: bytes, *others: bytes) -> bool:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(name, flags, 0o600, dir_fd=folder))
    try:
        return any(_there(folder, other) for other in others)
    finally:
        os.unlink(name, dir_fd=folder)


def _there(folder: int, name: bytes) -> bool:
    with contextlib.suppress(OSError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return True
    return False


def _listed(folder: int, name: bytes) -> bool:
    descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        with os.scandir(descriptor) as scan:
            return any(os.fsencode(entry.name) == name for entry in scan)
    finally:
        os.close(descriptor)
