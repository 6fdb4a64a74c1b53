"""ReadBundle: several small files whole."""

from __future__ import annotations

import os

import msgspec

from gimmal.base.beneath import open_regular
from gimmal.protocol.codec import encode
from gimmal.protocol.codes import Code
from gimmal.protocol.digest import small_file_digest
from gimmal.protocol.limits import BODY_MAX, BUNDLE_CONTENT_MAX
from gimmal.protocol.messages import BundleItem, ReadBundle
from gimmal.share import turns
from gimmal.share.attributes import attributes_of, is_same_version
from gimmal.share.folders import Folders
from gimmal.share.holes import has_hole
from gimmal.share.places import Access, Place
from gimmal.share.refused import RefusedError, code_of
from gimmal.share.siblings import Siblings
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
    siblings = Siblings(state.places, above, Access.LOOK)
    with turns.of_this_process.taken(), Folders(above.root) as folders:
        for name in request.names:
            try:
                item, content = _read(folders, siblings.find(name), room, xattrs=request.xattrs)
            except RefusedError as refused:
                items.append(BundleItem(refused.code))
            except OSError as error:
                items.append(BundleItem(code_of(error)))
            else:
                items.append(item)
                contents.append(content)
                room -= len(content) + (xattr_bytes(item.xattrs) if item.xattrs else 0)
    return encode(items), contents


def _read(folders: Folders, place: Place, room: int, *, xattrs: bool) -> tuple[BundleItem, bytes]:
    descriptor, state = open_regular(place.names[-1], folders.at(place.names[:-1]))
    try:
        size = state.st_size
        if size > room:
            raise RefusedError(Code.TOO_LARGE)
        found, bare = read_xattrs(descriptor) if xattrs else ((), False)
        if found and size + xattr_bytes(found) > room:
            raise RefusedError(Code.TOO_LARGE)
        content = _whole(descriptor, size)
        if not is_same_version(os.fstat(descriptor), state):
            raise RefusedError(Code.CHANGED)
        attributes = attributes_of(state)
        # Of a small file its room tells too little: extended attributes may take as much as a hole spares.
        if size and not attributes.sparse and has_hole(descriptor, size):
            attributes = msgspec.structs.replace(attributes, sparse=True)
    finally:
        os.close(descriptor)
    return BundleItem(0, size, small_file_digest(content), attributes, found, bare), content


def _whole(descriptor: int, size: int) -> bytes:
    content = os.pread(descriptor, size, 0) if size else b""
    while len(content) < size:
        more = os.pread(descriptor, size - len(content), len(content))
        if not more:
            raise RefusedError(Code.CHANGED)
        content += more
    return content
