"""List and Tree: pages of entries in order of their names' bytes, lazily read (docs/spec/protocol.md, section 5).

A tree is walked depth first, a folder before what it holds. Memory is bounded: names are read ahead up to a
budget for the whole walk, and a folder larger than that is read again from the last name given out. A folder
that cannot be read is reported in the page and the walk goes on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from msgspec.structs import replace

from gimmal.base.errors import BadName
from gimmal.base.paths import DEPTH_MAX, PATH_BYTES_MAX, local_name_to_wire
from gimmal.protocol.codes import Code
from gimmal.protocol.limits import PAGE_BYTES_MAX
from gimmal.protocol.messages import Entry, Kind, List, Page, Tree, Xattrs
from gimmal.share import turns
from gimmal.share.attributes import attributes_at
from gimmal.share.cursors import Frame, Walk
from gimmal.share.looking import share_attributes
from gimmal.share.places import Access, holds_half, is_part_name
from gimmal.share.plain_names import plain_local_name
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.shares import HALF_FOLDER
from gimmal.share.stale_parts import remove_if_stale
from gimmal.share.state import SessionState
from gimmal.share.trash_names import is_trash_name
from gimmal.share.watch_answering import watch_to_list
from gimmal.share.xattrs import read_xattrs, xattr_bytes

AHEAD_MAX = 131_072
"""Names that one walk reads ahead, all its folders together."""

AHEAD_MIN = 2_048
"""Names that a folder may always read ahead."""

PAGE_BYTES_FIRST = 48 * 1024
"""Bytes of the first page of a tree, so that copying begins soon; each further one may be PAGE_GROWTH times as long."""

PAGE_GROWTH = 4

_ENTRY_BYTES = 64  # an entry without name and link target, encoded
_FAILURE_BYTES = 8


def answer_list(state: SessionState, request: List) -> Page:
    """Entries of a folder, or the shares where the path is empty."""
    if not request.path:
        shares = [Entry(opened.share.name, share_attributes(opened)) for opened in state.places]
        return Page(shares, 0)
    # Set before anything is read: what changes from then on is told.
    watch, new, folder = watch_to_list(state, request)
    try:
        page = _next_page(state, request.path, request.cursor, descending=False)
    except BaseException:
        if new and watch:
            state.watches.release(request.watch, [watch])
        raise
    return replace(page, watch=watch, folder=folder) if folder is not None else page


def answer_tree(state: SessionState, request: Tree) -> Page:
    """Everything below a folder, or below all shares where the path is empty."""
    with turns.of_this_process.taken():
        return _next_page(state, request.path, request.cursor, descending=True, xattrs=request.xattrs)


def _next_page(state: SessionState, path: str, cursor: int, *, descending: bool, xattrs: bool = False) -> Page:
    place = state.places.find(path, Access.LOOK) if path else None
    if cursor:
        walk = state.cursors.take(cursor, path, descending=descending)
    elif place is not None:
        walk = Walk(path, descending, place.share, (), [Frame(place.names, "")])
    else:
        shares = tuple(state.places)
        if not shares:
            return Page([], 0)
        walk = Walk(path, descending, shares[0], shares, [])
    walk.xattrs = xattrs
    if not walk.page_bytes:
        walk.page_bytes = PAGE_BYTES_FIRST // PAGE_GROWTH if descending else PAGE_BYTES_MAX
    filling = _Filling(walk)
    done = filling.fill()
    return Page(filling.entries, 0 if done else state.cursors.put(walk), filling.failures)


class _Filling:
    """One page being filled from a walk."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._bytes = 0
        self._descriptors: list[int | None] = [None] * len(walk.frames)
        self.entries: list[Entry] = []
        self.failures: list[tuple[str, int]] = []

    def fill(self) -> bool:
        """Take entries until the page is full; True where the walk is over."""
        try:
            room = self._walk.page_bytes = min(self._walk.page_bytes * PAGE_GROWTH, PAGE_BYTES_MAX)
            while self._bytes < room:
                if self._walk.frames:
                    self._step()
                elif not self._next_share():
                    return True
            return False
        finally:
            for descriptor in self._descriptors:
                if descriptor is not None:
                    os.close(descriptor)

    def _next_share(self) -> bool:
        if not self._walk.shares_left:
            return False
        self._walk.share, *rest = self._walk.shares_left
        self._walk.shares_left = tuple(rest)
        name = self._walk.share.share.name
        with self._failing(name):
            self._add(Entry(name, share_attributes(self._walk.share)))
            if not self._walk.share.grants(Access.LOOK):
                raise RefusedError(Code.NOT_GRANTED)
            self._push(Frame((), name + "/"))
        return True

    def _step(self) -> None:
        frame = self._walk.frames[-1]
        try:
            descriptor = self._descriptor()
            name = self._next_name(frame, descriptor)
        except OSError as error:
            if len(self._walk.frames) == 1 and self._walk.path:
                raise  # what was asked for itself cannot be read
            self._fail(frame.prefix[:-1], code_of(error))
            self._pop()
            return
        if name is None:
            self._pop()
            return
        entry = self._entry(frame, name, descriptor)
        if entry is not None:
            self._add(entry)
            if self._walk.descending and entry.attributes.kind is Kind.DIRECTORY:
                if len(frame.names) + 2 > DEPTH_MAX:
                    self._fail(entry.name, Code.NAME_TOO_LONG)
                else:
                    self._push(Frame((*frame.names, name), entry.name + "/"))

    def _entry(self, frame: Frame, name: bytes, descriptor: int) -> Entry | None:
        share = self._walk.share
        mapped = False
        if plain_local_name(name):
            wire = name.decode("ascii")
        elif is_part_name(name):
            if share.grants(Access.CHANGE):
                remove_if_stale(name, descriptor)
            return None
        elif is_trash_name(name):
            return None
        else:
            try:
                wire, mapped = local_name_to_wire(name)
            except BadName:
                self._tell_too_long(frame)
                return None
        path = frame.prefix + wire
        if self._walk.descending and self._too_long(path):
            self._tell_too_long(frame)
            return None
        try:
            attributes = attributes_at(name, descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._fail(path, code_of(error))
            return None
        if attributes.kind is not Kind.DIRECTORY:
            return Entry(path, attributes, mapped)
        if name.lower() == HALF_FOLDER and holds_half(share.root, (*frame.names, name)):
            return None
        xattrs: Xattrs = ()
        bare = False
        if self._walk.xattrs:
            with self._failing(path):
                xattrs, bare = read_xattrs(b"/proc/self/fd/%d/%s" % (descriptor, name))
        return Entry(path, attributes, mapped, xattrs, bare)

    def _too_long(self, path: str) -> bool:
        characters = len(self._walk.path) + 1 + len(path)
        if characters * 4 <= PATH_BYTES_MAX:
            return False
        return len(self._walk.path.encode()) + 1 + len(path.encode()) > PATH_BYTES_MAX

    def _tell_too_long(self, frame: Frame) -> None:
        if not frame.too_long_told:
            frame.too_long_told = True
            self._fail(frame.prefix[:-1], Code.NAME_TOO_LONG)

    def _next_name(self, frame: Frame, descriptor: int) -> bytes | None:
        if not frame.ahead and not frame.complete:
            held = sum(len(other.ahead) for other in self._walk.frames)
            read_ahead(frame, descriptor, max(AHEAD_MIN, AHEAD_MAX - held))
        if not frame.ahead:
            return None
        frame.after = frame.ahead.pop()
        return frame.after

    def _descriptor(self) -> int:
        descriptor = self._descriptors[-1]
        if descriptor is None:
            descriptor = self._walk.share.root.open_directory(self._walk.frames[-1].names)
            self._descriptors[-1] = descriptor
        return descriptor

    def _push(self, frame: Frame) -> None:
        self._walk.frames.append(frame)
        self._descriptors.append(None)

    def _pop(self) -> None:
        self._walk.frames.pop()
        descriptor = self._descriptors.pop()
        if descriptor is not None:
            os.close(descriptor)

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        name, target = entry.name, entry.attributes.target
        self._bytes += _ENTRY_BYTES + (len(name) if name.isascii() else len(name.encode()))
        if target:
            self._bytes += len(target.encode())
        if entry.xattrs:
            self._bytes += xattr_bytes(entry.xattrs)

    def _fail(self, path: str, code: Code) -> None:
        self.failures.append((path, code))
        self._bytes += _FAILURE_BYTES + len(path.encode())

    @contextlib.contextmanager
    def _failing(self, path: str) -> Iterator[None]:
        """Turn a refusal inside the block into a failure of the page; what is gone meanwhile is none."""
        try:
            yield
        except FileNotFoundError:
            pass
        except OSError as error:
            self._fail(path, code_of(error))
        except RefusedError as refused:
            self._fail(path, refused.code)


def read_ahead(frame: Frame, descriptor: int, room: int) -> None:
    """Read the next ``room`` names of a folder after ``frame.after``, in order of their bytes, into the frame."""
    after = frame.after
    names: list[bytes] = []
    complete = True
    with os.scandir(descriptor) as scan:
        for found in scan:
            name = os.fsencode(found.name)
            if after is not None and name <= after:
                continue
            names.append(name)
            if len(names) >= 2 * room:
                names.sort()
                del names[room:]
                complete = False
    names.sort()
    if len(names) > room:
        del names[room:]
        complete = False
    names.reverse()
    frame.ahead = names
    frame.complete = complete
