"""MakeLinks: symbolic and hard links (docs/decisions/0050-links-and-attributes.md).

A symbolic link is written, never read: nothing here or elsewhere follows it afterwards. A hard link joins two names of
one share, and only where the file is still the one the asker means.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from operator import itemgetter

from gimmal.base.errors import BadName
from gimmal.base.paths import mapped_text_to_local
from gimmal.base.system_calls import sync_file_system
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import LINK_TARGET_MAX
from gimmal.protocol.messages import LinkItem, MakeLinks, Replace, Results
from gimmal.share.collisions import refuse_collision
from gimmal.share.keeping import Keeping, keeper_of, keeping
from gimmal.share.places import Access, Place
from gimmal.share.placing import place_link, sync_folder
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState
from gimmal.share.temporary import remove_temporary
from gimmal.share.temporary_names import new_temporary_name

_NO_LINKS_HERE = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)

Keep = Callable[[int, bytes], None]


def answer_make_links(state: SessionState, request: MakeLinks) -> Results:
    """Make links, in order; a code for each. They are durable when this returns."""
    if request.replace is Replace.EXPECTED:
        raise RefusedError(Code.INVALID)
    codes = [0] * len(request.items)
    found: dict[int, list[tuple[int, Place]]] = {}
    for number, item in enumerate(request.items):
        with _noting(codes, number):
            # A share that only takes things gets no links: what they mean is for those to say who see it.
            place = state.places.find(item.path, Access.CHANGE)
            found.setdefault(id(place.share), []).append((number, place))
    with contextlib.ExitStack() as stack:
        kept: dict[int, tuple[Keeping, int]] = {}
        for places in found.values():
            kept.update(_kept_ahead(stack, state, request, places, codes))
        made: list[Place] = []
        for number, place in sorted((each for places in found.values() for each in places), key=itemgetter(0)):
            if codes[number]:
                continue
            with _noting(codes, number):
                _make(state, request.items[number], place, request.replace, kept.get(number))
                made.append(place)
    _sync(made)
    return Results(codes)


def _kept_ahead(
    stack: contextlib.ExitStack,
    state: SessionState,
    request: MakeLinks,
    places: list[tuple[int, Place]],
    codes: list[int],
) -> dict[int, tuple[Keeping, int]]:
    """What keeps what the links of one share will replace, and its number there, by the links' numbers."""
    wanted = request.keep and request.replace is not Replace.NEVER
    keeping_all = stack.enter_context(keeping(state, [place for _number, place in places], wanted))
    if keeping_all is None:
        return {}
    kept: dict[int, tuple[Keeping, int]] = {}
    for index, (number, place) in enumerate(places):
        with _noting(codes, number), place.parent() as (folder, final):
            keeping_all.ahead(index, folder, final)
            kept[number] = keeping_all, index
    try:
        keeping_all.make_durable()
    except OSError as error:
        for number, (_keeping, index) in kept.items():
            codes[number] = code_of(error)
            with contextlib.suppress(RefusedError, OSError), places[index][1].parent() as (folder, final):
                keeping_all.undo(index, folder, final)
    return kept


def _make(
    state: SessionState, item: LinkItem, place: Place, replace: Replace, kept: tuple[Keeping, int] | None
) -> None:
    keep = keeper_of(*kept) if kept is not None else None
    try:
        if item.hard:
            _hard(state, item, place, replace, keep)
        else:
            _symbolic(item, place, replace, keep)
    finally:
        if kept is not None:
            # What was not replaced, or is the file linked to, belongs to its place alone.
            with contextlib.suppress(RefusedError, OSError), place.parent() as (folder, final):
                kept[0].undo(kept[1], folder, final)


def _symbolic(item: LinkItem, place: Place, replace: Replace, keep: Keep | None) -> None:
    try:
        target = mapped_text_to_local(item.target)
    except BadName:
        raise RefusedError(Code.BAD_NAME) from None
    if len(target) > LINK_TARGET_MAX:
        raise RefusedError(Code.NAME_TOO_LONG)
    with place.parent() as (folder, final):
        refuse_collision(place.share, folder, final)
        temporary = new_temporary_name()
        try:
            os.symlink(target, temporary, dir_fd=folder)
        except OSError as error:
            raise _refusal(error) from error
        try:
            os.utime(temporary, ns=(item.mtime_ns, item.mtime_ns), dir_fd=folder, follow_symlinks=False)
            place_link(folder, temporary, final, replace, keep)
        except BaseException:
            remove_temporary(temporary, folder)
            raise


def _hard(state: SessionState, item: LinkItem, place: Place, replace: Replace, keep: Keep | None) -> None:
    source = state.places.find(item.target, Access.CHANGE)
    if source.share is not place.share:
        raise RefusedError(Code.CROSS_DEVICE)
    with source.parent() as (folder, name):
        # In hand, whatever its name leads to by the time the link is made.
        file = os.open(name, getattr(os, "O_PATH", 0) | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise RefusedError(Code.SPECIAL_FILE if not stat.S_ISLNK(found.st_mode) else Code.LINK_REFUSED)
        if (found.st_size, found.st_mtime_ns) != (item.size, item.mtime_ns):
            raise RefusedError(Code.CHANGED)
        with place.parent() as (folder, final):
            refuse_collision(place.share, folder, final)
            if _is(found, folder, final):
                return  # a rename over itself would do nothing and leave the other name behind
            temporary = new_temporary_name()
            try:
                os.link(f"/proc/self/fd/{file}", temporary, dst_dir_fd=folder, follow_symlinks=True)
            except OSError as error:
                raise _refusal(error) from error
            try:
                place_link(folder, temporary, final, replace, keep)
            except BaseException:
                remove_temporary(temporary, folder)
                raise
    finally:
        os.close(file)


@contextlib.contextmanager
def _noting(codes: list[int], number: int) -> Iterator[None]:
    try:
        yield
    except RefusedError as refused:
        codes[number] = refused.code
    except OSError as error:
        codes[number] = code_of(error)


def _is(found: os.stat_result, folder: int, name: bytes) -> bool:
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)


def _refusal(error: OSError) -> RefusedError:
    return RefusedError(Code.NOT_STORED if error.errno in _NO_LINKS_HERE else code_of(error))


def _sync(made: list[Place]) -> None:
    """Make the names durable: once for each disk, or each folder where the system has no such call."""
    devices: dict[int, bool] = {}
    for place in {(item.share, item.names[:-1]): item for item in made}.values():
        try:
            with place.root.directory(place.names[:-1]) as folder:
                device = os.fstat(folder).st_dev
                if device not in devices:
                    devices[device] = sync_file_system(folder)
        except PermissionError:
            os.sync()  # a folder that may be written but not read
            return
        if not devices[device]:
            sync_folder(place.root, place.names[:-1])
