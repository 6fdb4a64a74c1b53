"""The last step of every upload, bundle, copy and move: a final name, given at once or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from gimmal.base.beneath import Root
from gimmal.base.system_calls import rename_without_replacing
from gimmal.protocol.codes import Code
from gimmal.protocol.messages import Replace, Version
from gimmal.share.attributes import PERMISSION_BITS, version_of
from gimmal.share.collisions import refuse_collision
from gimmal.share.places import OpenShare
from gimmal.share.refused import RefusedError

_TRIES = 16


def standing_file(
    share: OpenShare, folder: int, final: bytes, replace: Replace, expected: Version | None
) -> os.stat_result | None:
    """State of the file that stands under the final name and may be replaced; None where none is there.

    Raises:
        RefusedError: something is there that may not be replaced, or is not the version expected; or the disk
            takes the name for another that is there.
    """
    refuse_collision(share, folder, final)
    try:
        state = os.stat(final, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if replace is Replace.EXPECTED:
            raise RefusedError(Code.CHANGED) from None
        return None
    if stat.S_ISDIR(state.st_mode):
        raise RefusedError(Code.EXISTS if replace is Replace.NEVER else Code.IS_A_DIRECTORY)
    if replace is Replace.NEVER:
        raise RefusedError(Code.EXISTS)
    if stat.S_ISLNK(state.st_mode):
        raise RefusedError(Code.LINK_REFUSED)
    if not stat.S_ISREG(state.st_mode):
        raise RefusedError(Code.SPECIAL_FILE)
    if replace is Replace.EXPECTED and version_of(state) != expected:
        raise RefusedError(Code.CHANGED)
    return state


def place_file(
    share: OpenShare,
    folder: int,
    temporary: bytes,
    final: bytes,
    replace: Replace,
    expected: Version | None = None,
    *,
    source_folder: int | None = None,
    keep: Callable[[int, bytes], None] | None = None,
) -> None:
    """Give a file its final name, replacing only what ``replace`` allows.

    Args:
        share: the share both names lie in.
        folder: descriptor of the folder of the final name.
        temporary: the name it has now.
        final: the name it gets.
        replace: what may stand there before.
        expected: the version that may, with ``Replace.EXPECTED``.
        source_folder: descriptor of the folder of ``temporary``, where it is another.
        keep: called with ``folder`` and ``final`` before a file there is replaced; what it raises forbids that.

    Raises:
        RefusedError: as `standing_file`.
        OSError: the system refuses.
    """
    source = folder if source_folder is None else source_folder
    for _ in range(_TRIES):
        # With NEVER the system itself judges, in the same instant; only a no needs a closer look.
        if replace is not Replace.NEVER and standing_file(share, folder, final, replace, expected) is not None:
            if keep is not None:
                keep(folder, final)
            os.rename(temporary, final, src_dir_fd=source, dst_dir_fd=folder)
            return
        try:
            rename_without_replacing(temporary, final, source, folder)
            return
        except FileExistsError:
            if replace is Replace.NEVER:
                standing_file(share, folder, final, replace, expected)
            # Otherwise it came just now, or went: look again.
    raise RefusedError(Code.CHANGED)


def place_link(
    folder: int, temporary: bytes, final: bytes, replace: Replace, keep: Callable[[int, bytes], None] | None = None
) -> None:
    """Give a symbolic or a further hard link its final name.

    Args:
        folder: descriptor of the folder of both names.
        temporary: the name it has now.
        final: the name it gets.
        replace: NEVER, or ALWAYS for a file or link that may stand there.
        keep: as for `place_file`.

    Raises:
        RefusedError: something stands there that may not be replaced.
        OSError: the system refuses.
    """
    for _ in range(_TRIES):
        try:
            rename_without_replacing(temporary, final, folder, folder)
            return
        except FileExistsError:
            if replace is Replace.NEVER:
                raise RefusedError(Code.EXISTS) from None
        try:
            state = os.stat(final, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            continue  # it went just now
        if stat.S_ISDIR(state.st_mode):
            raise RefusedError(Code.IS_A_DIRECTORY)
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode)):
            raise RefusedError(Code.SPECIAL_FILE)
        if keep is not None:
            keep(folder, final)
        os.rename(temporary, final, src_dir_fd=folder, dst_dir_fd=folder)
        return
    raise RefusedError(Code.CHANGED)


def mode_for(requested: int | None, standing: os.stat_result | None, new_file_mode: int) -> int:
    """Permission bits of a file about to be placed: as asked, else those of the file it replaces, else new."""
    if requested is not None:
        return requested & PERMISSION_BITS
    return stat.S_IMODE(standing.st_mode) & PERMISSION_BITS if standing is not None else new_file_mode


def sync_folder(root: Root, names: tuple[bytes, ...]) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: the disk failed.
    """
    try:
        descriptor = root.open_directory(names)
    except PermissionError:
        os.sync()  # a folder that may be written but not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without the notion
            raise
    finally:
        os.close(descriptor)
