"""Destroying what is in a trash: after 30 days, or because somebody says so.

What is to go is first called ``gone-``: from then on it is no entry. Folders are not descended into: what they hold
is destroyed, and each folder in them is moved up beside them to be destroyed in its turn. So it can be
interrupted anywhere, needs one open folder at any depth, and leads nowhere else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from itertools import islice

from gimmal.base.beneath import Root, set_attributes_at
from gimmal.share.trash_batches import (
    batch_names,
    is_being_filled,
    items_in,
    opened_batch,
    opened_trash,
    remove_if_empty,
)
from gimmal.share.trash_looks import forget, look
from gimmal.share.trash_names import GONE, new_gone_name, time_of_batch

KEPT_SECONDS = 30 * 24 * 3600
"""How long an entry stays in a trash, at least: as looks at it count (`trash_looks`), not as its name says."""

FILLED_SECONDS = 600
"""How long after its beginning a batch may be filled further: by so much its entries are younger than its name."""

EMPTY_SECONDS = 3600
"""Age after which a batch that holds nothing is removed: its program was killed."""

STEPS_AT_ONCE = 2048
"""Files and folders that one sweep removes."""

ROOM_STEPS = 16_384
ROOM_BATCHES = 64
"""What `make_room` destroys at most: files and folders, and batches."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def sweep(root: Root, now: float, steps: int = STEPS_AT_ONCE) -> bool:
    """Look at the trash of a share, and remove what has been in it for too long.

    Args:
        root: the share's folder.
        now: seconds since 1970.
        steps: how many files and folders are removed at most.

    Returns:
        True where there may be more to do: call again.

    Raises:
        OSError: the trash cannot be read.
    """
    with opened_trash(root) as trash:
        if trash is None:
            return False
        if not (names := batch_names(trash)):
            return False
        looks = look(trash, names, now)
        for name in names:
            due = looks.age(name) >= KEPT_SECONDS + FILLED_SECONDS
            if not due and now - time_of_batch(name) < EMPTY_SECONDS:
                continue
            with contextlib.suppress(OSError), opened_batch(trash, name) as batch:
                if is_being_filled(batch):
                    continue
                if due:
                    for index in items_in(batch):
                        mark(batch, index)
                        steps -= 1
                steps = destroy_marked(batch, steps)
                if steps <= 0:
                    return True
                remove_if_empty(trash, name, batch)
        if not batch_names(trash):
            forget(trash)
    return False


def make_room(root: Root) -> bool:
    """Destroy the oldest batches of a full trash; whether one went.

    Raises:
        OSError: the trash cannot be read.
    """
    gone = 0
    steps = ROOM_STEPS
    with opened_trash(root) as trash:
        if trash is None:
            return False
        for name in batch_names(trash)[:ROOM_BATCHES]:
            with contextlib.suppress(OSError), opened_batch(trash, name) as batch:
                if is_being_filled(batch):
                    continue
                for index in items_in(batch):
                    mark(batch, index)
                steps = destroy_marked(batch, steps)
                if steps <= 0:
                    break
                gone += remove_if_empty(trash, name, batch)
    return gone > 0


def mark(batch: int, index: int) -> None:
    """Make an entry of a batch one that is to be destroyed; FileNotFoundError where it is not there."""
    _rename_to_gone(b"%d" % index, batch, batch)


def destroy_marked(batch: int, steps: int) -> int:
    """Destroy what is marked in a batch.

    Args:
        batch: descriptor of its folder.
        steps: how many removals at most.

    Returns:
        steps left; 0 or less where there is more to do.

    Raises:
        OSError: the disk refuses; the rest stays marked.
    """
    device = os.fstat(batch).st_dev
    with os.scandir(batch) as scan:
        waiting = [os.fsencode(entry.name) for entry in scan if os.fsencode(entry.name).startswith(GONE)]
    while waiting and steps > 0:
        name = waiting.pop()
        state = os.stat(name, dir_fd=batch, follow_symlinks=False)
        steps -= 1
        if not stat.S_ISDIR(state.st_mode):
            os.unlink(name, dir_fd=batch)
            continue
        if state.st_dev != device:
            raise OSError(errno.EXDEV, "another disk is mounted in the trash", os.fsdecode(name))
        if stat.S_IMODE(state.st_mode) & 0o700 != 0o700:
            set_attributes_at(name, batch, None, 0o700)
        folder = os.open(name, _FOLDER, dir_fd=batch)
        try:
            steps = _clear(folder, batch, waiting, steps)
        finally:
            os.close(folder)
        if steps <= 0:
            break
        os.rmdir(name, dir_fd=batch)
    return steps


def _clear(folder: int, batch: int, waiting: list[bytes], steps: int) -> int:
    while steps > 0:
        with os.scandir(folder) as scan:
            found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in islice(scan, steps)]
        if not found:
            return steps
        for name, is_folder in found:
            if is_folder:
                state = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_IMODE(state.st_mode) & 0o700 != 0o700:
                    set_attributes_at(name, folder, None, 0o700)  # moving a folder writes into it
                waiting.append(_rename_to_gone(name, folder, batch))
            else:
                os.unlink(name, dir_fd=folder)
            steps -= 1
    return steps


def _rename_to_gone(name: bytes, folder: int, batch: int) -> bytes:
    gone = new_gone_name()
    os.rename(name, gone, src_dir_fd=folder, dst_dir_fd=batch)
    return gone
