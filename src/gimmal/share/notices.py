"""Notices of one stream as they are sent: what was marked is looked at and told, in bodies that fit their records."""

from __future__ import annotations

from gimmal.base.errors import BadName
from gimmal.base.paths import local_name_to_wire
from gimmal.protocol.codec import encode
from gimmal.protocol.limits import NOTICES_BYTES_MAX, NOTICES_ITEMS_MAX
from gimmal.protocol.messages import Attributes, Change, ChangeKind, Kind, Notices
from gimmal.share.attributes import attributes_at
from gimmal.share.looking import share_attributes
from gimmal.share.places import holds_half
from gimmal.share.shares import HALF_FOLDER
from gimmal.share.watch_stream import Marks, WatchStream
from gimmal.share.watching import Node, Watching

_CHANGE_BYTES = 80
"""Most bytes of a Change beside its name and the target of a link."""

_ENTRY_MOST = 24 << 10
"""Room that is left for one more: the longest name and the longest target."""


def next_notices(watching: Watching, stream: WatchStream, *, begin: bool = True) -> bytes | None:
    """The body of the next NOTICES; None where there is nothing to tell. Looks at files: blocks.

    Without ``begin`` it tells what was marked when last begun, not what was marked since: a file that never rests would
    be told of without end. To be called inside ``Places.using``.
    """
    body = _Body()
    with watching.locked():
        if begin:
            stream.begin()
        if stream.lost:
            stream.lost = False
            body.add(Change(0, ChangeKind.OVER))
        while stream.ended and body.has_room:
            body.add(Change(stream.ended.pop(), ChangeKind.OVER))
    while body.has_room:
        with watching.locked():
            taken = stream.take()
            node = stream.nodes.get(taken[0]) if taken else None
        if taken is None:
            break
        watch, marks = taken
        if node is None or node.share.ended:
            continue  # it is told to be over, or will be
        if not _tell(body, watch, node, marks):
            with watching.locked():
                stream.put_back(watch, marks)
    return encode(Notices(body.changes)) if body.changes else None


class _Body:
    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._bytes = 16

    @property
    def has_room(self) -> bool:
        return self._bytes + _ENTRY_MOST <= NOTICES_BYTES_MAX and len(self.changes) < NOTICES_ITEMS_MAX

    def add(self, change: Change) -> None:
        self.changes.append(change)
        self._bytes += _CHANGE_BYTES + len(change.name.encode())
        if change.attributes is not None:
            self._bytes += len(change.attributes.target.encode())


def _tell(body: _Body, watch: int, node: Node, marks: Marks) -> bool:
    """Tell what changed in a folder; False where there was no room for all of it, and ``marks`` holds the rest."""
    if marks.again:
        body.add(Change(watch, ChangeKind.AGAIN))
        marks.again = False
    try:
        if marks.itself and body.has_room:
            body.add(Change(watch, ChangeKind.ENTRY, "", _folder(node)))
            marks.itself = False
        if marks.names:
            with node.share.root.directory(node.names, reading=False) as folder:
                while marks.names and body.has_room:
                    change = _entry(watch, node, marks.names.pop(), folder)
                    if change is not None:
                        body.add(change)
    except OSError:
        # It cannot be looked at. Where it is gone, its watch will be told to be over.
        marks.names.clear()
        marks.itself = False
        body.add(Change(watch, ChangeKind.AGAIN))
    return not (marks.names or marks.itself)


def _folder(node: Node) -> Attributes:
    if not node.names:
        return share_attributes(node.share)
    with node.share.root.parent(node.names) as (folder, name):
        return attributes_at(name, folder)


def _entry(watch: int, node: Node, name: bytes, folder: int) -> Change | None:
    """An entry as a List would show it; None where it never would."""
    try:
        wire, mapped = local_name_to_wire(name)
    except BadName:
        return None
    try:
        attributes = attributes_at(name, folder)
    except FileNotFoundError:
        return Change(watch, ChangeKind.ENTRY, wire, None, mapped)
    if (
        attributes.kind is Kind.DIRECTORY
        and name.lower() == HALF_FOLDER
        and holds_half(node.share.root, (*node.names, name))
    ):
        return Change(watch, ChangeKind.ENTRY, wire, None, mapped)
    return Change(watch, ChangeKind.ENTRY, wire, attributes, mapped)
