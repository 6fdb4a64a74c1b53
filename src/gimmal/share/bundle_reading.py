"""ReadBundle: several small files whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gimmal.base.beneath import open_regular
from gimmal.protocol.codec import encode
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.limits import BODY_MAX, BUNDLE_CONTENT_MAX
from gimmal.protocol.messages import BundleItem, ReadBundle
from gimmal.share.attributes import attributes_of, version_of
from gimmal.share.folders import Folders
from gimmal.share.holes import has_hole
from gimmal.share.places import Access, Place
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.state import SessionState
from gimmal.share.xattrs import read_xattrs, xattr_bytes

ITEM_BYTES_MAX = 96
"""Most bytes of one encoded BundleItem of a file without its extended attributes."""

_LIST_BYTES = 5


def bundle_room(items: int) -> int:
    """Bytes of contents that a bundle of so many items may hold beside its header."""
    return min(BUNDLE_CONTENT_MAX, BODY_MAX - _LIST_BYTES - ITEM_BYTES_MAX * items)


def read_bundle(state: SessionState, request: ReadBundle) -> tuple[bytes, list[bytes]]:
    """Header and contents of a BUNDLE record, items in the order asked.

    A file that would make the body larger than a record is answered TOO_LARGE, those after it still come where
    they fit. Where the folder itself is refused, every item is answered with that code.
    """
    try:
        above = state.places.find(request.folder, Access.LOOK)
    except RefusedError as refused:
        return encode([BundleItem(refused.code)] * len(request.names)), []
    except OSError as error:
        return encode([BundleItem(code_of(error))] * len(request.names)), []
    room = bundle_room(len(request.names))
    items: list[BundleItem] = []
    contents: list[bytes] = []
    with Folders(above.root) as folders:
        for name in request.names:
            try:
                place = state.places.below(above, name, Access.LOOK)
                item, content = _read(folders, place, room, xattrs=request.xattrs)
            except RefusedError as refused:
                items.append(BundleItem(refused.code))
            except OSError as error:
                items.append(BundleItem(code_of(error)))
            else:
                items.append(item)
                contents.append(content)
                room -= len(content) + xattr_bytes(item.xattrs)
    return encode(items), contents


def _read(folders: Folders, place: Place, room: int, *, xattrs: bool) -> tuple[BundleItem, bytes]:
    with _opened(folders, place) as (descriptor, state):
        if state.st_size > room:
            raise RefusedError(Code.TOO_LARGE)
        found, bare = read_xattrs(descriptor) if xattrs else ((), False)
        if state.st_size + xattr_bytes(found) > room:
            raise RefusedError(Code.TOO_LARGE)
        content = _whole(descriptor, state.st_size)
        if version_of(os.fstat(descriptor)) != version_of(state):
            raise RefusedError(Code.CHANGED)
        attributes = attributes_of(state)
        # Of a small file its room tells too little: extended attributes may take as much as a hole spares.
        if state.st_size and not attributes.sparse and has_hole(descriptor, state.st_size):
            attributes = msgspec.structs.replace(attributes, sparse=True)
    return BundleItem(0, len(content), small_file_digest(content), attributes, found, bare), content


@contextmanager
def _opened(folders: Folders, place: Place) -> Iterator[tuple[int, os.stat_result]]:
    descriptor, state = open_regular(place.names[-1], folders.at(place.names[:-1]))
    try:
        yield descriptor, state
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> bytes:
    content = os.pread(descriptor, size, 0) if size else b""
    while len(content) < size:
        more = os.pread(descriptor, size - len(content), len(content))
        if not more:
            raise RefusedError(Code.CHANGED)
        content += more
    return content
