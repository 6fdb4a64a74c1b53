"""What wsgidav asks for resources: the tree of the other side."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http import HTTPStatus

from wsgidav.dav_error import DAVError
from wsgidav.dav_provider import DAVProvider

from gimmal.base.errors import BadName, RemoteError
from gimmal.frontends.dav.bridge import Bridge
from gimmal.frontends.dav.far_side import LONG_SECONDS, copy_tree, remove_tree
from gimmal.frontends.dav.guard import STALE
from gimmal.frontends.dav.resources import Environ, File, Folder
from gimmal.frontends.dav.side import Side
from gimmal.frontends.dav.statuses import answer_of
from gimmal.frontends.dav.targets import wire_path
from gimmal.frontends.fuse.room import Rooms
from gimmal.protocol.messages import Attributes, Kind
from gimmal.remote.tree.view import Found

LISTED_MAX = 50_000
"""Entries of a folder that are told in one answer; a larger one cannot be shown."""

LISTED_AT_ONCE = 1000
"""Entries that are put together in one go on the event loop."""

_MISSING = ("not_found", "not_a_directory", "link_refused", "special_file")


class Provider(DAVProvider):
    """The other side's shares.

    Args:
        side: what is shown.
        bridge: to the loop where it is asked.
    """

    def __init__(self, side: Side, bridge: Bridge) -> None:
        super().__init__()
        self.verbose = 0
        self.side = side
        self.tree = side.tree
        self.bridge = bridge
        self._rooms = Rooms(side.tree)
        self.guard = threading.Lock()
        self.written: set[str] = set()
        """Files that are just being written, under ``guard``."""
        self.keeping = threading.Lock()
        """Held by who takes a file into memory as a whole, for the line is down."""

    def get_resource_inst(self, path: str, environ: Environ) -> File | Folder | None:
        """The resource at a path, None where there is none.

        Raises:
            DAVError: that cannot be said.
        """
        try:
            wire = wire_path(path)
        except BadName:
            return None
        if not wire:
            return Folder("/", environ, None)
        found = self.bridge.call(self._found(wire))
        if found is None:
            return None
        self._mark(environ, found.stale)
        return _resource(path, environ, found.attributes)

    def members(self, path: str, environ: Environ) -> Iterator[File | Folder]:
        """Files and folders in a folder, made one by one; what is neither is left out.

        Raises:
            DAVError: it cannot be listed, or holds too much.
        """
        entries, stale = self.bridge.call(self._listed(wire_path(path)))
        self._mark(environ, stale)
        above = path.rstrip("/")
        shown = (_resource(f"{above}/{name}", environ, attributes) for name, attributes in entries)
        return (one for one in shown if one is not None)

    def room(self, wire: str) -> dict[str, int]:
        """Bytes that are free, and used, on the disk that holds a path; of the list of shares, on the roomiest disk."""
        return self.bridge.call(self._room(wire))

    # Changing --------------------------------------------------------------------------------------------------------

    def make_folder(self, path: str) -> None:
        """Make a folder. Raises DAVError."""
        self.bridge.call(self.tree.make_directory(new_path(path)))

    def make_empty(self, path: str) -> None:
        """Make an empty file; it is there when this returns. Raises DAVError."""
        self.bridge.call(self._make_empty(new_path(path)))

    def set_time(self, path: str, mtime_ns: int) -> None:
        """Set the time of change of a file or folder. Raises DAVError."""
        self.bridge.call(self.tree.set_attributes(wire_path(path), mtime_ns=mtime_ns))

    def remove(self, resource: File | Folder) -> None:
        """Remove a file, or a folder with all it holds. Raises DAVError."""
        wire = wire_path(resource.path)
        if isinstance(resource, File):
            self.bridge.call(self.tree.remove(wire))
        else:
            self.bridge.call(self._remove_tree(wire), LONG_SECONDS)

    def move(self, source: File | Folder, path: str, target: File | Folder | None) -> None:
        """Move a file or folder to where ``target`` is, or to a place where nothing is. Raises DAVError."""
        wires = wire_path(source.path), new_path(path)
        if target is not None and not (isinstance(source, File) and isinstance(target, File)):
            self.remove(target)
        self.bridge.call(self._move(*wires), LONG_SECONDS)

    def copy(self, source: File | Folder, path: str, target: File | Folder | None, *, below: bool) -> None:
        """Copy the same way; ``below``: of a folder also what it holds. Raises DAVError."""
        wires = wire_path(source.path), new_path(path)
        if target is not None and not (isinstance(source, File) and isinstance(target, File)):
            self.remove(target)
        self.bridge.call(self._copy(*wires, below=below), LONG_SECONDS)

    async def _make_empty(self, wire: str) -> None:
        handle = await self.tree.open(wire, write=True, create=True, exclusive=True)
        await handle.close()

    async def _remove_tree(self, wire: str) -> None:
        async with self.tree.view.changing(wire):
            await remove_tree(await self.side.files(), wire)

    async def _move(self, source: str, target: str) -> None:
        try:
            await self.tree.rename(source, target)
        except RemoteError as error:
            if error.code != "cross_device":
                raise
            # What is not copied must not be removed.
            await self._copy(source, target, below=True, whole=True)
            await self._remove_tree(source)

    async def _copy(self, source: str, target: str, *, below: bool, whole: bool = False) -> None:
        async with self.tree.view.changing(target):
            await copy_tree(await self.side.files(), source, target, below=below, whole=whole)

    async def _found(self, wire: str) -> Found | None:
        try:
            return await self.side.look(lambda: self.tree.find(wire))
        except RemoteError as error:
            if error.code not in _MISSING:
                raise
            return None

    async def _listed(self, wire: str) -> tuple[list[tuple[str, Attributes]], bool]:
        listing = await self.side.look(lambda: self.tree.listing(wire))
        if len(listing.names) > LISTED_MAX:
            raise DAVError(HTTPStatus.INSUFFICIENT_STORAGE, f"a folder of more than {LISTED_MAX:,} entries")
        entries = []
        for count, name in enumerate(listing.names, 1):
            path = f"{wire}/{name.name}" if wire else name.name
            # What the listing itself told: asked for one by one, those of a large folder would be too old by then.
            found = self.tree.view.known(path) if not self.tree.waiting else None
            if found is None:
                found = await self._found(path)
            if found is not None:
                entries.append((name.name, found.attributes))
            if not count % LISTED_AT_ONCE:
                await asyncio.sleep(0)  # others have their turn
        return entries, listing.stale

    async def _room(self, wire: str) -> dict[str, int]:
        room = await (self.tree.statfs(wire) if wire else self._rooms.largest())
        return {"free": room.available, "used": max(0, room.total - room.free)}

    def _mark(self, environ: Environ, stale: bool) -> None:
        if stale:
            environ[STALE] = True


def new_path(path: str) -> str:
    """The wire path of what is to be made.

    Raises:
        DAVError: no such name can travel, or it would be a share.
    """
    try:
        wire = wire_path(path)
    except BadName as error:
        raise answer_of(error) from error
    if "/" not in wire:
        raise DAVError(HTTPStatus.FORBIDDEN, "what is shared is said on the other side")
    return wire


def _resource(path: str, environ: Environ, attributes: Attributes) -> File | Folder | None:
    if attributes.kind is Kind.FILE:
        return File(path.rstrip("/"), environ, attributes)
    return Folder(path, environ, attributes) if attributes.kind is Kind.DIRECTORY else None
